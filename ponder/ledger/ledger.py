"""The ledger: token ids with who wrote each of them. One type for one turn or many, for training and for serving."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ponder.ledger.stop import StopReason


class SpanKind(StrEnum):
    """Who wrote a stretch of tokens. Only what the policy wrote is learned."""

    PROMPT = "prompt"
    POLICY = "policy"
    TOOL = "tool"
    FORCED = "forced"

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    SpanKind.PROMPT: "What was asked: the system's and the user's messages in the model's chat form.",
    SpanKind.POLICY: "Sampled by the policy; each of these tokens has its log-probability.",
    SpanKind.TOOL: "What a tool or an environment answered.",
    SpanKind.FORCED: "Put into the policy's mouth, such as the end of a thought that ran over its budget.",
}


@dataclass(frozen=True)
class Span:
    """Tokens `start` to `end` (exclusive) of a ledger, all of one writer."""

    kind: SpanKind
    start: int
    end: int


@dataclass
class Ledger:
    """An append-only sequence of token ids; nothing that was sampled is ever re-tokenised.

    ids       every token, prompt included
    spans     who wrote them; they cover `ids` without gaps, neighbours differ in kind
    logprobs  the sampler's log-probability (nats, at the sampling temperature) of each token of the policy, in order
    stop      why the last turn ended, once it has
    """

    ids: list[int] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    stop: StopReason | None = None

    @classmethod
    def of_turn(
        cls, prompt: Sequence[int], sampled: Sequence[int], logprobs: Sequence[float], stop: StopReason | str
    ) -> "Ledger":
        """A prompt and the one answer to it."""
        ledger = cls()
        ledger.append(SpanKind.PROMPT, prompt)
        ledger.append(SpanKind.POLICY, sampled, logprobs)
        ledger.stop = StopReason(stop)
        return ledger

    def append(self, kind: SpanKind, ids: Sequence[int], logprobs: Sequence[float] = ()) -> None:
        """Add tokens that `kind` wrote. Those of the policy come with as many log-probabilities, others with none."""
        wanted = len(ids) if kind is SpanKind.POLICY else 0
        assert len(logprobs) == wanted, f"{len(logprobs)} log-probabilities for {len(ids)} tokens of kind {kind}"
        if not ids:
            return
        start = len(self.ids)
        self.ids += ids
        self.logprobs += logprobs
        if self.spans and self.spans[-1].kind is kind:
            start = self.spans.pop().start
        self.spans.append(Span(kind, start, len(self.ids)))

    @property
    def mask(self) -> list[int]:
        """1 on the tokens of the policy, 0 on all others."""
        mask: list[int] = []
        for span in self.spans:
            mask += [int(span.kind is SpanKind.POLICY)] * (span.end - span.start)
        return mask

    @property
    def prompt_length(self) -> int:
        """Tokens before the first that is no prompt."""
        return self.spans[0].end if self.spans and self.spans[0].kind is SpanKind.PROMPT else 0

    @property
    def prompt_ids(self) -> list[int]:
        return self.ids[: self.prompt_length]

    @property
    def response_ids(self) -> list[int]:
        """All that follows the first prompt, whoever wrote it."""
        return self.ids[self.prompt_length :]

    @property
    def sampled(self) -> int:
        """Number of tokens that the policy wrote."""
        return len(self.logprobs)

    @property
    def truncated(self) -> bool:
        return self.stop is StopReason.LENGTH
