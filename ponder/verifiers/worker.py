"""The worker process: reads jobs from standard input, judges them, writes results to standard output.

Started by ponder.verifiers.pool as `python -m ponder.verifiers.worker DEADLINE_S MEMORY_BYTES PARENT`. What it compares was
written by a model, and some scorers of reasoning-gym evaluate it: so the process has little memory, little time, may
not write files, start programs or use the network, and knows nothing but the job. That keeps accidents and crude
attacks out; it is not the sandbox in which programs are run.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from importlib import import_module

from ponder.engine.orphans import end_with_parent
from ponder.verifiers.wire import failure, receive, send

FORBIDDEN = (
    *("os.exec", "os.fork", "os.kill", "os.posix_spawn", "os.remove", "os.rename", "os.rmdir", "os.system"),
    *("ctypes.", "shutil.", "signal.", "socket.", "subprocess."),
)


def main() -> None:
    deadline_s, memory_bytes = float(sys.argv[1]), int(sys.argv[2])
    end_with_parent(int(sys.argv[3]), sys.stdin.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":  # elsewhere the limit is not kept, or refused
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Results leave through a descriptor of their own; what libraries print goes to standard error.
    requests, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    guard = _Guard()
    sys.addaudithook(guard)

    while (job := receive(requests)) is not None:
        try:
            run = _load(job["run"])
        except Exception as error:
            send(results, {"loaded": True})
            send(results, failure(f"the verifier cannot be loaded: {type(error).__name__}: {error}"))
            continue
        send(results, {"loaded": True})
        # When the job has used up its processor time, the kernel ends this process with SIGPROF, even in C code.
        signal.setitimer(signal.ITIMER_PROF, deadline_s)
        guard.armed = True
        try:
            result = run(job)
        except Exception as error:
            result = failure(f"{type(error).__name__}: {error}")
        guard.armed = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        send(results, result)


def _load(name: str) -> Callable[[dict], dict]:
    """The function that a job names, of Ponder's verifiers only; its libraries are imported with the first such job."""
    module, _, function = name.partition(":")
    if not module.startswith("ponder.verifiers."):
        raise ValueError(f"{name!r} is no function of ponder.verifiers")
    return getattr(import_module(module), function)


class _Guard:
    """Audit hook (PEP 578): while armed, refuses what a comparison has no business doing."""

    armed = False

    def __call__(self, event: str, arguments: tuple) -> None:
        if not self.armed:
            return
        if event == "open":
            refused = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        else:
            refused = event.startswith(FORBIDDEN)
        if refused:
            raise PermissionError(f"the answer tried to {event}")


if __name__ == "__main__":
    main()
