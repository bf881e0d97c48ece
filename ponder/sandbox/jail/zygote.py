"""The zygote: enters the jail once, imports what solutions use, then forks a worker whenever the judge asks for one.

It never sees a program or a test. The judge speaks to it over one socket: a request carries a number and
a worker's three descriptors; answers are one JSON object each, {"started": number, "pid": pid} with a pidfd,
{"ended": number, "status": wait status}, {"failed": number, "reason": text}.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys

from jail import execution, root, seccomp, worker
from jail import syscalls as sys_

WORKER_NAMESPACES = sys_.CLONE_NEWPID | sys_.CLONE_NEWNS | sys_.CLONE_NEWIPC
FATAL = (
    signal.SIGHUP,
    signal.SIGTERM,
    signal.SIGALRM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGVTALRM,
    signal.SIGPROF,
)
# What solutions import most; everything else is imported when asked for.
WARM = (
    *("abc", "array", "ast", "atexit", "base64", "bisect", "calendar", "cmath", "collections", "contextlib", "copy"),
    *("dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "glob", "hashlib", "heapq", "inspect"),
    *("io", "itertools", "json", "linecache", "math", "numbers", "operator", "pathlib", "pprint", "queue", "random"),
    *("re", "shutil", "statistics", "string", "struct", "subprocess", "tempfile", "textwrap", "threading", "time"),
    *("traceback", "types", "typing", "unicodedata", "unittest", "uuid"),
)


def main(settings: dict) -> None:
    control = socket.socket(fileno=settings["control"])
    namespaces = settings["namespaces"]
    try:
        sys_.check_machine()
        if namespaces:
            root.enter(settings.pop("binds"), settings["user"])
        filter_program = seccomp.build() if settings["seccomp"] else b""
    except (OSError, ValueError) as error:
        control.send(json.dumps({"refused": str(error)}).encode())
        sys.exit(1)
    import site

    # exit(), help() and the like, which `python -S` leaves out.
    site.setquit()
    site.setcopyright()
    site.sethelper()
    _die_of_signals()
    importlib.invalidate_caches()  # of what was looked for outside of the jail
    _open_streams()
    warmed = [name for name in (*WARM, *settings["warm"]) if _import(name)]
    gc.collect()
    gc.freeze()  # the collector of a worker need not look at, and so copy, what the zygote holds
    control.send(json.dumps({"ready": os.getpid(), "warmed": len(warmed)}).encode())
    # The limit that counts is the one of this moment; threads took their default size from the smaller one at start.
    worker.raise_stack_limit()
    _serve(control, settings, filter_program)


def _die_of_signals() -> None:
    """Process 1 of a namespace ignores signals that it has no handler for; a worker is to die of them like any program."""

    def die(number: int, frame: object) -> None:
        if os.getpid() == 1:
            os._exit(128 + number)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for number in FATAL:
        signal.signal(number, die)


def _open_streams() -> None:
    """The standard streams that workers find: made over pipes, as most programs have them, which are then let go."""
    kept = os.dup(2)
    readable, writable = os.pipe()
    for place, descriptor in enumerate((readable, writable, writable)):
        os.dup2(descriptor, place)
    os.close(readable)
    os.close(writable)
    execution.open_streams()
    os.dup2(kept, 2)
    os.close(kept)


def _import(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False  # numpy is only there where it is installed
    return True


def _serve(control: socket.socket, settings: dict, filter_program: bytes) -> None:
    """Until the judge is gone: nothing may outlive it then."""
    children: dict[int, tuple[int, int]] = {}  # pidfd: (number, pid)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    try:
        while True:
            for descriptor, _ in poll.poll():
                if descriptor in children:
                    poll.unregister(descriptor)
                    _report_end(control, descriptor, *children.pop(descriptor))
                elif not _start_worker(control, settings, filter_program, children, poll):
                    return
    except (BrokenPipeError, ConnectionResetError):
        return
    finally:
        for pidfd in children:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        for _, pid in children.values():
            os.waitpid(pid, 0)


def _report_end(control: socket.socket, pidfd: int, number: int, pid: int) -> None:
    os.close(pidfd)
    _, status = os.waitpid(pid, 0)
    control.send(json.dumps({"ended": number, "status": status}).encode())


def _start_worker(control, settings: dict, filter_program: bytes, children: dict, poll: select.poll) -> bool:
    """Answers one request for a worker; False when the judge has closed the socket."""
    message, descriptors, _, _ = socket.recv_fds(control, 64, 3)
    if not message:
        return False
    number = int(message)
    try:
        pid, pidfd = sys_.fork_into(WORKER_NAMESPACES if settings["namespaces"] else 0)
    except OSError as error:
        pid, reason = -1, str(error)
    if pid == 0:
        worker.work(*descriptors, settings, filter_program)  # never returns
    for inherited in descriptors:
        os.close(inherited)
    if pid < 0:
        control.send(json.dumps({"failed": number, "reason": reason}).encode())
        return True
    children[pidfd] = number, pid
    poll.register(pidfd, select.POLLIN)
    socket.send_fds(control, [json.dumps({"started": number, "pid": pid}).encode()], [pidfd])
    return True
