"""One worker process, and the pipes to it: asked, listened to, and killed in time whatever it does."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import ponder
from ponder.verifiers.wire import packed

LOAD_SECONDS = 120.0  # a worker may import its libraries for so long, on a machine that is very busy
CLOCK_FACTOR = 4.0  # a job that does not use its processor time is killed after so many deadlines by the clock
LAST_WORDS = 16_384  # bytes of what a worker writes to standard error that are kept
MOST_READS = 64
LAST_WORDS_SECONDS = 1.0  # for a worker that is being killed to say where it was


@dataclass(frozen=True)
class WorkerProgram:
    """What runs in the worker processes of a pool: `python -m module DEADLINE_S MEMORY_BYTES`.

    `environment` is what it is told of ours. `explain` makes the reason of a verdict from the job, what happened to the
    process, and the end of what it wrote to standard error.
    """

    module: str
    memory_bytes: int
    environment: Callable[[], dict[str, str]]
    explain: Callable[[dict, str, str], str]


def bare_environment() -> dict[str, str]:
    """No keys or tokens. More threads would only reserve memory under the limit."""
    passed_on = ("PATH", "LD_LIBRARY_PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    return {name: os.environ[name] for name in passed_on if name in os.environ} | {
        **fixed_environment(),
        "OPENBLAS_NUM_THREADS": "1",
    }


def whole_environment() -> dict[str, str]:
    """All that we know ourselves. Workers stand side by side, so each has one thread, unless it is told otherwise."""
    return {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **os.environ, **fixed_environment()}


def fixed_environment() -> dict[str, str]:
    """Where Ponder is, and the same hash seed always."""
    package_root = str(Path(ponder.__file__).resolve().parent.parent)
    search_path = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(search_path), "PYTHONHASHSEED": "0"}


def with_last_line(job: dict, happened: str, last_words: str) -> str:
    """What happened, and of a worker that died its last line."""
    lines = last_words.strip().splitlines() if happened.startswith("the worker died") else []
    return " ".join([happened, *lines[-1:]])


GUARDED = WorkerProgram("ponder.verifiers.worker", 2 << 30, bare_environment, with_last_line)


class WorkerDied(Exception):
    """The process ended, or had to be ended. `status` is that of the verdict, "timeout" or "error"."""

    def __init__(self, status: str, happened: str, last_words: str):
        super().__init__(happened)
        self.status, self.last_words = status, last_words


class WorkerProcess:
    """A process that runs jobs one after the other. Whoever uses it does so from one thread at a time; `kill` is for any."""

    def __init__(self, program: WorkerProgram, deadline_s: float):
        self._deadline_s = deadline_s
        self._said, self._hears, self._late = b"", True, ""
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", program.module, str(deadline_s), str(program.memory_bytes), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=program.environment(),
            start_new_session=True,  # Ctrl+C in the terminal is for the trainer, not for its workers
        )
        for pipe in (self.process.stdin, self.process.stderr):
            os.set_blocking(pipe.fileno(), False)

    def run(self, job: dict) -> dict:
        """Result of one job. The clock runs from the moment the worker has loaded its libraries.

        Raises:
            WorkerDied: it came to no end, and the process is no more.
        """
        loading = monotonic() + LOAD_SECONDS
        self._late = f"it was not loaded within {LOAD_SECONDS:g} s: the worker was killed"
        self._write(packed(job), loading)
        loaded = self._receive(loading)
        assert loaded == {"loaded": True}, loaded
        self._late = "no verdict in time by the clock: the worker was killed"
        return self._receive(monotonic() + CLOCK_FACTOR * self._deadline_s)

    def kill(self) -> None:
        """Ends the process and its children."""
        self._kill_group()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()

    def _receive(self, end: float) -> dict:
        size = int.from_bytes(self._read(4, end), "big")
        return json.loads(self._read(size, end))

    def _write(self, data: bytes, end: float) -> None:
        stdin, left = self.process.stdin.fileno(), memoryview(data)
        while left:
            if self._ready(stdin, select.POLLOUT, end):
                try:
                    left = left[os.write(stdin, left) :]
                except BrokenPipeError:
                    self._bury()

    def _read(self, size: int, end: float) -> bytes:
        stdout, data = self.process.stdout.fileno(), b""
        while len(data) < size:
            if self._ready(stdout, select.POLLIN, end):
                chunk = os.read(stdout, size - len(data))
                if not chunk:
                    self._bury()
                data += chunk
        return data

    def _ready(self, pipe: int, event: int, end: float) -> bool:
        """Whether a pipe is ready; waits until something is, and takes what comes by standard error. A process must not
        wait for us to read what it prints, nor print past its deadline. Raises WorkerDied at `end`."""
        left = end - monotonic()
        ready = _poll({pipe: event} | self._stderr(), left) if left > 0 else set()
        if not ready:
            self._give_up()
        if self._stderr().keys() & ready:
            self._listen()
        return pipe in ready

    def _stderr(self) -> dict[int, int]:
        return {self.process.stderr.fileno(): select.POLLIN} if self._hears else {}

    def _listen(self) -> bool:
        """Keeps the end of what has been written to standard error. Whether there was anything."""
        try:
            heard = os.read(self.process.stderr.fileno(), 65_536)
        except BlockingIOError:
            return False
        self._hears = bool(heard)
        self._said = (self._said + heard)[-LAST_WORDS:]
        return self._hears

    def _give_up(self) -> None:
        """Raises WorkerDied for a process that is late by the clock."""
        if self.process.returncode is None:
            os.kill(self.process.pid, signal.SIGPROF)  # as if its processor time were used up: it may say where it is
        last = monotonic() + LAST_WORDS_SECONDS
        while self._hears and (left := last - monotonic()) > 0:
            if _poll(self._stderr(), left):
                self._listen()
        self.kill()
        raise WorkerDied("timeout", self._late, self._said.decode(errors="replace"))

    def _bury(self) -> None:
        """Raises WorkerDied with what the dead process left behind."""
        self._kill_group()
        code = self.process.wait()
        for _ in range(MOST_READS):  # what it started may go on printing
            if not self._hears or not self._listen():
                break
        self.kill()
        said = self._said.decode(errors="replace")
        if code == -signal.SIGPROF:
            happened = f"no verdict within {self._deadline_s:g} s of processor time: the worker was killed"
            raise WorkerDied("timeout", happened, said)
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise WorkerDied("error", f"the worker died ({how})", said)

    def _kill_group(self) -> None:
        """Also what the process has started. Not once it has been waited for: its number may be another's by then."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


def _poll(events: dict[int, int], seconds: float) -> set[int]:
    """Those of the pipes that something happens to within so many seconds."""
    poll = select.poll()
    for pipe, event in events.items():
        poll.register(pipe, event)
    return {pipe for pipe, _ in poll.poll(max(0.0, seconds) * 1000)}
