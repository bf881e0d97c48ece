"""One run in one worker: a program for what it prints, a command, a compiler, or a program whose functions are called."""

import contextlib
import json
import os
import secrets
import signal
import time
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from ponder.sandbox.jail.wire import MAX_COLLECTED, MAX_DIGITS, NUMBER
from ponder.sandbox.job import Limits, Outcome
from ponder.sandbox.process import ChannelClosed, End, Forged, TooLarge, Worker, WorkerLost

FORGED = "the program wrote into the judge's channel"
STDERR_KEPT = 64 << 10  # bytes
MAX_SOURCE = 4 << 20  # bytes
MAX_MESSAGE = 32 << 20  # bytes that a program may return to test code
MAX_DESCRIPTION = 64 << 10  # bytes of an exception's description
PLAUSIBLE_MESSAGE = 1 << 28
AHEAD, AHEAD_BYTES = 8, 32 << 10  # calls that travel ahead of their answers: less than a socket holds
NAMED_SIGNALS = {member.value: member.name for member in signal.Signals}
COMPILE_SECONDS = 30.0


class Failed(Exception):
    """The run is over for a reason of the program's."""

    def __init__(self, outcome: Outcome, reason: str, stderr: str = "", built: "Ran | None" = None):
        """`built` is the compiler's run, where it was that which failed."""
        super().__init__(reason)
        self.outcome, self.reason, self.stderr, self.built = outcome, reason, stderr, built


@dataclass
class Ran:
    """A finished run. `outcome` is `passed` for exit code 0, whatever was printed."""

    outcome: Outcome
    reason: str
    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int | None = None
    seconds: float = 0.0
    files: dict[str, bytes] = field(default_factory=dict)


def encode_source(source: str) -> bytes:
    """The program as UTF-8. Raises Failed (compile_error) for what cannot be a program file."""
    try:
        data = source.encode()
    except UnicodeEncodeError as error:
        raise Failed("compile_error", f"the program is not valid Unicode: {error.reason} at {error.start}") from None
    if len(data) > MAX_SOURCE:
        raise Failed("compile_error", f"the program has {len(data) / 1e6:.1f} MB, more than {MAX_SOURCE / 1e6:.1f}")
    return data


async def run_program(worker: Worker, source: bytes, stdin: bytes, limits: Limits, preamble: str = "") -> Ran:
    """A Python main program in a warm worker. Raises Failed where it does not compile, and WorkerLost."""
    _keep_output(worker, limits)
    worker.set_timer(limits.timeout_s)
    began = time.monotonic()
    await worker.send(header(worker, "program", limits, preamble=preamble), source, stdin)
    await _wait_for_start(worker, limits)
    return await _finish(worker, limits, began)


async def run_command(
    worker: Worker, command: tuple[str, ...], files: dict[str, bytes], stdin: bytes, limits: Limits
) -> Ran:
    """Another program takes the worker over; `files` are put into its directory first. Raises WorkerLost."""
    _keep_output(worker, limits)
    worker.set_timer(limits.timeout_s)
    began = time.monotonic()
    await worker.send(header(worker, "command", limits, command=command, files=_listed(files)), *files.values(), stdin)
    await _wait_for_start(worker, limits)
    return await _finish(worker, limits, began)


async def run_and_collect(
    worker: Worker, command: tuple[str, ...], files: dict[str, bytes], stdin: bytes, collect: list[str], limits: Limits
) -> Ran:
    """The same, and brings files of the directory back. Raises WorkerLost."""
    _keep_output(worker, limits)
    worker.set_timer(limits.timeout_s)
    head = header(worker, "collect", limits, command=command, files=_listed(files), collect=collect)
    began = time.monotonic()
    await worker.send(head, *files.values(), stdin)
    await _wait_for_start(worker, limits)
    collected: dict[str, bytes] = {}
    exit_code = None
    with contextlib.suppress(ChannelClosed):  # where it was killed, `_finish` finds out why
        told = json.loads(await worker.receive(1 << 16))
        exit_code = told["exit_code"]
        for name in told["files"]:
            collected[name] = await worker.receive(MAX_COLLECTED)
    ran = await _finish(worker, limits, began)
    if exit_code is not None:
        ran.outcome, ran.reason, ran.exit_code = (*_by_exit(exit_code, ran.stderr), exit_code)
        ran.files = collected
    return ran


