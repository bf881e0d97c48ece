"""What an evaluation leaves on disk: enough to compute every score again, and to look at every answer.

DIR/eval.json        what was asked of which model, how, on which data (`Manifest`)
DIR/problems.jsonl   a line for each problem (`Problem`)
DIR/samples.jsonl    a line for each answer, in the order they came (`Sample`)
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from ponder.evals.protocol import Protocol

T = TypeVar("T")
BUDGET = "thinking budget"  # in what is asked otherwise than a protocol says; none has one


@dataclass(frozen=True)
class Problem:
    """
    bench: name of the benchmark
    id: of the task (content hash), the same wherever the same question is asked
    place: in the data, for people: "gsm8k_test.jsonl, line 12"
    messages: what the model is asked
    reference: as shown to people (tests, which may be large, are described)
    category: of the benchmark's own division, "" where it has none
    """

    bench: str
    id: str
    place: str
    messages: tuple[dict, ...]
    reference: Any
    category: str = ""


@dataclass(frozen=True)
class Sample:
    """One answer and its verdict.

    status, score, reason, parsed, parts: of the verdict (ponder.verifiers.verdict); "error" where nothing was said of it,
        which is never counted as wrong
    failure: why there is no answer (the engine, the server); such a sample is asked again when the evaluation goes on
    finish_reason: "stop", "length", "tool_calls", or "" where there was no answer
    messages: what this sample was asked, where it differs from the problem's (choices in another order)
    choice_order: where its choices stood in another order, the place in the problem of each, as it saw them
    cost: in the currency of the prices that were given; None without prices
    """

    bench: str
    problem: str
    sample: int
    seed: int
    reasoning: str
    content: str
    tool_calls: tuple[dict, ...]
    finish_reason: str
    prompt_tokens: int | None
    tokens: int | None
    reasoning_tokens: int | None
    status: str
    score: float | None
    reason: str
    parsed: str | None = None
    parts: tuple[dict, ...] = ()
    messages: tuple[dict, ...] | None = None
    choice_order: tuple[int, ...] | None = None
    failure: str | None = None
    cost: float | None = None


@dataclass(frozen=True)
class BenchmarkAsked:
    """One benchmark of an evaluation. `changed`: what is not as the protocol says, {"max_tokens": [32768, 256]}; `rows`: how
    many problems were asked, of `rows_in_data` that the protocol has; `sha256`: of the data's content."""

    protocol: Protocol
    data_source: str
    sha256: str
    rows: int
    rows_in_data: int
    changed: dict[str, Any] = field(default_factory=dict)

    @property
    def budget(self) -> int | None:
        """Most tokens of thought, where there was a bound."""
        return self.changed[BUDGET][1] if BUDGET in self.changed else None

    @property
    def name(self) -> str:
        """With all that must stand beside its number."""
        return self._named(self.changed)

    @property
    def name_without_budget(self) -> str:
        """The same, for what is said of several budgets."""
        return self._named({key: values for key, values in self.changed.items() if key != BUDGET})

    def _named(self, changed: dict[str, Any]) -> str:
        notes = [f"{key} {now}" for key, (_, now) in changed.items()]
        if self.rows < self.rows_in_data:
            notes.append(f"{self.rows} of {self.rows_in_data} problems")
        return self.protocol.result_name + (f" ({', '.join(notes)})" if notes else "")


@dataclass(frozen=True)
class Manifest:
    """
    model: what was evaluated: {"name", "kind" (checkpoint, run, server), "at" (directory or address), "weights" (a hash)}
    engine: how it was sampled: {"kind" (local, vllm, openai), "exact", "dtype", ...}
    benchmarks: by name, in the order they were asked; one that was asked with several thinking budgets is there for each
    seed: of all samples
    started: day and time, ISO 8601, UTC
    ponder: the version
    processor: of the machine
    """

    model: dict[str, Any]
    engine: dict[str, Any]
    benchmarks: dict[str, BenchmarkAsked]
    seed: int
    started: str
    ponder: str
    processor: str

    def to_json(self) -> dict[str, Any]:
        benchmarks = {
            name: asdict(asked) | {"protocol": asked.protocol.model_dump(mode="json")}
            for name, asked in self.benchmarks.items()
        }
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"benchmarks": benchmarks}

    @classmethod
    def from_json(cls, value: dict[str, Any], where: str) -> "Manifest":
        """ValueError that begins with `where` for what no evaluation has written."""
        try:
            benchmarks = {
                name: BenchmarkAsked(**asked | {"protocol": Protocol.model_validate(asked["protocol"])})
                for name, asked in value["benchmarks"].items()
            }
            return cls(**value | {"benchmarks": benchmarks})
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{where}: this is no evaluation of this version of Ponder: {error}") from None


def to_json(record: Problem | Sample) -> dict[str, Any]:
    return asdict(record)


def from_json(kind: type[T], value: dict[str, Any], where: str) -> T:
    """The inverse. ValueError that begins with `where`."""
    tuples = {"messages", "tool_calls", "parts", "choice_order"}
    try:
        return kind(**{k: tuple(v) if k in tuples and v is not None else v for k, v in value.items()})
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None
