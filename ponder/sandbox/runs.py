"""One run in one worker: a program for what it prints, a command, a compiler; and what the end of a worker says."""

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass, field

from ponder.sandbox.jail.wire import MAX_COLLECTED
from ponder.sandbox.job import Limits, Outcome
from ponder.sandbox.process import ChannelClosed, End, Worker, WorkerLost

STDERR_KEPT = 64 << 10  # bytes
MAX_SOURCE = 4 << 20  # bytes
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
    await wait_for_start(worker, limits)
    return await _finish(worker, limits, began)


async def run_command(
    worker: Worker, command: tuple[str, ...], files: dict[str, bytes], stdin: bytes, limits: Limits
) -> Ran:
    """Another program takes the worker over; `files` are put into its directory first. Raises WorkerLost."""
    _keep_output(worker, limits)
    worker.set_timer(limits.timeout_s)
    began = time.monotonic()
    await worker.send(header(worker, "command", limits, command=command, files=_listed(files)), *files.values(), stdin)
    await wait_for_start(worker, limits)
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
    await wait_for_start(worker, limits)
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
    last = (decode(stderr).strip().splitlines() or [""])[-1][:300]
    if last.split(":")[0] == "MemoryError":
        return "memory", last
    number = -code if code < 0 else code - 128
    if number in NAMED_SIGNALS:
        return "runtime_error", f"ended by {NAMED_SIGNALS[number]}"
    return "runtime_error", f"exit code {code}" + (f": {last}" if last else "")


async def wait_for_start(worker: Worker, limits: Limits) -> None:
    """Until the program begins; its time starts then. Raises Failed (compile_error), WorkerLost."""
    try:
        answer = await worker.receive(1 << 16)
    except ChannelClosed:
        end = await worker.end()
        stderr = decode(worker.stderr.take())
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
    outcome, reason = judge_end(worker, end, limits, decode(stderr))
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


def decode(data: bytes) -> str:
    """What a program wrote, as text: what is not UTF-8 is replaced."""
    return data.decode("utf-8", "replace")
