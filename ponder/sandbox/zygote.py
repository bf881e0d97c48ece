"""The server's side of a zygote: starting it, asking it for workers, hearing of their ends."""

import asyncio
import contextlib
import importlib.util
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from ponder.sandbox.process import End, Worker, WorkerLost

# What solutions may import beside the standard library, where it is installed, with what these need themselves.
PACKAGES = (
    *("numpy", "scipy", "pandas", "sympy", "mpmath", "networkx", "sortedcontainers", "dateutil", "pytz", "tzdata"),
    *("six", "pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py"),
)
PACKAGES_IN_JAIL = "/packages"
START_SECONDS, END_SECONDS = 60.0, 5.0
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    # The same order of sets in every run; one thread in numpy, so that a zygote has none when it forks.
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
MAX_CPU_S = 7200
FIRST_UID, UIDS = 60_600, 500  # a range that neither Debian nor systemd gives to anyone
# Not a virtual environment's: that is only a link to this one. It has the same path in the jail.
INTERPRETER = getattr(sys, "_base_executable", None) or sys.executable
# Threads of a worker take the stack limit with which the interpreter starts as their size.
SMALL_STACK = ("/bin/sh", "-c", 'ulimit -S -s 8192; exec "$@"', "sh")
_STARTED = itertools.count()
JAIL = Path(__file__).parent / "jail"
# Takes the package `jail` from the sources on standard input: nothing in the process then names a path of this machine.
_START = """
import json, sys, types
settings, sources = json.load(sys.stdin)
sys.argv[:] = sys.orig_argv[:] = [""]
package = sys.modules["jail"] = types.ModuleType("jail")
package.__path__ = []
for name, source in sources:
    module = types.ModuleType("jail." + name)
    sys.modules["jail." + name] = module
    setattr(package, name, module)
    exec(compile(source, "<sandbox>/" + name + ".py", "exec"), module.__dict__)
sys.modules["jail.zygote"].main(settings)
"""
# In the order in which they import one another.
MODULES = (
    "syscalls",
    "seccomp",
    "root",
    "process_ones",
    "wire",
    "dates",
    "values",
    "libraries",
    "errors",
    "bare",
    "main_program",
    "execution",
    "files",
    "operations",
    "states",
    "kinds",
    "steps",
    "arrangement",
    "borrowed",
    "objects",
    "calls",
    "raised",
    "foreign",
    "surroundings",
    "remote",
    "iterators",
    "operators",
    "functions",
    "enumerations",
    "sameness",
    "classes",
    "handles",
    "link",
    "usage",
    "names",
    "cases",
    "session",
    "tester",
    "worker",
    "zygote",
)


class ZygoteRefused(Exception):
    """The kernel (or the installation) does not let the zygote into its jail; the message says at what."""


