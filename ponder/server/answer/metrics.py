"""What a server has done, for Prometheus: vLLM's names under our prefix, and what only reasoning models have."""

from collections.abc import Callable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ponder.engine.histograms import ENGINE_HISTOGRAMS, SECONDS
from ponder.engine.stream import EngineLoad

PREFIX, ALIAS = "ponder:", "vllm:"
# Dashboards that were made for vLLM find these under its own prefix, too.
VLLM_NAMES = {
    "num_requests_running",
    "num_requests_waiting",
    "kv_cache_usage_perc",
    "prefix_cache_queries",
    "prefix_cache_hits",
    "num_preemptions",
    "prompt_tokens",
    "generation_tokens",
    "request_success",
    "time_to_first_token_seconds",
    "inter_token_latency_seconds",
    "request_time_per_output_token_seconds",
    "request_decode_time_seconds",
    "e2e_request_latency_seconds",
    "request_prompt_tokens",
    "request_generation_tokens",
    *ENGINE_HISTOGRAMS,
}
BETWEEN = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5)
TOKENS = (1, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 40_000, 80_000, 160_000)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Counters and histograms of one server, all with the label model_name."""

    def __init__(self, model: str, load: Callable[[], EngineLoad]):
        self.registry = CollectorRegistry()
        self.registry.register(_Load(model, load))
        self._model = model

        self.prompt_tokens = self._counter("prompt_tokens", "Tokens of prompts")
        self.generation_tokens = self._counter("generation_tokens", "Tokens of answers, thinking included")
        self.reasoning_tokens = self._counter("reasoning_tokens", "Tokens of thinking")
        self.answer_tokens = self._counter("answer_tokens", "Tokens after the thinking")
        self.request_success = self._counter("request_success", "Answers that ended, by reason", "finished_reason")
        self.reasoning_stop = self._counter("reasoning_stop", "Why thinking ended", "reason")
        self.tool_calls = self._counter("tool_calls", "Tool calls, and attempts at one that were none", "status")
        self.yarn_factor = self._counter("yarn_factor", "Answers by the YaRN factor they were given", "factor")
        self.rejections = self._counter("admission_rejections", "Requests that were turned away", "reason")
        self.first_token = self._histogram("time_to_first_token_seconds", "To the first token", SECONDS)
        self.first_answer = self._histogram(
            "time_to_first_answer_token_seconds", "To the first token after the thinking", SECONDS
        )
        self.between_tokens = self._histogram("inter_token_latency_seconds", "From token to token", BETWEEN)
        self.per_token = self._histogram(
            "request_time_per_output_token_seconds", "From token to token, on average over an answer", BETWEEN
        )
        self.decode = self._histogram("request_decode_time_seconds", "From the first token to the last", SECONDS)
        self.whole = self._histogram("e2e_request_latency_seconds", "Of a whole answer", SECONDS)
        self.thinking = self._histogram("thinking_seconds", "Of thinking", SECONDS)
        self.request_prompt = self._histogram("request_prompt_tokens", "Of one prompt", TOKENS)
        self.request_generation = self._histogram("request_generation_tokens", "Of one answer", TOKENS)

    def render(self) -> bytes:
        return generate_latest(_Aliased(self.registry))

    def _counter(self, name: str, text: str, label: str | None = None):
        labels = ("model_name", label) if label else ("model_name",)
        counter = Counter(PREFIX + name, text, labels, registry=self.registry)
        if label is None:
            return counter.labels(self._model)
        return lambda value: counter.labels(self._model, value)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(PREFIX + name, text, ("model_name",), registry=self.registry, buckets=buckets).labels(
            self._model
        )


class _Aliased:
    """The metrics of a registry, and those that vLLM has by its names as well."""

    def __init__(self, registry: CollectorRegistry):
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            yield family
            if family.name.removeprefix(PREFIX) in VLLM_NAMES:
                alias = Metric(family.name.replace(PREFIX, ALIAS), family.documentation, family.type)
                alias.samples = [sample._replace(name=sample.name.replace(PREFIX, ALIAS)) for sample in family.samples]
                yield alias


class _Load:
    """What the engine knows, read when it is asked for."""

    def __init__(self, model: str, load: Callable[[], EngineLoad]):
        self._model, self._load = model, load

    def collect(self) -> Iterator[Metric]:
        load = self._load()
        gauge, counter = GaugeMetricFamily, CounterMetricFamily
        families = (
            (gauge, "num_requests_running", "Sequences that are sampled now", load.running),
            (gauge, "num_requests_waiting", "Sequences that wait for a place", load.waiting),
            (gauge, "kv_cache_usage_perc", "Part of the key-value cache in use, 0 to 1", load.cache_use),
            (counter, "prefix_cache_queries", "Tokens of prompts that were looked up", load.prefix_queries),
            (counter, "prefix_cache_hits", "Tokens of them that were found", load.prefix_hits),
            (counter, "num_preemptions", "Sequences that gave up their blocks, to be computed again", load.preemptions),
        )
        for kind, name, text, value in families:
            family = kind(PREFIX + name, text, labels=["model_name"])
            family.add_metric([self._model], value)
            yield family
        for name, histogram in load.histograms.items():
            family = HistogramMetricFamily(PREFIX + name, ENGINE_HISTOGRAMS[name][0], labels=["model_name"])
            family.add_metric([self._model], histogram.buckets(), histogram.total)
            yield family

    def describe(self) -> Iterator[Metric]:
        """Nothing ahead of time: the engine need not be up yet."""
        return iter(())
