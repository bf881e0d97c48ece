"""The requests of open-instruct's clients: its code reward's /test_program and /test_program_stdio, its tool's /execute.

Forms as in its servers (https://github.com/allenai/open-instruct: open_instruct/code_utils/api.py and
open_instruct/tool_utils/tool_server.py). Tests come as JSON, as JSON text, or packed: pickled, compressed, in base64.
"""

import base64
import io
import json
import pickle
import pickletools
import zlib
from typing import Any

from pydantic import BaseModel, Field

from ponder.sandbox.job import CodeTest, Execution, ExecutionResult, Job, Limits, Refused, Report, StdioTest

MAX_TESTS = 1_000
MAX_OPERATIONS = 100_000  # of a packed list: a few for each test
MAX_TEXT = 64 << 20  # characters or bytes, of all tests of a request together
# What its judge puts before programs with stdin/stdout tests is LiveCodeBench's; a test holds it to ponder.tasks'.
_STARS = (
    *(
        "string",
        "re",
        "datetime",
        "collections",
        "heapq",
        "bisect",
        "copy",
        "math",
        "random",
        "statistics",
        "itertools",
    ),
    *("functools", "operator", "io", "sys", "json", "builtins", "typing"),
)
PREAMBLE = "\n".join(
    [
        *(f"from {name} import *" for name in _STARS),
        *(f"import {name}" for name in _STARS if name not in ("builtins", "typing")),
        "sys.setrecursionlimit(50_000)",
        "sys.set_int_max_str_digits(50_000)",
    ]
)
# Its tool prints the value of every statement that is an expression. The code's names are its own.
_NOTEBOOK = """\
import ast as _ast, linecache as _linecache, sys as _sys, traceback as _traceback
_code = {code}
_linecache.cache["<code>"] = (len(_code), None, _code.splitlines(True), "<code>")
try:
    _tree = _ast.parse(_code, "<code>")
    for _node in _ast.walk(_tree):
        if not isinstance(_node, _ast.Expr) or isinstance(_node.value, (_ast.Yield, _ast.YieldFrom, _ast.Await)):
            continue
        if not (isinstance(_node.value, _ast.Call) and getattr(_node.value.func, "id", "") == "print"):
            _print = _ast.Call(_ast.Name("print", _ast.Load()), [_node.value], [])
            _node.value = _ast.fix_missing_locations(_ast.copy_location(_print, _node.value))
    exec(compile(_tree, "<code>", "exec"), {{"__name__": "__main__"}})
except Exception as _error:
    _traceback.print_exception(type(_error), _error, _error.__traceback__.tb_next)
    _sys.exit(1)
"""


class TestRequest(BaseModel):
    """A program and its tests: Python statements for /test_program, {input, output} for /test_program_stdio."""

    __test__ = False

    program: str
    tests: Any
    max_execution_time: float = Field(1.0, gt=0, description="seconds, for each test; more than the server's is cut")


class TestResponse(BaseModel):
    """1 or 0 for each test, and the seconds of those that passed, else -1."""

    __test__ = False

    results: list[int]
    runtimes: list[float]


class CodeRequest(BaseModel):
    code: str
    timeout: float | None = Field(5, gt=0, description="seconds; more than the server's is cut")


class CodeResponse(BaseModel):
    output: str
    error: str | None = None
    success: bool


def read_tests(tests: Any) -> list:
    """The tests of a request. Raises Refused for what is none."""
    if isinstance(tests, str):
        tests = _unpack(tests) if tests.strip() else []
    if tests is None:
        tests = []
    if not isinstance(tests, list):
        raise Refused(f"tests: a list is expected, not {type(tests).__name__}")
    if len(tests) > MAX_TESTS:
        raise Refused(f"tests: {len(tests):,} tests, more than {MAX_TESTS:,}")
    return tests


