"""What every engine takes and gives: prompts as token ids in, sampled token ids with log-probabilities out."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor  # who asks other servers needs no torch

FinishReason = Literal["stop", "length", "aborted"]
MAX_TOP_LOGPROBS = 20
# Logits are float32 and divided by these: what is allowed here keeps them finite, and so every probability a number.
LEAST_TEMPERATURE, MOST_TEMPERATURE = 1e-3, 1e3
LEAST_REPETITION, MOST_REPETITION = 0.01, 100.0


@dataclass(frozen=True)
class SamplingParams:
    """How to draw tokens (decoding parameters). The defaults are the QwQ guidelines for users; `rl_sampling` draws
    untruncated at T = 1.

    Raises:
        ValueError: a value out of its range, by name.
    """

    temperature: float = 0.6  # 0 is greedy, else 0.001 to 1000
    top_k: int = 40  # 0 is off
    top_p: float = 0.95  # 1 is off
    min_p: float = 0.0  # 0 is off
    presence_penalty: float = 0.0  # subtracted from the logits of tokens in the answer so far
    repetition_penalty: float = 1.0  # divides (multiplies, where negative) logits of tokens in prompt or answer
    frequency_penalty: float = 0.0  # subtracted for each time that the token stands in the answer so far
    max_tokens: int = 4096
    stop_ids: frozenset[int] = frozenset()
    logit_bias: tuple[tuple[int, float], ...] = ()  # (token id, added to its logit before the temperature divides)
    top_logprobs: int = 0  # how many likeliest tokens are told at each place, 0 to 20

    def __post_init__(self):
        _require(
            self.temperature == 0 or LEAST_TEMPERATURE <= self.temperature <= MOST_TEMPERATURE,
            "temperature",
            self.temperature,
            f"0 (greedy) or between {LEAST_TEMPERATURE:g} and {MOST_TEMPERATURE:g}",
        )
        _require(0 <= self.top_k < 2**31, "top_k", self.top_k, "at least 0 (0 is off) and below 2**31")
        _require(0 < self.top_p <= 1, "top_p", self.top_p, "above 0 and at most 1 (1 is off)")
        _require(0 <= self.min_p < 1, "min_p", self.min_p, "at least 0 and below 1 (0 is off)")
        _require(-2 <= self.presence_penalty <= 2, "presence_penalty", self.presence_penalty, "between -2 and 2")
        _require(-2 <= self.frequency_penalty <= 2, "frequency_penalty", self.frequency_penalty, "between -2 and 2")
        _require(
            LEAST_REPETITION <= self.repetition_penalty <= MOST_REPETITION,
            "repetition_penalty",
            self.repetition_penalty,
            f"between {LEAST_REPETITION:g} and {MOST_REPETITION:g} (1 is off)",
        )
        _require(self.max_tokens >= 1, "max_tokens", self.max_tokens, "at least 1")
        for token, bias in self.logit_bias:
            _require(-100 <= bias <= 100, f"logit_bias[{token}]", bias, "between -100 and 100")
        _require(len(dict(self.logit_bias)) == len(self.logit_bias), "logit_bias", "one token twice", "one per token")
        top = self.top_logprobs
        _require(0 <= top <= MAX_TOP_LOGPROBS, "top_logprobs", top, f"between 0 and {MAX_TOP_LOGPROBS}")

    @property
    def truncates(self) -> bool:
        return self.temperature > 0 and (self.top_k > 0 or self.top_p < 1 or self.min_p > 0)

    @property
    def penalises(self) -> bool:
        return self.presence_penalty != 0 or self.frequency_penalty != 0 or self.repetition_penalty != 1


def _require(holds: bool, name: str, value: float | str, want: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {want}, got {value}")


def rl_sampling(max_tokens: int, stop_ids: frozenset[int]) -> SamplingParams:
    """Sampling parameters of the policy itself, for rollouts: truncated sampling would multiply the ratio of learner to
    sampler by the mass kept."""
    return SamplingParams(temperature=1.0, top_k=0, top_p=1.0, max_tokens=max_tokens, stop_ids=stop_ids)


class TokenMask(Protocol):
    """Which tokens may come next in one sequence: a grammar, and how far it has been read. One mask, one request.

    Whatever it raises, and a mask of another size, ends its own sequence (`Completion.error`) and no other.
    """

    @property
    def finished(self) -> bool:
        """The grammar is complete and cannot go on: only stop ids may come."""
        ...

    def allowed(self) -> "Tensor":
        """# [vocab], bool, on the CPU. Stop ids are among them exactly where the grammar may end.

        Raises:
            ValueError: the mask has failed (a limit of its work was reached); the sequence cannot go on.
        """
        ...

    def advance(self, token: int) -> None:
        """Take the token that was sampled, never a stop id.

        Raises:
            ValueError: the mask does not allow it.
        """
        ...


@dataclass(frozen=True)
class Request:
    """One sequence to sample. `seed` (64 bits) and a token's position in the answer determine its random number.

    `answered`: how many of the prompt's last tokens belong to the answer already, where this request continues one. The
    penalties that look at the answer (presence, frequency) count them, except with vLLM, which has no field for it; the
    repetition penalty looks at both anyway.
    """

    id: Hashable
    prompt: tuple[int, ...]
    params: SamplingParams
    seed: int
    rope_factor: float = 1.0  # YaRN scaling of this sequence (1 is none), fixed while it runs
    mask: TokenMask | None = None  # structured output
    answered: int = 0


@dataclass
class Completion:
    """What was sampled, stop token included, each token with its log-probability at the sampling temperature (at T = 1
    for greedy): before truncation, penalties, logit_bias and mask, so what the model itself thought of it."""

    request: Request
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    # With top_logprobs: the likeliest tokens (id, logprob) at each place, best first, of the same distribution.
    top: list[tuple[tuple[int, float], ...]] = field(default_factory=list)
    cached_tokens: int = 0  # of the prompt, taken from the prefix cache
    error: str | None = None  # why it was aborted, where its mask failed
    let_in: float | None = field(default=None, compare=False)  # when its first step came, of time.perf_counter()

    def take(self, token: int, logprob: float) -> None:
        """One more sampled token; it may be the last."""
        params, mask = self.request.params, self.request.mask
        self.ids.append(token)
        self.logprobs.append(logprob)
        if token in params.stop_ids:
            self.finish_reason = "stop"
            return
        if mask is not None and self._advance(mask, token) and not params.stop_ids:
            self.finish_reason = "stop"
        if self.finish_reason is None and len(self.ids) == params.max_tokens:
            self.finish_reason = "length"

    def fail(self, error: BaseException) -> None:
        """The mask has failed: nothing more is sampled. Raises what is not the mask's: Ctrl+C and the like."""
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise error
        named = isinstance(error, ValueError) and str(error)
        self.error = str(error) if named else f"the mask has failed: {type(error).__name__}: {error}"
        self.finish_reason = "aborted"

    def _advance(self, mask: TokenMask, token: int) -> bool:
        """Whether the mask is finished after this token."""
        try:
            mask.advance(token)
            return mask.finished
        except BaseException as error:  # a panic in a grammar written in Rust is no Exception
            self.fail(error)
            return False


class Engine(Protocol):
    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield each completion as it finishes, in any order.

        Raises:
            ValueError: a request that can never fit (context or token budget), before anything is sampled.
        """
        ...

    def close(self) -> None: ...
