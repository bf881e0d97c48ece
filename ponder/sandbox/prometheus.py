"""A pool's metrics in Prometheus' text form."""

from collections.abc import Iterator

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ponder.sandbox.pool import Pool
from ponder.sandbox.stats import Histogram

PREFIX = "ponder_sandbox"


def render(pool: Pool) -> Response:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(pool))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Collector:
    def __init__(self, pool: Pool):
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        metrics = self._pool.metrics
        jobs = CounterMetricFamily(f"{PREFIX}_jobs", "Jobs that ended, by outcome", labels=["outcome"])
        for outcome, count in sorted(metrics.outcomes.items()):
            jobs.add_metric([outcome], count)
        yield jobs
        yield _histogram("queue_seconds", "Seconds a job waited for a slot", metrics.queue_seconds)
        yield _histogram("run_seconds", "Seconds a job held its slot", metrics.run_seconds)
        yield CounterMetricFamily(
            f"{PREFIX}_workers_restarted",
            "Zygotes that died and were started again",
            value=self._pool.workers_restarted,
        )
        yield CounterMetricFamily(
            f"{PREFIX}_jobs_retried", "Jobs tried again after losing a worker", value=metrics.jobs_retried
        )
        yield GaugeMetricFamily(f"{PREFIX}_jobs_running", "Jobs that run now", value=metrics.running)
        yield GaugeMetricFamily(f"{PREFIX}_jobs_queued", "Jobs that wait now", value=metrics.queued)
        yield GaugeMetricFamily(f"{PREFIX}_sessions", "Open sessions", value=len(self._pool.session_ids()))


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    buckets, below = [], 0
    for edge, count in zip((*map(str, histogram.buckets), "+Inf"), histogram.counts, strict=True):
        below += count
        buckets.append((edge, below))
    return HistogramMetricFamily(f"{PREFIX}_{name}", text, buckets=buckets, sum_value=histogram.sum)
