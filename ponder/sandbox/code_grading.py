"""Grading by test code: it runs in one worker, the program in another, and what goes to and fro passes through here."""

import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from hashlib import blake2b
from time import monotonic

from ponder.sandbox import runs
from ponder.sandbox.calls import MAX_MESSAGE, Calls
from ponder.sandbox.job import CodeTest, Job, Limits, Outcome, TestResult
from ponder.sandbox.process import ChannelClosed, TooLarge, Worker, WorkerLost
from ponder.sandbox.runs import Failed, encode_source

# Opens a worker for a source, for as long as the block lasts.
Workers = Callable[[Limits, str], AbstractAsyncContextManager[Worker]]


class Uncrossed(Failed):
    """The tests asked something of an object that only the program could have answered."""


# Whether a test can judge a reference, by the hash of both.
_JUDGES: OrderedDict[bytes, bool] = OrderedDict()
KEPT_JUDGES = 4_096


async def code_results(job: Job, source: bytes, limits: Limits, workers: Workers) -> AsyncIterator[TestResult]:
    for test in job.tests:
        began = monotonic()
        try:
            await _run_test_code(test, job, source, limits, workers)
        except Failed as failure:
            if failure.outcome == "compile_error":
                raise
            if isinstance(failure, Uncrossed) and not await _judges_reference(test, job, limits, workers):
                raise WorkerLost(f"the test cannot judge its reference solution either: {failure.reason}") from None
            yield TestResult(failure.outcome, failure.reason, stderr=failure.stderr, seconds=monotonic() - began)
        else:
            yield TestResult("passed", seconds=monotonic() - began)


async def _run_test_code(test: CodeTest, job: Job, source: bytes, limits: Limits, workers: Workers) -> None:
    """Raises Failed where the tests fail."""
    async with workers(limits, job.source) as candidate, workers(limits, test.code) as tester:
        calls = Calls(candidate, limits, preamble=job.preamble)
        await calls.load(source)
        await _relay(test, calls, tester, limits)


async def _judges_reference(test: CodeTest, job: Job, limits: Limits, workers: Workers) -> bool:
    """Whether the test, which could not judge a program's result, can judge the reference's. Tried once for both."""
    if job.reference is None or job.reference == job.source:
        return job.reference is None
    told = json.dumps([job.preamble, job.reference, test.model_dump()]).encode()
    key = blake2b(told, digest_size=16).digest()
    if key not in _JUDGES:
        try:
            reference = job.model_copy(update={"source": job.reference})
            await _run_test_code(test, reference, encode_source(job.reference), limits, workers)
            judges = True
        except Uncrossed:
            judges = False
        except Failed:
            judges = True  # it fails, but it can be judged
        _JUDGES[key] = judges
        if len(_JUDGES) > KEPT_JUDGES:
            _JUDGES.popitem(last=False)
    return _JUDGES[key]


async def _relay(test: CodeTest, calls: Calls, tester: Worker, limits: Limits) -> None:
    """Carries the test code's requests to the program and the answers back, until the verdict. Raises Failed."""
    tester.set_timer(limits.timeout_s + 1.0)  # a program that is too slow is noticed at its own worker first
    given = False
    request = {"code": test.code, "setup": test.setup, "entry_point": test.entry_point}
    await tester.send(runs.header(tester, "tests", limits), json.dumps(request).encode())
    try:
        assert await tester.receive(64) == b"started"
        while (asked := await tester.receive(MAX_MESSAGE))[:1] == b"?":
            await tester.send(await calls.relay(asked[1:], MAX_MESSAGE))
            given = True
    except (TooLarge, ChannelClosed) as broken:
        if isinstance(broken, ChannelClosed):
            outcome, reason = runs.judge_end(tester, await tester.end(), limits)
        else:
            outcome, reason = "output_limit", str(broken)
        # What the program has answered may have done that to the tests; without an answer they did it themselves.
        if given or outcome in ("timeout", "memory"):
            outcome = "runtime_error" if outcome == "passed" else outcome
            raise Failed(outcome, f"in the test code: {reason or 'it ended its process'}") from None
        raise WorkerLost(f"the test code broke off: {reason or 'it ended its process'}") from None
    verdict = json.loads(asked[1:])
    if verdict is not None:
        _raise_verdict(verdict)


def _raise_verdict(verdict: dict) -> None:
    message = f"{verdict['type']}: {verdict['message'][:300]}" if verdict["message"] else verdict["type"]
    if verdict["kind"] == "tests":
        raise WorkerLost(f"the test code itself fails: {message}")
    if verdict["kind"] == "crossing":
        raise Uncrossed("wrong_answer", f"{verdict['message'][:300]}", verdict["traceback"])
    outcomes: dict[str, Outcome] = {
        "AssertionError": "wrong_answer",
        "Failed": "wrong_answer",  # pytest.fail, and what was to be raised and was not
        "MemoryError": "memory",
    }
    raise Failed(outcomes.get(verdict["type"], "runtime_error"), message, verdict["traceback"])
