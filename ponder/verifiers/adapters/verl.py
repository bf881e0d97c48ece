"""The verifiers as a custom reward function of verl: name this module and `compute_score` in its configuration."""

from collections.abc import Mapping
from typing import Any, Literal

from ponder.verifiers.adapters.rollouts import response_from, score_of, task_from
from ponder.verifiers.api import shared_verification
from ponder.verifiers.table import known_verifier


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    *,
    verifier: str | Mapping[str, str],
    on_error: Literal["raise", "zero"] = "raise",
    prompt_opens_thinking: bool = False,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float | str]:
    """The score of a response, as verl's reward managers take it: {"score", "acc", "pred", "status", "reason"}.

    `verifier` is a verifier's name, or a mapping from data sources to names. Of `extra_info` the keys `tools`,
    `choices` and `metadata` are read. `acc` is 1 for `correct` and else 0; `pred` is the answer as it was read.

    verl has no reward that means "none": it takes no None, and a NaN spoils its whole group. So where the verifier
    itself failed or ran out of time, NoScoreError is raised: verl's trainer counts that rollout as failed and leaves
    it out. Its old trainer (`trainer.use_v1=False`) stops instead; "zero" is for it: the score is 0, which `status`
    then shows to be no verdict. ValueError for an unknown verifier or a data source without one.

    The last two arguments are verl's, for rewards that ask a model; they are not used.
    """
    if on_error not in ("raise", "zero"):
        raise ValueError(f"on_error is 'raise' or 'zero', not {on_error!r}")
    name = known_verifier(verifier if isinstance(verifier, str) else _verifier_for(data_source, verifier))
    task = task_from(name, ground_truth, extra_info or {})
    verdict = shared_verification().submit(task, response_from(solution_str, prompt_opens_thinking)).result()
    return {
        "score": 0.0 if on_error == "zero" and verdict.score is None else score_of(verdict),
        "acc": float(verdict.status == "correct"),
        "pred": verdict.parsed or "",
        "status": verdict.status,
        "reason": verdict.reason,
    }


def _verifier_for(data_source: str, verifiers: Mapping[str, str]) -> str:
    if data_source not in verifiers:
        named = ", ".join(sorted(verifiers)) or "none"
        raise ValueError(f"no verifier is given for the data source {data_source!r}; they are given for: {named}")
    return verifiers[data_source]