class Calls:
    """A program whose functions are called one at a time, each with its own time limit."""

    def __init__(self, worker: Worker, limits: Limits, sets_as_lists: bool = False, preamble: str = ""):
        self._worker, self._limits, self._sets_as_lists = worker, limits, sets_as_lists
        self._preamble = preamble

    async def load(self, source: bytes) -> None:
        """Compiles and runs the module. Raises Failed, WorkerLost."""
        worker = self._worker
        worker.stdout.keep = 0  # what functions print has no bearing
        worker.stdout.limit = worker.stderr.limit = self._limits.output_bytes
        worker.stdout.on_flood = worker.stderr.on_flood = lambda: worker.kill("output_limit")
        worker.stderr.keep = STDERR_KEPT
        worker.set_timer(self._limits.timeout_s)
        more = {"sets_as_lists": self._sets_as_lists, "preamble": self._preamble}
        head = header(worker, "calls", self._limits, **more)
        await worker.send(head, source, b"")
        await _wait_for_start(worker, self._limits)
        self._result(await self._answer(b"loading.", 1 << 16), "while it was loaded")

    async def call_each(self, calls: list[tuple[str, list, dict]], most: list[int]) -> AsyncGenerator[bytes, None]:
        """The results of (function, args, kwargs) in order, as JSON that nobody has read yet, each with the whole time
        limit and of at most so many bytes. Raises Failed, WorkerLost.

        A few requests travel ahead of the answers, so that neither side waits for the other; what a program could read
        there are arguments that it is about to be given anyway.
        """
        coded = (secrets.token_bytes(NUMBER) + _encode({"function": f, "args": a, "kwargs": k}) for f, a, k in calls)
        following = next(coded, None)
        ahead: deque[tuple[bytes, int]] = deque()  # (number, bytes) of requests that are not answered yet
        for (function, _, _), limit in zip(calls, most, strict=True):
            while following is not None and self._may_travel(len(following), ahead):
                ahead.append((following[:NUMBER], len(following)))
                await self._worker.send(following)
                following = next(coded, None)
            self._worker.set_timer(self._limits.timeout_s)
            answer = await self._answer(ahead.popleft()[0], limit)
            if not ahead:
                self._check_silence()
            yield self._result(answer, f"in {function}")

    @staticmethod
    def _may_travel(size: int, ahead: deque[tuple[bytes, int]]) -> bool:
        return not ahead or (len(ahead) < AHEAD and size + sum(s for _, s in ahead) <= AHEAD_BYTES)

    async def check(self, given: object, got: str, expected: object) -> object:
        """What the checker says of an output; `got` is JSON text, which only the checker's worker reads."""
        return json.loads(
            self._result(await self.relay(_encode({"check": [given, got, expected]}), 1 << 16), "in check")
        )

    async def relay(self, request: bytes, most: int) -> bytes:
        """A request as it is, and the program's answer as it is. Raises Failed, WorkerLost."""
        self._check_silence()
        number = secrets.token_bytes(NUMBER)
        self._worker.set_timer(self._limits.timeout_s)
        await self._worker.send(number + request)
        answer = await self._answer(number, most)
        self._check_silence()
        return answer

    def _check_silence(self) -> None:
        try:
            self._worker.nothing_unasked()
        except Forged as forgery:
            raise Failed("wrong_answer", str(forgery)) from None

    async def _answer(self, number: bytes, most: int) -> bytes:
        """The next answer, which must carry the number of its request. Raises Failed, WorkerLost."""
        try:
            answer = await self._worker.receive(most + NUMBER + 1)
        except TooLarge as large:
            if large.size > PLAUSIBLE_MESSAGE:  # no answer has such a length: other bytes stand in its place
                raise Failed("wrong_answer", FORGED) from None
            raise Failed("output_limit", f"the program returned {large}, more than {most:,}") from None
        except ChannelClosed:
            raise await self._ended() from None
        self._worker.stop_timer()
        if answer[:NUMBER] != number:
            raise Failed("wrong_answer", FORGED)
        return answer[NUMBER:]

    def _result(self, answer: bytes, where: str) -> bytes:
        """The JSON of a result. Raises Failed for an answer that is none."""
        kind, content = answer[:1], answer[1:]
        if kind == b"r":
            return content
        if kind not in (b"e", b"n") or len(content) > MAX_DESCRIPTION:
            raise Failed("wrong_answer", FORGED)
        try:
            told = json.loads(content)
        except (ValueError, RecursionError):
            raise Failed("wrong_answer", FORGED) from None
        if kind == b"n":
            raise Failed("wrong_answer", f"the result cannot be compared: {str(told)[:200]}")
        raise _raised(told, where)

    async def _ended(self) -> Failed:
        worker = self._worker
        if worker.killed_for is None and not worker.ended.done():
            # The program closed the channel, or is just ending; either way there will be no answer.
            worker.set_timer(0.2, "wrong_answer")
        end = await worker.end()
        stderr = _text(worker.stderr.take())
        outcome, reason = judge_end(worker, end, self._limits, stderr)
        if outcome in ("passed", "wrong_answer"):
            outcome, reason = "runtime_error", "the program ended before it had answered"
        return Failed(outcome, reason, stderr)


def _raised(error: object, where: str) -> Failed:
    if not isinstance(error, dict) or not all(isinstance(error.get(k), str) for k in ("type", "message", "traceback")):
        return Failed("wrong_answer", FORGED)
    outcome: Outcome = "memory" if error["type"] == "MemoryError" else "runtime_error"
    message = f": {error['message'][:300]}" if error["message"] else ""
    return Failed(outcome, f"{error['type'][:100]}{message} ({where})", error["traceback"][:8000])


