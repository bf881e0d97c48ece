"""What a sandbox is asked and what it answers: a program with its tests, and a report of outcomes."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, field_validator, model_validator

# The outcomes, from the best to the least informative. Only `infrastructure_error` says nothing about the program.
Outcome = Literal[
    "passed",
    "wrong_answer",
    "runtime_error",
    "timeout",
    "memory",
    "output_limit",
    "compile_error",
    "infrastructure_error",
]
MAX_FILES_BYTES = 32 << 20  # of the files put into a working directory
MAX_STDIN = 16 << 20  # characters; up to four bytes each, and the scratch that holds them has 64 MB
Comparison = Literal["exact", "tokens", "numeric", "unordered", "lines"]


class Refused(ValueError):
    """A job that this sandbox does not take: more than its limits, or a language that is not there."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(Strict):
    """What one process tree of a program may use.

    Time and memory left empty take the server's own limits; asking for more than those is refused.
    """

    timeout_s: float | None = Field(None, gt=0, le=3600, description="seconds by the clock, for each test or cell")
    memory_mb: int | None = Field(None, ge=16, le=1 << 20, description="of the whole job, all its processes together")
    processes: int = Field(128, ge=1, le=1024, description="processes and threads at a time")
    output_bytes: int = Field(16 << 20, ge=0, le=1 << 30, description="of standard output; more ends the run")


class StdioTest(Strict):
    """One run of the program: it reads `stdin`, and its standard output must agree with `stdout`."""

    stdin: str = Field(max_length=MAX_STDIN)
    stdout: str = Field(description="what a right program prints; the program never sees it")


class CallTest(Strict):
    """One call of a function the program defines; all call tests of a job run in one process.

    `function` is a global of the program, `Class.method` (the class is made without arguments), or the method's name
    alone where the program defines a class Solution. Results are compared as JSON: tuples count as lists.
    """

    function: str = Field(min_length=1)
    args: list[JsonValue] = []
    kwargs: dict[str, JsonValue] = {}
    expected: JsonValue = Field(description="what a right function returns; the program never sees it")


class CodeTest(Strict):
    """Python test code (assert statements, `check(candidate)`, test_* functions, unittest cases), in a process of its own.

    Names that the test code uses and nobody defines are the program's; calling them calls the program's, in its
    process, and only data crosses over. `setup` is trusted code that runs before the tests on the tests' side.
    """

    code: str = Field(min_length=1)
    entry_point: str | None = Field(None, description="where given, check(entry_point) is called after the code")
    setup: str = ""


def _form(test: Any) -> str:
    """Which form a test has, by what it holds."""
    keys = test if isinstance(test, dict) else getattr(test, "model_fields_set", ())
    return "call" if "function" in keys else "test code" if "code" in keys else "stdio"


Test = Annotated[
    Annotated[StdioTest, Tag("stdio")] | Annotated[CallTest, Tag("call")] | Annotated[CodeTest, Tag("test code")],
    Discriminator(_form),
]


class Job(Strict):
    """A program and the tests it must pass.

    >>> Job(source="print(input()[::-1])", tests=[StdioTest(stdin="abc", stdout="cba")]).language
    'python'
    """

    source: str
    language: str = "python"
    preamble: str = Field(
        "",
        max_length=1 << 20,
        description="trusted Python that is run before the program, among its names: imports, helpers, a recursion "
        "limit. It is a file of its own, so that the program's lines keep their numbers",
    )
    tests: list[Test] = Field(min_length=1)
    compare: Comparison = Field(
        "exact",
        description="exact: text line by line without trailing white space, results as equal JSON; tokens: words only; "
        "numeric: numbers within the tolerance; unordered: lines, or items of the outer list, in any order; lines: as "
        "LiveCodeBench judges, line by line without white space at the ends, a line of numbers by their exact values, "
        "and results by Python's ==",
    )
    tolerance: float = Field(1e-6, ge=0, description="numeric: allowed difference, absolute or relative")
    checker: str | None = Field(
        None,
        description="Python that defines check(input, output, expected) -> bool, for problems with many right answers; "
        "it replaces the comparison. For stdin tests the three are texts, for call tests they are args, result, expected",
    )
    stop_at_failure: bool = Field(True, description="leave the tests after the first that fails")
    limits: Limits = Limits()
    reference: str | None = Field(
        None,
        description="a program known to be right. Where test code asks what only the program could answer, it is tried "
        "too: if the same test cannot judge it either, the outcome is infrastructure_error, else wrong_answer",
    )

    @model_validator(mode="after")
    def one_form(self):
        if len({type(test) for test in self.tests}) > 1:
            raise ValueError("the tests of one job must all have one form: stdin/stdout, function calls, or test code")
        if self.checker is not None and isinstance(self.tests[0], CodeTest):
            raise ValueError("a checker judges outputs and results; test code judges by itself")
        if self.language != "python" and not isinstance(self.tests[0], StdioTest):
            raise ValueError(f"function calls and test code are for python; give {self.language} stdin/stdout tests")
        if self.language != "python" and self.preamble:
            raise ValueError(f"a preamble is Python; put what is to come before {self.language} into the program")
        return self


