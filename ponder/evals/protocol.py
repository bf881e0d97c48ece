"""A protocol: how a benchmark is asked and judged, as data with its source.

Two numbers for one model differ by tens of points where prompt, samples, budget or window differ, so all of these are
part of a result, and of its name where they are not the protocol's own.
"""

from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sampling(_Plain):
    """How each answer is drawn; `max_tokens` counts thinking and answer."""

    samples: int = Field(1, ge=1, le=1024, description="answers to each problem")
    temperature: float = Field(0.6, ge=0.0, le=1000.0, description="0 is greedy")
    top_p: float = Field(0.95, gt=0.0, le=1.0)
    top_k: int = Field(40, ge=0, description="0 is off")
    max_tokens: int = Field(32_768, ge=1)


class Data(_Plain):
    """Where a benchmark's rows are: files of a data directory, or a data set of the hub at a revision."""

    file: str | tuple[str, ...] | None = Field(
        None, description="name in a data directory, such as gsm8k_test.jsonl, or several that are one benchmark"
    )
    hub: str | None = Field(None, description="data set on the hub, such as openai/gsm8k")
    config: str | None = None
    split: str = "test"
    revision: str | None = Field(None, description="commit of the data set")
    fields: dict[str, str] = Field(default_factory=dict, description="names of the rows' fields, as in recipes")
    hub_fields: dict[str, str] = Field(default_factory=dict, description="the same where the rows come from the hub")
    category: str | None = Field(
        None, description="the rows' field that divides the benchmark, such as subject; file: the name of their file"
    )
    only: dict[str, tuple[int, int]] = Field(
        default_factory=dict, description="rows whose field lies in a range, ends included: {task_id: [11, 510]}"
    )
    date: str | None = Field(None, description="the rows' field that a window looks at, such as contest_date")
    tests: tuple[str, ...] = Field(
        (), description="files of a data directory that hold the tests of rows without any, found by tests_key"
    )
    tests_key: str = Field("question_id", description="the field that says which tests belong to which row")
    rows: int | None = Field(None, ge=1, description="how many problems the benchmark has")
    sha256: str | None = Field(None, description="of the file that is known; others are named with their hash")
    missing: str = Field("", description="what the known files lack, and what to fetch instead")

    @property
    def files(self) -> tuple[str, ...]:
        return (self.file,) if isinstance(self.file, str) else self.file or ()


class Protocol(_Plain):
    """
    name: of the benchmark, as in --bench
    variant: whose protocol it is, as in --protocol
    source: who has defined it, and where that can be read
    verifier: of Ponder, as in recipes
    prompt: a standard prompt's name or a template with {question} (ponder.tasks.prompts)
    window: first and last day of the problems that count; always in the result's name
    shuffle_choices: the choices of each sample stand in an order of their own, drawn by a counted seed
    metadata: for the verifier, on every task
    """

    name: str
    variant: str
    title: str
    source: str
    data: Data
    verifier: str
    domain: str
    prompt: str = "plain"
    system: str | None = None
    sampling: Sampling = Sampling()
    window: tuple[date, date] | None = None
    shuffle_choices: bool = False
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def result_name(self) -> str:
        """The benchmark with what must stand beside its number: `livecodebench 2024-08..2025-02`."""
        return self.name if self.window is None else f"{self.name} {self.window[0]:%Y-%m}..{self.window[1]:%Y-%m}"
