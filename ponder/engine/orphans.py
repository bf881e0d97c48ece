"""A helping process ends with the one that started it, however that one ends: kill -9 included."""

import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1  # of prctl(2)


def end_with_parent(parent: int, pipe: int, thread_stays: bool = True) -> None:
    """To be called in the helping process, before anything that takes long. On Linux the kernel ends the process, in the
    middle of whatever it does; elsewhere a thread does, which needs the interpreter for a moment.

    Args:
        parent: id of the process that started this one
        pipe: a descriptor of this process, of a pipe whose other end that process alone holds
        thread_stays: whether the parent's thread that started this process lives as long as this is wanted. Where it does
            not, the thread here watches the pipe on Linux, too, whose kernel would take that thread's end for the parent's
    """
    if sys.platform == "linux" and thread_stays:
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended before
            os._exit(1)
        return
    threading.Thread(target=_end_with, args=(pipe,), name="ponder-parent", daemon=True).start()


def _end_with(pipe: int) -> None:
    """Wait for the pipe to hang up, without taking anything out of it."""
    import select

    watch = select.poll()
    watch.register(pipe, 0)  # hang-ups are told unasked
    watch.poll()
    os._exit(1)
