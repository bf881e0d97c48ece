"""Counts of what a sandbox has done, in plain numbers; the HTTP server shows them in Prometheus' form."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Histogram:
    """`counts[i]` observations were at most `buckets[i]` seconds and above the bucket before; the last is the rest."""

    def __init__(self, buckets: tuple[float, ...] = SECONDS):
        self.buckets = buckets
        self.counts = [0] * (len(buckets) + 1)
        self.sum = 0.0

    @property
    def total(self) -> int:
        return sum(self.counts)

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.buckets, seconds)] += 1
        self.sum += seconds


@dataclass
class PoolMetrics:
    outcomes: Counter = field(default_factory=Counter)
    queue_seconds: Histogram = field(default_factory=Histogram)
    run_seconds: Histogram = field(default_factory=Histogram)
    jobs_retried: int = 0
    queued: int = 0
    running: int = 0