class Zygote:
    """A started zygote. `fork` gives workers until it dies or is closed."""

    def __init__(self, process: subprocess.Popen, control: socket.socket, scratch: str | None):
        self._loop = asyncio.get_running_loop()
        self._process, self._control, self._scratch = process, control, scratch
        self._starting: dict[int, tuple[Worker, asyncio.Future[Worker]]] = {}
        self._workers: dict[int, Worker] = {}
        self._numbers = 0
        self.alive = True
        control.setblocking(False)
        self._loop.add_reader(control, self._hear)

    @classmethod
    async def start(cls, jailed: bool, scratch_mb: int, warm: tuple[str, ...]) -> "Zygote":
        """`warm` are modules to import beside the usual ones. Raises ZygoteRefused."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        binds, paths = _packages(jailed)
        scratch = None if jailed else tempfile.mkdtemp(prefix="ponder-sandbox-")
        settings = {
            "control": theirs.fileno(),
            "namespaces": jailed,
            "seccomp": jailed,
            "binds": binds | _interpreter(),
            "user": FIRST_UID + next(_STARTED) % UIDS if os.geteuid() == 0 else None,
            "warm": warm,
            "scratch": scratch,
            "scratch_mb": scratch_mb,
            "scratch_inodes": 16_384,
            "cpu_s": MAX_CPU_S,
        }
        process = subprocess.Popen(
            [*SMALL_STACK, INTERPRETER, "-B", "-P", "-s", "-S", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(paths)},  # also for Pythons that programs start
            cwd="/",
            start_new_session=True,  # Ctrl+C in the terminal is for the server
        )
        theirs.close()
        sources = [(name, (JAIL / f"{name}.py").read_text()) for name in MODULES]
        with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # `_handshake` finds out why it died
            stdin.write(json.dumps([settings, sources]).encode())
        ours.setblocking(False)
        try:
            await cls._handshake(ours)
        except BaseException:
            ours.close()
            process.kill()
            process.wait()
            raise
        return cls(process, ours, scratch)

    @staticmethod
    async def _handshake(control: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            answer = await asyncio.wait_for(loop.sock_recv(control, 4096), START_SECONDS)
        except TimeoutError:
            raise ZygoteRefused(f"it did not start within {START_SECONDS:g} s") from None
        told = json.loads(answer) if answer else {"refused": "it died at once"}
        if "refused" in told:
            raise ZygoteRefused(told["refused"])

    @property
    def pid(self) -> int:
        return self._process.pid

    async def fork(self) -> Worker:
        """A worker, started and on its way to being ready. Raises WorkerLost."""
        channel, far = socket.socketpair()
        stdout, far_stdout = os.pipe()
        stderr, far_stderr = os.pipe()
        for descriptor in (stdout, stderr):
            os.set_blocking(descriptor, False)
        channel.setblocking(False)
        self._numbers += 1
        worker = Worker(self._numbers, channel, stdout, stderr)
        try:
            future = self._loop.create_future()
            self._starting[worker.number] = worker, future
            socket.send_fds(self._control, [str(worker.number).encode()], [far.fileno(), far_stdout, far_stderr])
            return await future
        except BaseException as error:
            worker.close()
            if isinstance(error, OSError):
                self._die()
                raise WorkerLost(str(error)) from None
            raise
        finally:
            self._starting.pop(worker.number, None)
            far.close()
            os.close(far_stdout)
            os.close(far_stderr)

    def _hear(self) -> None:
        while self.alive and self._hear_one():
            continue

    def _hear_one(self) -> bool:
        """Takes one message; False when there is none."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self._control, 4096, 2)
        except BlockingIOError:
            return False
        except OSError:
            message = b""
        if not message:
            self._die()
            return False
        told = json.loads(message)
        if "started" in told:
            worker, future = self._starting.get(told["started"], (None, None))
            if worker is None:  # whoever asked has been cancelled: nobody wants it
                for descriptor in descriptors:
                    os.close(descriptor)
                return True
            pidfd, process_1 = descriptors
            worker.started(_pid_of(pidfd), pidfd, _pid_of(process_1), process_1)
            self._workers[worker.number] = worker
            if not future.done():
                future.set_result(worker)
        elif "failed" in told:
            _, future = self._starting.get(told["failed"], (None, None))
            if future is not None and not future.done():
                future.set_exception(WorkerLost(f"no new process can be started: {told['reason']}"))
        elif (worker := self._workers.pop(told["ended"], None)) is not None and not worker.ended.done():
            worker.ended.set_result(End(told["status"]))
        return True

    def _die(self) -> None:
        if not self.alive:
            return
        self.alive = False
        self._loop.remove_reader(self._control)
        self._control.close()
        try:
            self._process.wait(END_SECONDS)  # it ends by itself when nobody holds the other end, its workers first
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for _, future in self._starting.values():
            if not future.done():
                future.set_exception(WorkerLost("the process that starts the workers has died"))
        for worker in self._workers.values():
            worker.lost()
        self._workers.clear()
        if self._scratch is not None:
            with contextlib.suppress(OSError):
                _remove_tree(self._scratch)

    def close(self) -> None:
        """Ends the zygote and with it all its workers."""
        self._die()


def _pid_of(pidfd: int) -> int:
    """The process's number here; -1 where it has ended and been waited for."""
    with open(f"/proc/self/fdinfo/{pidfd}") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pid:"))


def _interpreter() -> dict[str, str]:
    """The binds of /usr and of the interpreter's own prefix, each at its own place."""
    return {path: path for path in ("/usr", str(Path(sys.base_prefix).resolve()), sys.base_prefix)}


def _packages(jailed: bool) -> tuple[dict[str, str], list[str]]:
    """({host path: path in the jail}, additions to the module path) of the PACKAGES that are installed."""
    binds, directories = {}, []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None or spec.origin in ("built-in", "frozen"):
            continue
        path = Path(spec.origin)
        path = path.parent if path.name == "__init__.py" else path
        directories.append(str(path.parent))
        libraries = path.parent / f"{name}.libs"
        metadata = path.parent.glob(f"{name}-*.dist-info")  # pytest asks for its own
        for source in (path, libraries, *metadata):
            if source.exists():
                binds[str(source)] = f"{PACKAGES_IN_JAIL}/{source.name}"
    return (binds, [PACKAGES_IN_JAIL]) if jailed else ({}, list(dict.fromkeys(directories)))


def _remove_tree(path: str) -> None:
    import shutil

    shutil.rmtree(path)
