"""What every engine takes and gives: prompts as token ids in, sampled token ids with log-probabilities out."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

FinishReason = Literal["stop", "length", "aborted"]


@dataclass(frozen=True)
class SamplingParams:
    """How to draw tokens. The defaults are the QwQ guidelines for users; `RL_SAMPLING` draws untruncated at T = 1.

    Raises:
        ValueError: a value out of its range, by name.
    """

    temperature: float = 0.6  # 0 is greedy
    top_k: int = 40  # 0 is off
    top_p: float = 0.95  # 1 is off
    min_p: float = 0.0  # 0 is off
    presence_penalty: float = 0.0  # subtracted from the logits of tokens in the answer so far
    repetition_penalty: float = 1.0  # divides (multiplies, where negative) logits of tokens in prompt or answer
    max_tokens: int = 4096
    stop_ids: frozenset[int] = frozenset()

    def __post_init__(self):
        _require(self.temperature >= 0, "temperature", self.temperature, "at least 0 (0 is greedy)")
        _require(self.top_k >= 0, "top_k", self.top_k, "at least 0 (0 is off)")
        _require(0 < self.top_p <= 1, "top_p", self.top_p, "above 0 and at most 1 (1 is off)")
        _require(0 <= self.min_p < 1, "min_p", self.min_p, "at least 0 and below 1 (0 is off)")
        _require(-2 <= self.presence_penalty <= 2, "presence_penalty", self.presence_penalty, "between -2 and 2")
        _require(self.repetition_penalty > 0, "repetition_penalty", self.repetition_penalty, "above 0 (1 is off)")
        _require(self.max_tokens >= 1, "max_tokens", self.max_tokens, "at least 1")

    @property
    def truncates(self) -> bool:
        return self.temperature > 0 and (self.top_k > 0 or self.top_p < 1 or self.min_p > 0)

    @property
    def penalises(self) -> bool:
        return self.presence_penalty != 0 or self.repetition_penalty != 1


def _require(holds: bool, name: str, value: float, want: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {want}, got {value}")


def rl_sampling(max_tokens: int, stop_ids: frozenset[int]) -> SamplingParams:
    """The policy itself: truncated sampling would multiply the ratio of learner to sampler by the mass kept."""
    return SamplingParams(temperature=1.0, top_k=0, top_p=1.0, max_tokens=max_tokens, stop_ids=stop_ids)


@dataclass(frozen=True)
class Request:
    """One sequence to sample. `seed` (64 bits) and a token's position in the answer determine its random number."""

    id: Hashable
    prompt: tuple[int, ...]
    params: SamplingParams
    seed: int


@dataclass
class Completion:
    """What was sampled, stop token included, each token with its log-probability at the sampling temperature,
    before truncation and penalties (at T = 1 for greedy)."""

    request: Request
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None


class Engine(Protocol):
    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield each completion as it finishes, in any order.

        Raises:
            ValueError: a request that can never fit (context or token budget), before anything is sampled.
        """
        ...

    def close(self) -> None: ...
