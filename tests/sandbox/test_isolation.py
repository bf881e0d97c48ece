"""What holds programs: the filter, call by call; levels and their refusals; a sandbox without root."""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.sandbox import CallTest, IsolationError, Job, Sandbox, StdioTest
from ponder.sandbox.jail import seccomp
from ponder.sandbox.levels import LAYERS, check

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026


def decide(
    program: bytes, number: int, arguments: tuple[int, ...] = (), architecture: int | None = None, machine="x86_64"
):
    """What the kernel would say: a classic BPF machine for the few instructions that the filter uses."""
    architecture = seccomp.ARCHITECTURES[machine] if architecture is None else architecture
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", number, architecture, 0, *padded)
    instructions = [struct.unpack_from("=HBBI", program, 8 * i) for i in range(len(program) // 8)]
    at, accumulator = 0, 0
    while True:
        code, if_true, if_false, value = instructions[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == 0x06:
            return value
        elif code == 0x05:
            at += value
        elif code == 0x54:
            accumulator &= value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_the_filter_refuses_what_it_lists_and_nothing_else(machine):
    program, column = seccomp.build(machine), list(seccomp.ARCHITECTURES).index(machine)
    special = {t[column] for t in (seccomp.CLONE, seccomp.SOCKETPAIR, seccomp.PRCTL, seccomp.IOCTL)}
    special |= {seccomp.SETRLIMIT[column], seccomp.PRLIMIT[column], seccomp.SETSOCKOPT[column]}
    special |= {seccomp.MKNOD[column], seccomp.MKNODAT[column]}
    wanted = {numbers[column]: EPERM for numbers in seccomp.FORBIDDEN.values()}
    wanted |= {numbers[column]: ENOSYS for numbers in seccomp.ABSENT.values()}
    for number in range(600):
        if number not in special:
            assert decide(program, number, machine=machine) == wanted.get(number, ALLOW), number


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**63))
def test_clone_takes_no_new_namespace(flags, upper):
    program = seccomp.build("x86_64")
    new = flags & 0x7E020000
    assert decide(program, 56, (flags | upper << 32 & 0xFFFFFFFF00000000,)) == (EPERM if new else ALLOW)


def test_calls_refused_by_their_arguments():
    program = seccomp.build("x86_64")
    assert decide(program, 53, (1,)) == ALLOW and decide(program, 53, (2,)) == EPERM  # socketpair: AF_UNIX only
    assert decide(program, 157, (1, 9)) == EPERM and decide(program, 157, (15,)) == ALLOW  # PR_SET_PDEATHSIG
    assert decide(program, 16, (0, 0x5412)) == EPERM and decide(program, 16, (0, 0x5401)) == ALLOW  # TIOCSTI
    assert decide(program, 302, (0, 0, 1)) == EPERM and decide(program, 302, (0, 0, 1 << 40)) == EPERM  # RLIMIT_CPU
    assert decide(program, 302, (0, 0, 0, 9)) == ALLOW and decide(program, 302, (0, 7, 1)) == ALLOW
    assert decide(program, 259, (0, 0, 0o010644)) == ALLOW and decide(program, 259, (0, 0, 0o020644)) == EPERM  # mkfifo
    assert decide(program, 54, (3, 1, 7)) == EPERM and decide(program, 54, (3, 1, 2)) == ALLOW  # SO_SNDBUF
    assert decide(program, 39, architecture=0x40000003) == KILL  # the calls of 32-bit x86
    assert decide(program, 0x40000000 + 39) == ENOSYS  # x32


def test_a_missing_layer_is_named_with_what_to_do():
    layers = dict.fromkeys(LAYERS, True)
    check("strict", layers, "")
    with pytest.raises(IsolationError, match=r"does not give: memory control group\. Start it as root.*'standard'"):
        check("strict", layers | {"memory control group": False}, "")
    check("standard", layers | {"memory control group": False}, "")
    with pytest.raises(
        IsolationError, match=r"network namespace \(the kernel says: unshare: no\).*'none', under which"
    ):
        check("standard", layers | {"network namespace": False}, "unshare: no")
    check("none", dict.fromkeys(LAYERS, False) | {"resource limits": True}, "unshare: no")


def test_strict_needs_control_groups():
    try:
        with Sandbox(workers=1, isolation="strict") as sandbox:
            layers = sandbox.describe()["layers"]
            assert layers["memory control group"] and layers["process control group"] and not layers["memory watch"]
    except IsolationError as error:
        assert "control group" in str(error) or "namespace" in str(error)


def test_without_isolation_by_name_only(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Sandbox(workers=1, isolation="none", timeout_s=5.0) as sandbox:
        assert not sandbox.describe()["layers"]["system call filter"]
        job = Job(source="print(input())", tests=[StdioTest(stdin="a", stdout="a")])
        assert sandbox.run(job).outcome == "passed"
        job = Job(source="def f(x): return x", tests=[CallTest(function="f", args=[1], expected=2)])
        assert sandbox.run(job).outcome == "wrong_answer"
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir()), "the scratch goes with the sandbox"


ROOTLESS = """
import os, sys
from ponder.sandbox import *
with Sandbox(workers=2, memory_mb=128, timeout_s=5.0) as sandbox:
    layers = sandbox.describe()["layers"]
    assert layers["user namespace"] and layers["system call filter"] and layers["memory watch"], layers
    def outcome(source, tests, **more): return sandbox.run(Job(source=source, tests=tests, **more)).outcome
    empty = [StdioTest(stdin="", stdout="")]
    assert os.geteuid() != 0
    assert outcome("print(input())", [StdioTest(stdin="a", stdout="a")]) == "passed"
    assert outcome("import numpy\\nprint(numpy.ones(3).sum())", [StdioTest(stdin="", stdout="3.0")]) == "passed"
    assert outcome("x = bytearray(10**11)", empty) == "memory"
    shared = "import os, time\\nfor i in range(8):\\n    if not os.fork():\\n        x = b'x' * (40 << 20)\\n        time.sleep(9)\\ntime.sleep(9)"
    assert outcome(shared, empty) == "memory"
    harmless = "import os, time\\nx = b'x' * (70 << 20)\\nfor i in range(4):\\n    if not os.fork():\\n        time.sleep(0.2)\\n        os._exit(0)\\nfor i in range(4): os.wait()"
    assert outcome(harmless, empty) == "passed", "pages that are shared count once"
    assert outcome("import os\\nwhile True: os.fork()", empty) == "runtime_error"
    assert outcome("open('/etc/shadow')", empty) == "runtime_error"
    with sandbox.open_session() as session:
        session.run("x = 2")
        assert session.run("x + 1").result == "3"
print("all held")
"""


def test_without_root(tmp_path):
    """The same code as an ordinary user: in this process's place where that is what it is, else as another uid."""
    if os.geteuid() != 0:
        command = [sys.executable]
    else:
        # An interpreter, the packages and this project must be readable to all, which not every machine gives.
        python = next((p for p in ("/usr/bin/python3", sys.executable) if _usable(p)), None)
        if python is None or shutil.which("setpriv") is None:
            pytest.skip("no Python that an ordinary user may run with this project's packages")
        command = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", python]
    done = subprocess.run(
        [*command, "-c", ROOTLESS], capture_output=True, text=True, env=_environment(), cwd="/", timeout=120
    )
    assert done.stdout == "all held\n", done.stderr


def _environment() -> dict[str, str]:
    paths = [str(Path(__file__).parents[2]), *(p for p in sys.path if p.endswith("site-packages"))]
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}


def _usable(python: str) -> bool:
    probe = [
        "setpriv",
        "--reuid",
        "12345",
        "--regid",
        "12345",
        "--clear-groups",
        python,
        "-c",
        "import ponder.sandbox.pool",
    ]
    try:
        done = subprocess.run(probe, capture_output=True, env=_environment(), cwd="/", timeout=60)
    except OSError:
        return False
    return done.returncode == 0
