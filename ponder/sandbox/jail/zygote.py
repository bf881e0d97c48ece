"""The zygote: enters the jail once, imports what solutions use, then forks a worker whenever the judge asks for one.

It never sees a program or a test. The judge speaks to it over one socket: a request carries a number and
a worker's three descriptors; answers are one JSON object each, {"started": number} with its pidfd and process 1's,
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
from dataclasses import dataclass

from jail import execution, main_program, root, seccomp, worker
from jail import syscalls as sys_
from jail.process_ones import ProcessOnes, end, kill

WORKER_NAMESPACES = sys_.CLONE_NEWNS | sys_.CLONE_NEWIPC
# What solutions import most; everything else is imported when asked for.
WARM = (
    *("abc", "array", "ast", "atexit", "base64", "bisect", "calendar", "cmath", "collections", "contextlib", "copy"),
    *("dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "glob", "hashlib", "heapq", "inspect"),
    *("io", "itertools", "json", "linecache", "math", "numbers", "operator", "pathlib", "pprint", "queue", "random"),
    *("re", "shutil", "statistics", "string", "struct", "subprocess", "tempfile", "textwrap", "threading", "time"),
    *("traceback", "types", "typing", "unicodedata", "unittest", "uuid"),
)


def main(settings: dict) -> None:
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # which Python ignores
        if signal.getsignal(number) is signal.SIG_IGN:  # nohup and the like leave them so
            signal.signal(number, signal.SIG_DFL)
    control = socket.socket(fileno=settings["control"])
    namespaces = settings["namespaces"]
    try:
        sys_.check_machine()
        if namespaces:
            root.enter(settings.pop("binds"), settings["user"])
        process_ones = ProcessOnes() if namespaces else None
        filter_program = seccomp.build() if settings["seccomp"] else b""
    except (OSError, ValueError) as error:
        control.send(json.dumps({"refused": str(error)}).encode())
        sys.exit(1)
    import site

    # exit(), help() and the like, which `python -S` leaves out.
    site.setquit()
    site.setcopyright()
    site.sethelper()
    importlib.invalidate_caches()  # of what was looked for outside of the jail
    _open_streams()
    warmed = [name for name in (*WARM, *settings["warm"]) if _import(name)]
    # Here, not in each worker: to look at all names there would copy the pages that they lie on.
    for name in [name for name in sys.modules if name.partition(".")[0] == "jail"]:
        del sys.modules[name]  # the name is the program's to use
    main_program.remember_modules()
    gc.collect()
    gc.freeze()  # the collector of a worker need not look at, and so copy, what the zygote holds
    control.send(json.dumps({"ready": True, "warmed": len(warmed)}).encode())
    # The limit that counts is the one of this moment; threads took their default size from the smaller one at start.
    worker.raise_stack_limit()
    _serve(control, settings, filter_program, process_ones)


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


@dataclass(frozen=True)
class Started:
    """A worker, and the pidfd of process 1 of its namespace (where it has one)."""

    number: int
    pid: int
    process_1: int | None


def _serve(control: socket.socket, settings: dict, filter_program: bytes, process_ones: ProcessOnes | None) -> None:
    """Until the judge is gone: nothing may outlive it then."""
    workers: dict[int, Started] = {}  # by pidfd
    ended: dict[int, tuple[int, int]] = {}  # by process 1's pidfd, until it is gone: number and status
    poll = select.poll()
    poll.register(control, select.POLLIN)
    try:
        while True:
            for descriptor, _ in poll.poll():
                if descriptor in workers:
                    poll.unregister(descriptor)
                    os.close(descriptor)
                    started = workers.pop(descriptor)
                    _, status = os.waitpid(started.pid, 0)
                    if started.process_1 is None:
                        _report_end(control, started.number, status)
                    else:  # meanwhile others are served
                        kill(started.process_1)
                        ended[started.process_1] = started.number, status
                        poll.register(started.process_1, select.POLLIN)
                elif descriptor in ended:
                    poll.unregister(descriptor)
                    os.close(descriptor)
                    _report_end(control, *ended.pop(descriptor))
                elif not _answer(control, settings, filter_program, process_ones, workers, poll):
                    return
    except (BrokenPipeError, ConnectionResetError):
        return
    finally:
        for pidfd, started in workers.items():
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.waitpid(started.pid, 0)
            if started.process_1 is not None:
                end(started.process_1)
        for process_1 in ended:
            end(process_1)


def _report_end(control: socket.socket, number: int, status: int) -> None:
    """Of a worker, with all that it had started; the status as wait(2) gives it."""
    control.send(json.dumps({"ended": number, "status": status}).encode())


def _answer(control, settings: dict, filter_program: bytes, process_ones, workers: dict, poll) -> bool:
    """Answers one request for a worker; False when the judge has closed the socket."""
    message, descriptors, _, _ = socket.recv_fds(control, 64, 3)
    if not message:
        return False
    number = int(message)
    try:
        pid, pidfd, process_1 = _fork(process_ones)
    except OSError as error:
        pid, reason = -1, str(error)
    if pid == 0:
        worker.work(*descriptors, settings, filter_program)  # never returns
    for inherited in descriptors:
        os.close(inherited)
    if pid < 0:
        control.send(json.dumps({"failed": number, "reason": reason}).encode())
        return True
    workers[pidfd] = Started(number, pid, process_1)
    poll.register(pidfd, select.POLLIN)
    pidfds = [pidfd, pidfd if process_1 is None else process_1]
    socket.send_fds(control, [json.dumps({"started": number}).encode()], pidfds)
    return True


def _fork(process_ones: ProcessOnes | None) -> tuple[int, int, int | None]:
    """(pid, pidfd, pidfd of process 1) of a new worker; in it, (0, -1, ...)."""
    if process_ones is None:
        return *sys_.fork_into(0), None
    process_1 = process_ones.take()
    sys_.join_process_namespace(process_1)
    try:
        pid, pidfd = sys_.fork_into(WORKER_NAMESPACES)
    except OSError:
        end(process_1)
        raise
    finally:
        if os.getpid() == 1:  # not in the worker, which stays where it is
            own = os.pidfd_open(1)
            sys_.join_process_namespace(own)
            os.close(own)
    return pid, pidfd, process_1
