"""What a recipe may say about benchmarks: `benchmarks: [gsm8k]`, or with settings, `benchmarks: [{name: gsm8k, ...}]`."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ponder.recipe.strict import Strict


class Benchmark(Strict):
    """A benchmark that the model is asked by its protocol, as `ponder eval` asks it: before the first stage, and at the ends of
    stages. Fields that are empty are the protocol's; what is asked otherwise stands in the result's name."""

    name: str = Field(
        min_length=1, description="of a benchmark (ponder eval list), or the YAML file of a suite of your own"
    )
    protocol: str | None = Field(None, description="whose protocol: qwq, greedy, ...; empty: the benchmark's default")
    data: list[str] = Field([], description="directories that are searched for its files, before those of PONDER_DATA")
    rows: int | None = Field(None, ge=1, description="most problems, evenly spaced; empty: all")
    samples: int | None = Field(None, ge=1, le=1024, description="answers to each problem")
    max_tokens: int | None = Field(None, ge=1, description="longest answer, thinking included")
    temperature: float | None = Field(None, ge=0, le=1000, description="0 is greedy")
    at_start: bool = Field(True, description="whether it is asked before the first stage too")
    after: list[str] = Field([], description="the stages at whose ends it is asked, by name; empty: each stage's")


def _by_name(value: Any) -> Any:
    """`gsm8k` for {name: gsm8k}, and one benchmark for a list of one."""
    items = value if isinstance(value, list) else [value]
    return [{"name": item} if isinstance(item, str) else item for item in items]


Benchmarks = Annotated[list[Benchmark], BeforeValidator(_by_name)]