class Execution(Strict):
    """A program run once without tests: what it prints is the answer. In JSON the bytes of files are base64."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    source: str
    language: str = "python"
    stdin: str = Field("", max_length=MAX_STDIN)
    files: dict[str, bytes] = Field(
        {}, max_length=100, description="files put into the working directory, by relative name"
    )
    fetch_files: list[str] = Field([], max_length=100, description="files of the working directory to bring back")
    args: list[str] = Field([], max_length=100, description="arguments of the program's command line")
    compile_timeout_s: float | None = Field(None, gt=0, description="seconds; empty, or more: 30")
    limits: Limits = Limits()

    @model_validator(mode="after")
    def names_stay_inside(self):
        for name in [*self.files, *self.fetch_files]:
            _check_name(name)
        folders = {name[:place] for name in self.files for place, sign in enumerate(name) if sign == "/"}
        if clash := folders & self.files.keys():
            raise ValueError(f"file name {min(clash)[:100]!r}: it is the name of a folder of other files, too")
        if (size := sum(map(len, self.files.values()))) > MAX_FILES_BYTES:
            raise ValueError(f"files: {size:,} bytes in all, more than {MAX_FILES_BYTES:,}")
        return self

    @field_validator("args")
    @classmethod
    def can_be_passed(cls, args: list[str]) -> list[str]:
        if any("\0" in arg for arg in args) or len("".join(args)) > 100_000:
            raise ValueError("arguments hold no NUL, and no more than 100,000 characters in all")
        return args


def _check_name(name: str) -> None:
    """ValueError for what names no file below a directory."""
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in name:
        raise ValueError(f"file name {name[:100]!r}: name files relative to the working directory, without ..")
    if len(parts) > 50 or any(len(part.encode("utf-8", "surrogatepass")) > 255 for part in parts):
        raise ValueError(f"file name {name[:100]!r}: too long")
    if not name.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in name):
        raise ValueError(f"file name {name[:100]!r}: it is not valid Unicode")


@dataclass(frozen=True)
class TestResult:
    """How one test went. `got` is what came back (printed text, or a result as JSON), shortened for people."""

    __test__ = False  # not a test case for pytest to collect

    outcome: Outcome
    reason: str = ""
    got: str = ""
    stderr: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """A job's outcome: `passed` when all tests passed, else that of the first test that failed.

    `results` has one entry for each test that was run, in order. `seconds` is run time, `queue_seconds` the wait.
    """

    outcome: Outcome
    reason: str
    passed: int
    total: int
    results: list[TestResult] = field(default_factory=list)
    seconds: float = 0.0
    queue_seconds: float = 0.0


@dataclass(frozen=True)
class ExecutionResult:
    """What a single run left behind. `outcome` is `passed` for exit code 0; `exit_code` is None where it was killed for
    what it took, and less than 0 for the signal that ended it.

    Where a compiler ran, `compile_outcome` and `compile_seconds` are its own, and `compile_output` what it said. In JSON,
    bytes are base64.
    """

    __pydantic_config__ = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    outcome: Outcome
    reason: str
    stdout: bytes
    stderr: bytes
    exit_code: int | None
    seconds: float
    compile_output: str = ""
    compile_outcome: Outcome | None = None
    compile_seconds: float = 0.0
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """What one cell of a session did. `result` is the repr of a last expression, `error` a traceback.

    `outcome`: passed, runtime_error, timeout, memory, output_limit, or infrastructure_error. `alive` is False when the
    session ended with the cell (its state is lost; open a new one).
    """

    outcome: Outcome
    stdout: str
    stderr: str
    result: str | None
    error: str | None
    seconds: float
    alive: bool = True
