"""How large an answer may be that is sent whole."""

from collections.abc import Sequence

from ponder.agents.turn.plan import Plan
from ponder.server.requests.errors import ApiError

# Alternatives to tokens in one body: some 80 bytes each. One answer may fill a context of 32768 with 20 to each token.
MOST_ALTERNATIVES = 1 << 20


def refuse_large_answers(plans: Sequence[Plan]) -> None:
    """Raises ApiError where the alternatives that are asked for would make a body that is too large."""
    alternatives = sum(plan.params.max_tokens * plan.params.top_logprobs for plan in plans)
    if alternatives > MOST_ALTERNATIVES:
        raise ApiError(
            400,
            f"log-probabilities of up to {alternatives} alternatives (answers, times max_tokens, times alternatives to "
            f"each token) are more than the {MOST_ALTERNATIVES} of an answer that is sent whole: ask for a stream, or "
            "lower one of these numbers",
            param="logprobs",
        )
