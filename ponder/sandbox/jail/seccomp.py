"""The seccomp filter of a worker, assembled here: what no solution needs and what a kernel's history warns of is refused.

A classic BPF program over struct seccomp_data (https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html):
foreign architectures are killed, listed calls fail with EPERM or ENOSYS, some are refused by an argument.
"""

import errno
import os
import struct

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# Call: (x86_64, aarch64); None where the architecture has no such call.
# Refused with "not permitted": other processes, kernel features with a record, mounts, modules, clocks, identity.
FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "open_tree_attr": (467, 467),
    "vmsplice": (278, 75),
    "tee": (276, 77),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    "uselib": (134, None),
    "sysfs": (139, None),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setreuid": (113, 145),
    "setregid": (114, 143),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setgroups": (116, 159),
}
# Refused with "no such call", so that callers fall back: memory that no size limit of a mount counts, and clone3, whose
# flags a filter cannot read.
ABSENT: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "io_setup": (206, 0),
}
CLONE, SOCKETPAIR, PRCTL, IOCTL = (56, 220), (53, 199), (157, 167), (16, 29)
SETRLIMIT, PRLIMIT = (160, 164), (302, 261)
MKNOD, MKNODAT, SETSOCKOPT = (133, None), (259, 33), (54, 208)
NEW_NAMESPACES = 0x7E020000  # all CLONE_NEW* flags that clone(2) takes
AF_UNIX, PR_SET_PDEATHSIG = 1, 1
RLIMIT_CPU = 0  # whoever lowers it is killed by the kernel, which would look like a kill from outside
FILE_TYPE, FIFO = 0xF000, 0x1000
BUFFER_SIZES = (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF and their FORCE forms: memory that no limit of a process counts
TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX

_LOAD, _RETURN, _JUMP_ALWAYS, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT = 0x20, 0x06, 0x05, 0x15, 0x35, 0x45
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_AND = 0x54
_NUMBER, _ARCHITECTURE = 0, 4
_FIRST_ARGUMENT, _SECOND_ARGUMENT, _THIRD_ARGUMENT = 16, 24, 32  # low halves: both machines are little-endian


def build(machine: str = os.uname().machine) -> bytes:
    """The filter for one machine as an array of struct sock_filter."""
    column = list(ARCHITECTURES).index(machine)
    refuse, absent = _statement(_RETURN, _ERRNO | errno.EPERM), _statement(_RETURN, _ERRNO | errno.ENOSYS)
    allow = _statement(_RETURN, _ALLOW)
    only_fifo = [_statement(_AND, FILE_TYPE), _jump(_JUMP_EQUAL, FIFO, 1, 0), refuse, allow]
    buffers = [check for option in BUFFER_SIZES for check in (_jump(_JUMP_EQUAL, option, 0, 1), refuse)]
    # prlimit with a null pointer for the new limit only asks.
    change = [_load(_THIRD_ARGUMENT), _jump(_JUMP_EQUAL, 0, 0, 3)]
    change += [_load(_THIRD_ARGUMENT + 4), _jump(_JUMP_EQUAL, 0, 0, 1), allow, refuse]
    inject = [check for request in TERMINAL_INJECTION for check in (_jump(_JUMP_EQUAL, request, 0, 1), refuse)]
    # What to do with each call that is not simply allowed.
    answers: dict[int, list[bytes]] = {numbers[column]: [refuse] for numbers in FORBIDDEN.values()}
    answers |= {numbers[column]: [absent] for numbers in ABSENT.values()}
    answers |= {
        CLONE[column]: [_load(_FIRST_ARGUMENT), _jump(_JUMP_ANY_BIT, NEW_NAMESPACES, 0, 1), refuse, allow],
        SOCKETPAIR[column]: [_load(_FIRST_ARGUMENT), _jump(_JUMP_EQUAL, AF_UNIX, 1, 0), refuse, allow],
        PRCTL[column]: [_load(_FIRST_ARGUMENT), _jump(_JUMP_EQUAL, PR_SET_PDEATHSIG, 0, 1), refuse, allow],
        IOCTL[column]: [_load(_SECOND_ARGUMENT), *inject, allow],
        SETRLIMIT[column]: [_load(_FIRST_ARGUMENT), _jump(_JUMP_EQUAL, RLIMIT_CPU, 0, 1), refuse, allow],
        PRLIMIT[column]: [_load(_SECOND_ARGUMENT), _jump(_JUMP_EQUAL, RLIMIT_CPU, 1, 0), allow, *change],
        MKNOD[column]: [_load(_SECOND_ARGUMENT), *only_fifo],
        MKNODAT[column]: [_load(_THIRD_ARGUMENT), *only_fifo],
        SETSOCKOPT[column]: [_load(_THIRD_ARGUMENT), *buffers, allow],
    }
    answers.pop(None, None)
    program = [
        _load(_ARCHITECTURE),
        _jump(_JUMP_EQUAL, ARCHITECTURES[machine], 1, 0),
        _statement(_RETURN, _KILL),
        _load(_NUMBER),
    ]
    if machine == "x86_64":  # the x32 calls have numbers of their own, with this bit set
        program += [_jump(_JUMP_AT_LEAST, 0x40000000, 0, 1), absent]
    return b"".join([*program, *_search(sorted(answers.items()), allow)])


def _search(answers: list[tuple[int, list[bytes]]], allow: bytes) -> list[bytes]:
    """A binary search for the loaded number. The kernel tries a new filter on every call there is: short ways pay."""
    if len(answers) <= 2:
        program = []
        for number, body in answers:
            program += [_jump(_JUMP_EQUAL, number, 0, len(body)), *body]
        return [*program, allow]
    middle = len(answers) // 2
    lower, upper = _search(answers[:middle], allow), _search(answers[middle:], allow)
    # A conditional jump reaches 255 instructions; an unconditional one any.
    return [
        _jump(_JUMP_AT_LEAST, answers[middle][0], 0, 1),
        _statement(_JUMP_ALWAYS, len(lower)),
        *lower,
        *upper,
    ]


def _load(offset: int) -> bytes:
    return _statement(_LOAD, offset)


def _statement(code: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, 0, 0, value)


def _jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
