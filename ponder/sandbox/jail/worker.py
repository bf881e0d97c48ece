"""A worker: one forked process that locks itself in, waits for one job, does it and ends.

It has a process namespace of its own, in which only an idle process 1 was there before it; when the worker ends, the
zygote ends process 1, and the kernel with it everything that was started. The channel to the judge (descriptor 3)
carries the job in and, in the modes that talk, messages out; programs that are judged by what they print run without it.
"""

import os
import resource
import socket
import sys

from jail import calls, execution, session, tester, wire
from jail import root as root_
from jail import syscalls as sys_

CHANNEL = 3
STACK_BYTES = 120 << 20  # the kernel keeps at least 128 MB below the stack free
MODES = {
    "program": execution.run_program,
    "command": execution.run_command,
    "collect": execution.run_and_collect,
    "calls": calls.serve_calls,
    "tests": tester.run_tests,
    "session": session.serve_cells,
}


def work(channel: int, stdout: int, stderr: int, settings: dict, filter_program: bytes) -> None:
    """All that a worker does; never returns."""
    code = 1
    try:
        null = os.open("/dev/null", os.O_RDONLY)
        # Above all that is still in use first, then down to their places.
        high = [os.dup2(descriptor, 100 + i) for i, descriptor in enumerate((null, stdout, stderr, channel))]
        for place, descriptor in enumerate(high):
            os.dup2(descriptor, place, inheritable=place < CHANNEL)
        sys_.close_descriptors_from(CHANNEL + 1)
        judge = socket.socket(fileno=CHANNEL)
        _lock_in(settings, filter_program)
        wire.send(judge, b"ready")
        job = wire.receive_json(judge)
        _set_limits(job["limits"])
        code = MODES[job["mode"]](judge, job)
    except EOFError:
        code = 0  # the judge had no job for this worker
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        os._exit(code)


def raise_stack_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    soft = STACK_BYTES if hard == resource.RLIM_INFINITY else min(STACK_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def _lock_in(settings: dict, filter_program: bytes) -> None:
    if settings["namespaces"]:
        os.setpgid(0, 1)  # process 1 leads it, so that a program may lead a group or a session as it may elsewhere
        root_.make_scratch(settings["scratch_mb"], settings["scratch_inodes"])
        sys_.unshare(sys_.CLONE_NEWUSER)  # nobody is mapped in it: its processes are counted by themselves
        sys_.drop_capabilities()
        sys_.prctl(sys_.PR_SET_DUMPABLE, 1)  # so that the judge's watch may read how much memory is used
    else:
        os.setsid()
        os.makedirs(f"{settings['scratch']}/{os.getpid()}/work")
        os.chdir(f"{settings['scratch']}/{os.getpid()}/work")
    sys_.prctl(sys_.PR_SET_NO_NEW_PRIVS, 1)
    sys_.prctl(sys_.PR_SET_PDEATHSIG, 9)
    # A back-stop only: time is the judge's to keep, by the clock. The filter lets nobody change this limit.
    resource.setrlimit(resource.RLIMIT_CPU, (settings["cpu_s"], settings["cpu_s"]))
    if filter_program:
        sys_.install_seccomp(filter_program)
    sys.set_int_max_str_digits(wire.MAX_DIGITS)


def _set_limits(limits: dict) -> None:
    """Soft and hard alike, so that nothing can be raised again; all that the job starts inherits them.

    The stack is left out: solutions that recurse deeply raise its limit, and what it holds counts as memory.
    """
    mega = 1 << 20
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: limits["file_mb"] * mega,
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_NPROC: limits["processes"],
        resource.RLIMIT_MEMLOCK: 1 << 16,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_NICE: 0,
        resource.RLIMIT_RTPRIO: 0,
    }
    if limits["data_mb"] is not None:
        wanted[resource.RLIMIT_DATA] = limits["data_mb"] * mega
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    os.umask(0o022)
