"""How often a quantity took which values: what Prometheus calls a histogram, with the names that vLLM gives its own."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SECONDS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 640)
STEP_TOKENS = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
# Of the engine's own, by name: what they say, and where their buckets end.
ENGINE_HISTOGRAMS: dict[str, tuple[str, tuple[float, ...]]] = {
    "request_queue_time_seconds": ("From a request's arrival to its first step", SECONDS),
    "request_prefill_time_seconds": ("From a request's first step to its first token", SECONDS),
    "request_inference_time_seconds": ("From a request's first step to its last token", SECONDS),
    "iteration_tokens_total": ("Tokens of one step: of prompts, and one for each sequence that decodes", STEP_TOKENS),
}


@dataclass
class Histogram:
    """
    Attributes:
        bounds: upper ends of the buckets, ascending; a last one has no end
        counts: observations in each bucket, one more than bounds
        total: the sum of all that was observed
    """

    bounds: tuple[float, ...]
    counts: list[float] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self):
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> "Histogram":
        return Histogram(self.bounds, list(self.counts), self.total)

    def buckets(self) -> list[tuple[str, float]]:
        """(upper end, how many were no more), as Prometheus counts."""
        ends, so_far = [*map(str, map(float, self.bounds)), "+Inf"], 0.0
        found = []
        for end, count in zip(ends, self.counts, strict=True):
            so_far += count
            found.append((end, so_far))
        return found


def empty_histograms() -> dict[str, Histogram]:
    return {name: Histogram(bounds) for name, (_, bounds) in ENGINE_HISTOGRAMS.items()}


def summed(several: Iterable[Mapping[str, Histogram]]) -> dict[str, Histogram]:
    """Those of several servers as one. Of servers with other buckets (another vLLM's) only those count that are cut as the first's."""
    total: dict[str, Histogram] = {}
    for histograms in several:
        for name, histogram in histograms.items():
            if (before := total.get(name)) is None:
                total[name] = histogram.copy()
            elif before.bounds == histogram.bounds:
                before.counts = [a + b for a, b in zip(before.counts, histogram.counts, strict=True)]
                before.total += histogram.total
    return total
