"""What a request may ask of an engine at most: whoever asks for more can never run, and is told so at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ponder.engine.kernels import LENGTH_BUCKET
from ponder.engine.protocol import Request
from ponder.engine.yarn import context_of
from ponder.model.config import ModelConfig


@dataclass(frozen=True)
class Limits:
    """
    Attributes:
        context: most tokens of prompt and answer (the context window) at rope_factor 1
        rope_factors: the YaRN factors that requests may have, ascending, 1 among them
        token_budget: most tokens whose keys and values are held at a time
        vocab_size: token ids are below it
        most: most tokens of prompt and answer at any factor, where that is less than the factors offer
    Raises:
        ValueError: values with which nothing could run.
    """

    context: int
    rope_factors: tuple[float, ...]
    token_budget: int
    vocab_size: int
    most: int | None = None

    def __post_init__(self):
        if self.token_budget < LENGTH_BUCKET:
            raise ValueError(f"the engine needs token_budget >= {LENGTH_BUCKET}, got {self.token_budget}")
        if 1 not in self.rope_factors or min(self.rope_factors) < 1:
            raise ValueError(f"rope_factors must be at least 1, and 1 among them, got {list(self.rope_factors)}")

    @classmethod
    def of(
        cls, config: ModelConfig, token_budget: int, rope_factors: Sequence[float] = (1.0,), most: int | None = None
    ) -> "Limits":
        context, factors = context_of(config), tuple(sorted(map(float, rope_factors)))
        return cls(min(context, most or context), factors, token_budget, config.vocab_size, most)

    @property
    def longest(self) -> int:
        """Most tokens of prompt and answer at the largest factor."""
        return min(int(self.context * self.rope_factors[-1]), self.token_budget, self.most or self.token_budget)

    def check(self, requests: Iterable[Request]) -> None:
        """Raises ValueError at the first request that can never run here, and says what to change."""
        for request in requests:
            self._check(request)

    def _check(self, request: Request) -> None:
        if request.rope_factor not in self.rope_factors:
            offered = ", ".join(f"{factor:g}" for factor in self.rope_factors)
            raise ValueError(
                f"request {request.id}: rope_factor {request.rope_factor:g} is not offered; there are: {offered}"
            )
        if not 0 <= request.seed < 2**64:
            raise ValueError(f"request {request.id}: seed must be between 0 and 2**64 - 1, got {request.seed}")
        if not 0 <= request.answered <= len(request.prompt):
            raise ValueError(
                f"request {request.id}: answered is {request.answered}; it counts tokens at the end of the prompt, "
                f"which has {len(request.prompt)}"
            )
        need, context = len(request.prompt) + request.params.max_tokens, int(self.context * request.rope_factor)
        context = min(context, self.most or context)
        if not request.prompt:
            raise ValueError(f"request {request.id}: the prompt is empty")
        if len(request.prompt) >= context:
            raise ValueError(
                f"request {request.id}: the prompt has {len(request.prompt)} tokens, the model's context is {context}; "
                "shorten the prompt"
            )
        if need > context:
            raise ValueError(
                f"request {request.id}: prompt ({len(request.prompt)}) + max_tokens ({request.params.max_tokens}) exceeds "
                f"the model's context of {context}; set max_tokens to {context - len(request.prompt)} or less"
            )
        if need > self.token_budget:
            raise ValueError(
                f"request {request.id}: prompt + max_tokens is {need}, the engine's token_budget {self.token_budget}; "
                "raise the budget or lower max_tokens"
            )
        tokens = (*request.prompt, *(token for token, _ in request.params.logit_bias))
        if max(tokens) >= self.vocab_size or min(tokens) < 0:
            raise ValueError(f"request {request.id}: a token id outside 0..{self.vocab_size - 1}")