def assertions_job(asked: TestRequest, most) -> Job | None:
    """/test_program: each test is Python of its own, run after the program. None without tests. Raises Refused."""
    tests = read_tests(asked.tests)
    for number, test in enumerate(tests):
        if not isinstance(test, str) or not test.strip():
            raise Refused(f"tests.{number}: Python statements are expected, as text")
    _check_size(map(len, tests))
    return _job(asked, [CodeTest(code=test) for test in tests], most)


def stdio_job(asked: TestRequest, most) -> Job | None:
    """/test_program_stdio. None without tests. Raises Refused."""
    tests = read_tests(asked.tests)
    for number, test in enumerate(tests):
        if not isinstance(test, dict) or not all(isinstance(test.get(name), str) for name in ("input", "output")):
            raise Refused(f"tests.{number}: {{input: TEXT, output: TEXT}} is expected")
    _check_size(len(test["input"]) + len(test["output"]) for test in tests)
    stdio = [StdioTest(stdin=test["input"], stdout=test["output"]) for test in tests]
    return _job(asked, stdio, most, preamble=PREAMBLE, compare="lines")


def _job(asked: TestRequest, tests: list, most, **settings) -> Job | None:
    if not tests:
        return None
    limits = Limits(timeout_s=min(asked.max_execution_time, most.timeout_s))
    return Job(source=asked.program, tests=tests, stop_at_failure=False, limits=limits, **settings)


def _check_size(sizes) -> None:
    if (size := sum(sizes)) > MAX_TEXT:
        raise Refused(f"tests: {size:,} characters in all, more than {MAX_TEXT:,}")


def to_results(report: Report) -> TestResponse:
    """Raises Refused where a test could not be judged for a fault of its own."""
    broken = [result.reason for result in report.results if result.outcome == "infrastructure_error"]
    if broken or report.outcome == "infrastructure_error":
        raise Refused(f"the tests cannot be judged: {(broken or [report.reason])[0][:500]}")
    passed = [result.outcome == "passed" for result in report.results]
    seconds = [result.seconds if good else -1.0 for result, good in zip(report.results, passed, strict=True)]
    rest = report.total - len(passed)  # it does not compile
    return TestResponse(results=[*map(int, passed), *[0] * rest], runtimes=[*seconds, *[-1.0] * rest])


def to_execution(asked: CodeRequest, most) -> Execution:
    seconds = min(asked.timeout or most.timeout_s, most.timeout_s)
    return Execution(source=_NOTEBOOK.format(code=ascii(asked.code)), limits=Limits(timeout_s=seconds))


def to_code_response(result: ExecutionResult) -> CodeResponse:
    stdout, stderr = (data.decode("utf-8", "replace") for data in (result.stdout, result.stderr))
    if result.outcome == "passed":
        return CodeResponse(output=stdout, error=stderr or None, success=True)
    error = f"{result.reason}\n{stderr or result.compile_output}".strip()
    return CodeResponse(output="", error=error, success=False)


class _PlainUnpickler(pickle.Unpickler):
    """Without names there are no classes and no functions: nothing of the request is ever called."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}".encode("ascii", "replace").decode()[:200])


def _check_cost(data: bytes) -> None:
    """A few bytes of a pickle can ask for a memo of many gigabytes. Raises UnpicklingError, or ValueError where what it
    announces is not there."""
    for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
        grows = operation.name in ("PUT", "LONG_BINPUT") and argument > MAX_OPERATIONS
        if count > MAX_OPERATIONS or grows:
            raise pickle.UnpicklingError("it costs more than tests do")


def _unpack(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise Refused(f"tests: {error}") from None
    except ValueError:
        pass  # packed, then
    try:
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(base64.b64decode(text, validate=True), MAX_TEXT)
        if not unpacking.eof:
            raise ValueError(f"it breaks off, or has more than {MAX_TEXT:,} bytes")
        _check_cost(data)
        return _PlainUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # whatever a pickle that is none makes of the machine that reads it
        raise Refused(f"tests: neither JSON nor a packed list: {str(error)[:200]}") from None
