"""How long a turn may be: by the model's context, YaRN's factors and the memory of the engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from ponder.engine.yarn import smallest_factor


class TooLong(ValueError):
    """A prompt (and, where `asked`, its answer of so many tokens) that the context cannot hold. `at_least`: nobody has
    counted all of its tokens."""

    def __init__(self, prompt_tokens: int, context: int, asked: int = 0, at_least: bool = False):
        wanted = f"{'at least ' if at_least else ''}{prompt_tokens} tokens of prompt"
        wanted += f" and {asked} of answer are asked for" if asked else ""
        super().__init__(
            f"This model's maximum context length is {context} tokens, but {wanted}: shorten the prompt"
            + (" or lower max_tokens." if asked else ".")
        )
        self.prompt_tokens, self.context = prompt_tokens, context


@dataclass(frozen=True)
class Lengths:
    """What the engine offers: `context` tokens at factor 1, the factors, ascending, and the `longest` sequence that its
    memory holds at any factor, in tokens."""

    context: int
    factors: tuple[float, ...]
    longest: int

    def at(self, factor: float) -> int:
        """Most tokens of prompt and answer."""
        return min(int(self.context * factor), self.longest)

    def offered(self, factor: float | None) -> Sequence[float]:
        """The factors to choose from: all of them, or the one that is asked for. Raises ValueError where there is none."""
        if factor is not None and factor not in self.factors:
            offered = ", ".join(f"{offer:g}" for offer in self.factors)
            raise ValueError(f"rope_factor {factor:g} is not offered; there are: {offered}")
        return self.factors if factor is None else (factor,)

    def fit(
        self, prompt_tokens: int, asked: int | None, factor: float | None = None, cut: bool = False
    ) -> tuple[float, int]:
        """The factor of a sequence and its max_tokens. Without `asked` the answer may fill the context of the smallest
        factor that leaves it a quarter of the context, which a thinking model needs. `cut`: more than there is room for
        may be asked for.

        Raises:
            TooLong: it is.
            ValueError: the factor is not offered.
        """
        factors = self.offered(factor)
        longest = self.at(factors[-1])
        room = longest - prompt_tokens
        if room < 1:
            raise TooLong(prompt_tokens, longest)
        if asked is not None and cut:
            asked = min(asked, room)
        if asked is not None and asked > room:
            raise TooLong(prompt_tokens, longest, asked)
        wanted = min(self.context // 4, room) if asked is None else asked
        chosen = smallest_factor(prompt_tokens, wanted, self.context, factors)
        return chosen, self.at(chosen) - prompt_tokens if asked is None else asked
