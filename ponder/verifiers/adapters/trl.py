"""A verifier as a reward function of TRL: `GRPOTrainer(reward_funcs=reward_function("math"))`."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ponder.verifiers.adapters.rollouts import response_from, task_from
from ponder.verifiers.api import shared_verification
from ponder.verifiers.table import known_verifier
from ponder.verifiers.verdict import Verdict

LOG = logging.getLogger(__name__)


def reward_function(
    verifier: str, reference: str = "answer", prompt_opens_thinking: bool = False, eos_token_ids: Collection[int] = ()
) -> "RewardFunction":
    """A reward function for TRL: a score in [0, 1] for each completion, None where the verifier itself failed.

    `reference` names the column that the verifier compares with; the columns `tools`, `choices` and `metadata` are
    read where they are there. TRL leaves completions with None out: they are no part of their group's mean, and their
    advantage is 0. A text prompt that ends with `<think>` is seen; where a chat template adds it say so with
    `prompt_opens_thinking`. Given `eos_token_ids`, a completion that does not end with one of them was cut off, and
    scores 0 whatever it says. ValueError for an unknown verifier.
    """
    return RewardFunction(known_verifier(verifier), reference, prompt_opens_thinking, frozenset(eos_token_ids))


@dataclass(frozen=True)
class RewardFunction:
    """See `reward_function`. An object and no closure, since some of TRL's trainers pickle their reward functions."""

    verifier: str
    reference: str
    prompt_opens_thinking: bool
    eos_token_ids: frozenset[int]

    @property
    def __name__(self) -> str:
        """What TRL calls the reward in its logs."""
        return self.verifier

    def __call__(
        self, prompts: list, completions: list, completion_ids: list[list[int]] | None = None, **columns: Any
    ) -> list[float | None]:
        """Rewards in the order of the completions. ValueError if the data set lacks the column of the reference."""
        if self.reference not in columns:
            has = ", ".join(sorted(name for name, value in columns.items() if isinstance(value, list))) or "none"
            raise ValueError(f"the data set has no column {self.reference!r} (it has: {has}): give reference=NAME")
        verification = shared_verification()
        futures = []
        for i, completion in enumerate(completions):
            row = {name: columns[name][i] for name in ("tools", "functions", "choices", "metadata") if name in columns}
            ids = completion_ids[i] if completion_ids is not None else None
            opened = self.prompt_opens_thinking or _ends_with_think(prompts[i])
            response = response_from(completion, opened, self._cut_off(ids), None if ids is None else len(ids))
            futures.append(verification.submit(task_from(self.verifier, columns[self.reference][i], row), response))
        verdicts = [future.result() for future in futures]
        self._report(verdicts, columns)
        return [verdict.score for verdict in verdicts]

    def _cut_off(self, ids: list[int] | None) -> bool:
        return bool(self.eos_token_ids and ids) and ids[-1] not in self.eos_token_ids

    def _report(self, verdicts: list[Verdict], columns: dict[str, Any]) -> None:
        """Tells TRL's logs, where it lets us, and our own what has no verdict: a training on nothing must be seen."""
        failed = [verdict for verdict in verdicts if verdict.score is None]
        if failed:
            LOG.warning(
                "%s: %d of %d completions have no verdict, their reward is None; the first (%s): %s",
                *(self.verifier, len(failed), len(verdicts), failed[0].status, failed[0].reason),
            )
        if log_extra := columns.get("log_extra"):
            log_extra(f"{self.verifier}_status", [verdict.status for verdict in verdicts])
        if log_metric := columns.get("log_metric"):
            log_metric(f"rewards/{self.verifier}/no_verdict", len(failed) / max(1, len(verdicts)))


def _ends_with_think(prompt: Any) -> bool:
    return isinstance(prompt, str) and prompt.rstrip().endswith("<think>")
