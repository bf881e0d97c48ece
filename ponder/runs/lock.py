"""One writer per run: an advisory lock that the operating system drops when its holder dies, however it dies."""

import fcntl
import os
import weakref
from pathlib import Path

_held: "weakref.WeakSet[RunLock]" = weakref.WeakSet()


class RunLock:
    """The exclusive right to write a run directory, from construction to `release` or death.

    Raises:
        ValueError: another process (or another `Run` in this one) holds it; the message names the process.
    """

    def __init__(self, run: Path):
        self._descriptor: int | None = os.open(run / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode() or "unknown"
            os.close(self._descriptor)
            raise ValueError(
                f"{run} is being written by another process (pid {holder}). Wait for it to end or stop it; "
                f"reports and chat can read the run meanwhile."
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)
        _held.add(self)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _forget_in_child() -> None:
    # A forked worker shares the parent's lock and would keep it alive after the parent is killed.
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_forget_in_child)
