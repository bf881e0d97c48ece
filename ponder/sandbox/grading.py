"""From a job to its report: each form of test by its own function, and the verdicts, decided outside of every jail."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from time import monotonic

from ponder.sandbox import runs
from ponder.sandbox.calls import Calls, read_result
from ponder.sandbox.code_grading import Workers, code_results
from ponder.sandbox.compare import same_text, same_value
from ponder.sandbox.jail.wire import MAX_DIGITS
from ponder.sandbox.job import (
    CallTest,
    CodeTest,
    Execution,
    ExecutionResult,
    Job,
    Limits,
    Report,
    StdioTest,
    TestResult,
)
from ponder.sandbox.languages import Language, find_language
from ponder.sandbox.process import Worker, WorkerLost
from ponder.sandbox.runs import Failed, Ran, encode_source
from ponder.sandbox.zygote import INTERPRETER

MAX_CHECKED = 4 << 20  # bytes of a result that a checker looks at
GOT = 2_000  # characters of an answer that a report shows


async def grade(job: Job, limits: Limits, workers: Workers) -> Report:
    """Runs the tests in order. `limits` are the job's with every field filled in.

    Raises WorkerLost when a worker is lost to something outside the job; the caller tries again.
    """
    began = monotonic()
    results: list[TestResult] = []
    try:
        source = encode_source(job.source)
        forms = {StdioTest: _stdio_results, CallTest: _call_results, CodeTest: code_results}
        async with aclosing(forms[type(job.tests[0])](job, source, limits, workers)) as tests:
            async for result in tests:
                results.append(result)
                if result.outcome != "passed" and job.stop_at_failure:
                    break
    except Failed as failure:  # it does not compile: no test needs to be run
        results.append(TestResult(failure.outcome, failure.reason, stderr=failure.stderr))
    return _report(job, results, monotonic() - began)


def _report(job: Job, results: list[TestResult], seconds: float) -> Report:
    passed = sum(result.outcome == "passed" for result in results)
    first = next((i for i, result in enumerate(results) if result.outcome != "passed"), None)
    if first is None:
        return Report("passed", "", passed, len(job.tests), results, seconds)
    place = f"test {first + 1} of {len(job.tests)}: " if results[first].outcome != "compile_error" else ""
    return Report(results[first].outcome, place + results[first].reason, passed, len(job.tests), results, seconds)


# ---- programs judged by what they print ----


async def _stdio_results(job: Job, source: bytes, limits: Limits, workers: Workers) -> AsyncIterator[TestResult]:
    run = await prepare(find_language(job.language), source, limits, workers, preamble=job.preamble)
    program = run.run
    async with AsyncExitStack() as stack:
        checker = await _Checker.open(job, limits, workers, stack)
        for test in job.tests:
            stdin = test.stdin.encode("utf-8", "surrogatepass")
            async with workers(limits, job.source) as worker:
                ran = await program(worker, stdin)
            got, stderr = ran.stdout.decode("utf-8", "replace"), ran.stderr.decode("utf-8", "replace")
            if ran.outcome != "passed":
                yield TestResult(ran.outcome, ran.reason, got[:GOT], stderr, ran.seconds)
            elif checker is not None:
                agrees, reason = await checker.check(test.stdin, json.dumps(got), test.stdout)
                yield TestResult("passed" if agrees else "wrong_answer", reason, got[:GOT], stderr, ran.seconds)
            elif same_text(got, test.stdout, job.compare, job.tolerance):
                yield TestResult("passed", "", got[:GOT], stderr, ran.seconds)
            else:
                yield TestResult("wrong_answer", "the output differs", got[:GOT], stderr, ran.seconds)


@dataclass(frozen=True)
class Prepared:
    """A program ready to run; `built` is the compiler's run, where there was one."""

    run: Callable[[Worker, bytes], Awaitable[Ran]]
    built: Ran | None


async def prepare(
    language: Language,
    source: bytes,
    limits: Limits,
    workers: Workers,
    files: dict | None = None,
    preamble: str = "",
    args: Sequence[str] = (),
    compile_timeout_s: float | None = None,
) -> Prepared:
    """The program, compiled once where the language asks for it. Raises Failed."""
    files, built = {**(files or {}), language.file: source}, None
    if language.compile:
        seconds = min(compile_timeout_s or runs.COMPILE_SECONDS, runs.COMPILE_SECONDS)
        compiling = limits.model_copy(update={"timeout_s": seconds, "memory_mb": max(limits.memory_mb, 1024)})
        async with workers(compiling, "") as worker:
            artifacts = [language.artifact]
            built = await runs.run_and_collect(worker, language.compile, files, b"", artifacts, compiling)
        message = built.stderr.decode("utf-8", "replace")
        if built.outcome != "passed" or language.artifact not in built.files:
            raise Failed("compile_error", _compiler_says(built, message), message, built)
        files = {**files, **built.files}

    async def run(worker: Worker, stdin: bytes) -> Ran:
        if not language.command:
            return await runs.run_program(worker, source, stdin, limits, preamble)
        return await runs.run_command(worker, (*language.command, *args), files, stdin, limits)

    return Prepared(run, built)


def _compiler_says(built: Ran, message: str) -> str:
    if built.outcome in ("timeout", "memory", "output_limit"):
        return f"the compiler took too much: {built.reason}"
    errors = [line for line in message.splitlines() if "error" in line]
    return (errors or ["the compiler failed"])[0][:300]


# ---- functions judged by what they return ----


