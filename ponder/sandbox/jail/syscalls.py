"""The system calls that Python does not offer, through libc. All raise OSError with the call's name."""

import ctypes
import os
import signal
import struct

# <sched.h>
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
_CLONE_VM, _CLONE_FS, _CLONE_FILES, _CLONE_PIDFD = 0x00000100, 0x00000200, 0x00000400, 0x00001000

# <sys/mount.h>
MS_RDONLY, MS_NOSUID, MS_NODEV = 1, 2, 4
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2

# <sys/prctl.h>, <linux/securebits.h>
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_SECCOMP_MODE_FILTER = 2

_NUMBERS = {
    "x86_64": {"clone": 56, "pivot_root": 155, "capset": 126, "close_range": 436},
    "aarch64": {"clone": 220, "pivot_root": 41, "capset": 91, "close_range": 436},
}

_libc = ctypes.CDLL(None, use_errno=True)
# A call that keeps Python's global lock: around a raw clone nothing of the interpreter may move.
_locked_libc = ctypes.PyDLL(None, use_errno=True)
_idle_stack = ctypes.create_string_buffer(1 << 14)


def check_machine() -> None:
    """Raises OSError on a processor whose call numbers are not known here."""
    if os.uname().machine not in _NUMBERS:
        raise OSError(f"the processor is {os.uname().machine}; the sandbox knows {', '.join(_NUMBERS)}")


def _checked(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _syscall(name: str, *arguments) -> int:
    number = _NUMBERS[os.uname().machine][name]
    return _checked(_libc.syscall(number, *arguments), name)


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def join_process_namespace(pidfd: int) -> None:
    """What is forked from now on is in the namespace of that process."""
    _checked(_libc.setns(pidfd, CLONE_NEWPID), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    _checked(
        _libc.mount(
            source.encode(),
            target.encode(),
            kind and kind.encode(),
            ctypes.c_ulong(flags),
            data and data.encode(),
        ),
        f"mount {target}",
    )


def unmount(target: str, flags: int) -> None:
    _checked(_libc.umount2(target.encode(), flags), f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    _syscall("pivot_root", new.encode(), old.encode())


def set_hostname(name: str) -> None:
    _checked(_libc.sethostname(name.encode(), len(name)), "sethostname")


def prctl(option: int, value: int = 0, third: int = 0) -> None:
    _checked(
        _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(third), ctypes.c_ulong(0), ctypes.c_ulong(0)),
        f"prctl {option}",
    )


def close_descriptors_from(first: int) -> None:
    _syscall("close_range", first, ctypes.c_uint(0xFFFFFFFF), 0)


def fork_into(flags: int) -> tuple[int, int]:
    """A fork into new namespaces. (pid, pidfd) in the parent, (0, -1) in the child.

    clone(2) is called directly, bracketed by the interpreter's own fork hooks, because `os.fork` takes no flags and
    unshare(CLONE_NEWPID) works only once in a process.
    """
    pidfd = ctypes.c_int(-1)
    number = _NUMBERS[os.uname().machine]["clone"]
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    pid = _locked_libc.syscall(
        number, ctypes.c_ulong(flags | _CLONE_PIDFD | signal.SIGCHLD), None, ctypes.byref(pidfd), None, None
    )
    if pid == 0:
        python.PyOS_AfterFork_Child()
        return 0, -1
    error = ctypes.get_errno()
    python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(error, f"clone: {os.strerror(error)}")
    return pid, pidfd.value


def start_idle_process() -> int:
    """The pidfd of process 1 of a new process namespace, which does nothing but be there.

    It leads a process group. It shares the caller's memory and runs libc's `pause`, for ever: process 1 takes no signal that it has no handler for
    but the SIGKILL of its parents. All of them may stand on the same few bytes of stack, since all write the same there.
    """
    top = (ctypes.addressof(_idle_stack) + len(_idle_stack)) & ~0xF
    flags = CLONE_NEWPID | _CLONE_VM | _CLONE_FS | _CLONE_FILES | _CLONE_PIDFD | signal.SIGCHLD
    pidfd = ctypes.c_int(-1)
    pause = ctypes.cast(_libc.pause, ctypes.c_void_p)
    pid = _checked(_locked_libc.clone(pause, ctypes.c_void_p(top), flags, None, ctypes.byref(pidfd)), "clone")
    os.setpgid(pid, pid)
    return pidfd.value


def drop_capabilities() -> None:
    """No capability is left, none can come back: bounding and ambient sets, then all three others."""
    last = 63
    for capability in range(last + 1):
        if _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break  # past the kernel's last capability
    _libc.prctl(PR_CAP_AMBIENT, ctypes.c_ulong(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    version_3 = struct.pack("=Ii", 0x20080522, 0)
    _syscall("capset", version_3, bytes(24))


def install_seccomp(program: bytes) -> None:
    """`program` is an array of struct sock_filter (8 bytes each). Needs PR_SET_NO_NEW_PRIVS."""
    buffer = ctypes.create_string_buffer(program, len(program))

    class Fprog(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    fprog = Fprog(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _checked(
        _libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(fprog), 0, 0), "prctl seccomp"
    )