def _encode(request: dict) -> bytes:
    """Raises WorkerLost for what the task itself gives and cannot be sent."""
    try:
        return json.dumps(request).encode()
    except (ValueError, RecursionError) as error:
        raise WorkerLost(f"the test's own arguments cannot be sent: {error}") from None


def read_result(result: bytes, longest_int: int) -> object:
    """A result of at most `longest_int` digits in its integers. Raises Failed for what is not JSON."""
    try:
        return json.loads(result, parse_int=lambda digits: parse_int(digits, longest_int))
    except (ValueError, RecursionError) as error:
        raise Failed("wrong_answer", f"what came back is not JSON: {str(error)[:200]}") from None


def parse_int(digits: str, longest: int = MAX_DIGITS) -> int:
    """An integer of up to `longest` digits; Python's own limit for text is lower, since its way takes square time."""
    if len(digits) <= 4_000:
        return int(digits)
    if len(digits) > longest + 1:  # a sign
        raise ValueError(f"an integer of {len(digits):,} digits")
    with localcontext(prec=MAX_DIGITS):
        return int(Decimal(digits))


def judge_end(worker: Worker, end: End, limits: Limits, stderr: str = "") -> tuple[Outcome, str]:
    """What a worker's end says.

    A kill that is not the judge's may be the program's own doing, or that of somebody outside. Raises WorkerLost the
    first time; a job whose second worker ends so, too, is taken to have done it.
    """
    if worker.ran_out_of_memory():
        return "memory", f"more than {limits.memory_mb} MB of memory"
    if worker.killed_for == "timeout":
        return "timeout", f"longer than {limits.timeout_s:g} s"
    if worker.killed_for == "output_limit":
        return "output_limit", f"more than {limits.output_bytes:,} bytes of output"
    if worker.killed_for is not None:
        return worker.killed_for, worker.killed_for.replace("_", " ")
    if os.WIFSIGNALED(end.status) and os.WTERMSIG(end.status) == signal.SIGKILL and not worker.last_try:
        raise WorkerLost("the worker was killed, and not by the judge")
    return _by_exit(os.waitstatus_to_exitcode(end.status), stderr.encode())


def _by_exit(code: int, stderr: bytes) -> tuple[Outcome, str]:
    if code == 0:
        return "passed", ""
    last = (_text(stderr).strip().splitlines() or [""])[-1][:300]
    if last.split(":")[0] == "MemoryError":
        return "memory", last
    number = -code if code < 0 else code - 128
    if number in NAMED_SIGNALS:
        return "runtime_error", f"ended by {NAMED_SIGNALS[number]}"
    return "runtime_error", f"exit code {code}" + (f": {last}" if last else "")


async def _wait_for_start(worker: Worker, limits: Limits) -> None:
    """Until the program begins; its time starts then. Raises Failed (compile_error), WorkerLost."""
    try:
        answer = await worker.receive(1 << 16)
    except ChannelClosed:
        end = await worker.end()
        stderr = _text(worker.stderr.take())
        worker.last_try = False  # nothing of the program has run: it cannot have killed the worker
        _, reason = judge_end(worker, end, limits, stderr)
        raise Failed("compile_error", f"it could not be compiled: {reason}", stderr) from None
    if answer != b"started":
        told = json.loads(answer)
        await worker.end()
        if "preamble_error" in told:
            raise WorkerLost(f"the preamble cannot be used: {told['preamble_error']['message'][:300]}")
        error = told["compile_error"]
        raise Failed("compile_error", f"{error['type']}: {error['message'][:300]}", error["traceback"])
    worker.set_timer(limits.timeout_s)


async def _finish(worker: Worker, limits: Limits, began: float) -> Ran:
    end = await worker.end()
    seconds = time.monotonic() - began
    flooded = worker.stdout.flooded or worker.stderr.flooded
    stdout, stderr = worker.stdout.take(), worker.stderr.take()
    outcome, reason = judge_end(worker, end, limits, _text(stderr))
    if flooded and outcome == "passed":  # it ended before it could be killed
        outcome, reason = "output_limit", f"more than {limits.output_bytes:,} bytes of output"
    exit_code = os.waitstatus_to_exitcode(end.status) if worker.killed_for is None else None
    return Ran(outcome, reason, stdout, stderr, exit_code, seconds)


def _keep_output(worker: Worker, limits: Limits) -> None:
    worker.stdout.keep = worker.stdout.limit = worker.stderr.limit = limits.output_bytes
    worker.stderr.keep = STDERR_KEPT
    worker.stdout.on_flood = worker.stderr.on_flood = lambda: worker.kill("output_limit")


def header(worker: Worker, mode: str, limits: Limits, **more) -> bytes:
    # Without a control group a single huge allocation is stopped here; the watch on memory sees the rest.
    data_mb = None if worker.memory_limit is None else limits.memory_mb + 1024
    held = {"file_mb": 256, "open_files": 512, "processes": limits.processes, "data_mb": data_mb}
    return json.dumps({"mode": mode, "limits": held, **more}).encode()


def _listed(files: dict[str, bytes]) -> list[tuple[str, int]]:
    return [(name, 0o755) for name in files]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