async def _call_results(job: Job, source: bytes, limits: Limits, workers: Workers) -> AsyncIterator[TestResult]:
    """All calls in one process; where a call has ended it, a new one takes over with the next."""
    async with AsyncExitStack() as stack:
        checker = await _Checker.open(job, limits, workers, stack)
        done = 0
        while done < len(job.tests):
            rest = job.tests[done:]
            began = monotonic()
            try:
                async with workers(limits, job.source) as worker:
                    calls = Calls(worker, limits, job.compare == "unordered", job.preamble)
                    await calls.load(source)
                    asked = [(test.function, test.args, test.kwargs) for test in rest]
                    async with aclosing(calls.call_each(asked, [_most(test, job) for test in rest])) as results:
                        async for result in results:
                            yield await _judge_result(job.tests[done], result, job, checker, monotonic() - began)
                            done += 1
                            began = monotonic()
            except Failed as failure:
                if failure.outcome == "compile_error":
                    raise
                yield TestResult(failure.outcome, failure.reason, stderr=failure.stderr, seconds=monotonic() - began)
                done += 1


def _most(test: CallTest, job: Job) -> int:
    """Bytes that a result may have: a right one is about as long as what is expected; with a checker, who knows."""
    return MAX_CHECKED if job.checker else 2 * len(_json(test.expected)) + (64 << 10)


async def _judge_result(
    test: CallTest, result: bytes, job: Job, checker: "_Checker | None", seconds: float
) -> TestResult:
    """The verdict on one result, JSON as it came. Raises Failed where it is no JSON."""
    shown = result[:GOT].decode("ascii", "replace")
    if checker is not None:
        agrees, reason = await checker.check(test.args, result.decode("ascii", "replace"), test.expected)
    else:
        got = read_result(result, _longest_integer(test.expected))
        agrees, reason = same_value(got, test.expected, job.compare, job.tolerance), "the result differs"
    return TestResult("passed" if agrees else "wrong_answer", "" if agrees else reason, shown, seconds=seconds)


def _longest_integer(value: object) -> int:
    """Digits of the longest integer in a JSON value, by its bits; a result needs to be read no further than that."""
    if isinstance(value, int):
        return value.bit_length() * 302 // 1000 + 2
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(_longest_integer, inner), default=0)


def _json(value: object) -> str:
    """Of what the task gives. An integer too long for Python to write counts as a long text."""
    try:
        return json.dumps(value)
    except ValueError:
        return " " * MAX_DIGITS


class _Checker:
    """The problem's own judge of many right answers, in a worker of its own: it sees outputs as data only."""

    def __init__(self, job: Job, limits: Limits, workers: Workers):
        self._job, self._limits, self._workers = job, limits, workers
        self._calls: Calls | None = None
        self._stack = AsyncExitStack()

    @classmethod
    async def open(cls, job: Job, limits: Limits, workers: Workers, stack: AsyncExitStack) -> "_Checker | None":
        if job.checker is None:
            return None
        checker = cls(job, limits, workers)
        stack.push_async_callback(lambda: checker._stack.aclose())
        await checker._load()
        return checker

    async def _load(self) -> Calls:
        """The checker in a new worker. Raises WorkerLost where it cannot be used."""
        await self._stack.aclose()
        self._stack = AsyncExitStack()
        worker = await self._stack.enter_async_context(self._workers(self._limits, self._job.checker))
        self._calls = Calls(worker, self._limits)
        try:
            await self._calls.load(encode_source(self._job.checker))
        except Failed as failure:
            raise WorkerLost(f"the checker cannot be used: {failure.reason}") from None
        return self._calls

    async def check(self, given: object, got: str, expected: object) -> tuple[bool, str]:
        """(agrees, reason); `got` is JSON text. A checker that fails on an output has not accepted it."""
        calls = self._calls or await self._load()
        try:
            said = await calls.check(given, got, expected)
        except Failed as failure:
            self._calls = None  # it may have ended; the next output meets a new one
            return False, f"the checker did not accept it: {failure.reason}"
        return said is True or said == 1, "the checker did not accept it"


# ---- runs without tests ----


async def execute(execution: Execution, limits: Limits, workers: Workers) -> ExecutionResult:
    """One run for what it prints. Raises WorkerLost."""
    try:
        language = find_language(execution.language)
        source = encode_source(execution.source)
        stdin = execution.stdin.encode("utf-8", "surrogatepass")
        command = language.command or (INTERPRETER, language.file)
        alone = not (execution.files or execution.fetch_files or execution.args)
        given = {"args": execution.args, "compile_timeout_s": execution.compile_timeout_s}
        prepared = await prepare(language, source, limits, workers, execution.files, **given)
        async with workers(limits, execution.source) as worker:
            if alone or (language.command and not execution.fetch_files):
                ran = await prepared.run(worker, stdin)
            else:
                files = {**execution.files, language.file: source, **(prepared.built.files if prepared.built else {})}
                command = (*command, *execution.args)
                ran = await runs.run_and_collect(worker, command, files, stdin, execution.fetch_files, limits)
    except Failed as failure:
        compiled = _compiled(failure.built) | {"compile_output": failure.stderr or failure.reason}
        return ExecutionResult(failure.outcome, failure.reason, b"", b"", None, 0.0, **compiled)
    compiled = _compiled(prepared.built)
    return ExecutionResult(
        ran.outcome, ran.reason, ran.stdout, ran.stderr, ran.exit_code, ran.seconds, files=ran.files, **compiled
    )


def _compiled(built: Ran | None) -> dict:
    if built is None:
        return {}
    said = built.stderr.decode("utf-8", "replace")
    return {"compile_outcome": built.outcome, "compile_seconds": built.seconds, "compile_output": said}
