"""Each form of test, and each outcome, through real jails."""

import pytest

from ponder.sandbox import CallTest, Execution, Job, Limits, Sandbox, StdioTest

ECHO = [StdioTest(stdin="abc", stdout="abc")]
DOUBLE = [CallTest(function="f", args=[3], expected=6)]


def outcome(sandbox: Sandbox, source: str, tests: list, **options) -> str:
    return sandbox.run(Job(source=source, tests=tests, **options)).outcome


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("print(input())", "passed"),
        ("import sys; sys.stdout.write(sys.stdin.buffer.read().decode())", "passed"),
        ("print(open(0).read())", "passed"),
        ("print(open('/dev/stdin').read())", "passed"),
        ("import atexit; atexit.register(lambda: print(input()))", "passed"),
        ("import threading; threading.Thread(target=lambda: print(input())).start()", "passed"),
        ("if __name__ == '__main__':\n    print(input())\n    exit()", "passed"),
        ("from __future__ import annotations\nglobal x\nx = input()\nprint(x)", "passed"),
        ("import os; os.write(1, input().encode())", "passed"),
        ("print('abc '); print()", "passed"),
        ("print('abd')", "wrong_answer"),
        ("print('abc'); print('abc')", "wrong_answer"),
        ("import os; os._exit(0)", "wrong_answer"),
        ("print('abc'); raise SystemExit(3)", "runtime_error"),
        ("print('abc'); 1 / 0", "runtime_error"),
        ("import ctypes; ctypes.string_at(0)", "runtime_error"),
        ("import os; os.abort()", "runtime_error"),
        ("def f(:", "compile_error"),
        ("x = '\0'", "compile_error"),
        ("(" * 10_000, "compile_error"),
        ("#" * 5_000_000, "compile_error"),
        ("x = '\ud800'", "compile_error"),
        ("print('a' * (20 << 20))", "output_limit"),
        ("import sys; sys.stderr.write('a' * (20 << 20)); print('abc')", "output_limit"),
        ("raise MemoryError", "memory"),
        ("x = bytearray(1 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1", "memory"),
    ],
)
def test_main_programs(sandbox, source, expected):
    assert outcome(sandbox, source, ECHO) == expected


@pytest.mark.parametrize("source", ["while True: pass", "import time; time.sleep(100)"])
def test_time_is_kept_by_the_clock(sandbox, source):
    report = sandbox.run(Job(source=source, tests=ECHO, limits=Limits(timeout_s=0.3)))
    assert report.outcome == "timeout"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(x): return 2 * x", "passed"),
        ("f = lambda x: 6.0", "passed"),
        ("class Solution:\n    def f(self, x): return 2 * x", "passed"),
        ("import numpy\ndef f(x): return numpy.int64(2) * x", "passed"),
        ("def f(x):\n    print('noise', flush=True)\n    return 2 * x", "passed"),
        ("import os\nos.fork()\ndef f(x): return 2 * x", "passed"),
        ("def f(x): return 3 * x", "wrong_answer"),
        ("def f(x): return str(2 * x)", "wrong_answer"),
        ("def f(x): return {2 * x}", "wrong_answer"),
        ("def f(x): return f", "wrong_answer"),
        ("def f(x): return float('nan')", "wrong_answer"),
        ("def g(x): return 2 * x", "runtime_error"),
        ("def f(x): return x / 0", "runtime_error"),
        ("def f(x): exit()", "runtime_error"),
        ("import os\ndef f(x): os._exit(0)", "runtime_error"),
        ("import os\nos.close(3)\ndef f(x): return 6", "runtime_error"),
        ("raise SystemExit", "runtime_error"),
        ("def f(x): return [0] * 10**9", "memory"),
        ("def f(x):\n    while True: pass", "timeout"),
        ("def f(x) return", "compile_error"),
    ],
)
def test_functions(sandbox, source, expected):
    assert outcome(sandbox, source, DOUBLE, limits=Limits(timeout_s=0.5 if expected == "timeout" else 5.0)) == expected


def test_a_call_that_ends_the_process_does_not_end_the_job(sandbox):
    source = "import os\ndef f(x):\n    if x == 1: 1 / 0\n    if x == 2: os._exit(0)\n    return x"
    tests = [CallTest(function="f", args=[x], expected=x) for x in range(4)]
    report = sandbox.run(Job(source=source, tests=tests, stop_at_failure=False))
    assert [result.outcome for result in report.results] == ["passed", "runtime_error", "runtime_error", "passed"]
    assert (report.outcome, report.passed, report.total) == ("runtime_error", 2, 4)
    assert report.reason.startswith("test 2 of 4: ZeroDivisionError")
    stopped = sandbox.run(Job(source=source, tests=tests))
    assert [result.outcome for result in stopped.results] == ["passed", "runtime_error"]


def test_many_calls_and_large_arguments(sandbox):
    sizes = [0, 1, 40_000, 5, 200_000, 200_000, 3] * 5
    tests = [CallTest(function="len", args=["x" * size], expected=size) for size in sizes]
    assert outcome(sandbox, "len = len", tests) == "passed"


def test_programs_that_write_to_the_judge(sandbox):
    frame = b'\\0\\0\\0\\x0f{"result": true}'
    tests = [CallTest(function="f", args=[i], expected=True) for i in range(3)]
    forge = "import os\nos.write(3, b'" + frame.decode() + "')\ndef f(x): return True"
    assert outcome(sandbox, forge, tests) in ("wrong_answer", "runtime_error")
    assert (
        outcome(sandbox, "import os\ndef f(x):\n    os.write(3, b'garbage' * 9)\n    return True", tests)
        == "wrong_answer"
    )
    flood = "import os\ndef f(x):\n    while True: os.write(3, b'\\0' * 65536)"
    assert outcome(sandbox, flood, tests) == "wrong_answer"


@pytest.mark.parametrize(
    ("rule", "printed", "expected", "agrees"),
    [
        ("exact", "1  2", "1 2", False),
        ("tokens", "1  2", "1 2", True),
        ("numeric", "0.3000000001", "0.3", True),
        ("numeric", "0.31", "0.3", False),
        ("unordered", "b\na", "a\nb", True),
        ("unordered", "b\nb", "a\nb", False),
    ],
)
def test_rules(sandbox, rule, printed, expected, agrees):
    report = sandbox.run(Job(source=f"print({printed!r})", tests=[StdioTest(stdin="", stdout=expected)], compare=rule))
    assert (report.outcome == "passed") == agrees


def test_unordered_results_may_be_sets(sandbox):
    assert (
        outcome(sandbox, "def f(): return {2, 1}", [CallTest(function="f", expected=[1, 2])], compare="unordered")
        == "passed"
    )


CHECKER = """
def check(input, output, expected):
    a, b = map(int, output.split())
    return a + b == int(input) and a > 0 and b > 0
"""


def test_checkers(sandbox):
    tests = [StdioTest(stdin="10", stdout="5 5")]
    assert outcome(sandbox, "n = int(input()); print(1, n - 1)", tests, checker=CHECKER) == "passed"
    assert outcome(sandbox, "n = int(input()); print(0, n)", tests, checker=CHECKER) == "wrong_answer"
    assert outcome(sandbox, "print('True')", tests, checker=CHECKER) == "wrong_answer"
    assert outcome(sandbox, "print(1, 9)", tests, checker="def check(:") == "infrastructure_error"
    roots = "def check(args, result, expected): return result * result == args[0]"
    calls = [CallTest(function="f", args=[9], expected=3)]
    assert outcome(sandbox, "def f(x): return -3", calls, checker=roots) == "passed"
    assert outcome(sandbox, "def f(x): return 2", calls, checker=roots) == "wrong_answer"


@pytest.mark.parametrize(
    "source",
    [
        "out = open(1, 'w')\nout.write('abc')",
        "import io, sys\nout = io.TextIOWrapper(sys.stdout.buffer)\nout.write('abc')",
        "import io, sys\nprint('abc')\nsys.stdout = io.StringIO()\nprint('x')",
        "class D:\n    def __del__(self): print('abc')\nd = D()",
        "def g():\n    try: yield\n    finally: print('abc')\nit = g()\nnext(it)",
        "import sys\nprint('abc')\nsys.stdout.flush()\nsys.stdout.close()",
        "import sys\nprint('abc')\nsys.stdout.flush()\nsys.stdout = None",
        "import resource\nresource.getrlimit(resource.RLIMIT_CPU)\nprint('abc')",
        "import threading, time\nts = [threading.Thread(target=time.sleep, args=(0.1,)) for _ in range(100)]\n"
        "[t.start() for t in ts]\n[t.join() for t in ts]\nprint('abc')",
        "import os\nos.mkfifo('p')\nprint('abc')",
        "help\ncopyright\nprint('abc')",
        "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'import numpy; print(\"abc\")'], capture_output=True, text=True).stdout)",
    ],
)  # fmt: skip
def test_programs_end_as_python_ends_them(sandbox, source):
    report = sandbox.run(Job(source=source, tests=ECHO))
    assert report.outcome == "passed", report


@pytest.mark.parametrize("name", ["SIGTERM", "SIGALRM", "SIGHUP", "SIGUSR1"])
def test_signals_end_a_program(sandbox, name):
    assert (
        outcome(sandbox, f"import os, signal\nprint('abc', flush=True)\nos.kill(os.getpid(), signal.{name})", ECHO)
        == "runtime_error"
    )


def test_descriptors_in_flight_do_not_hold_a_job(sandbox):
    source = (
        "import socket\na, b = socket.socketpair()\n"
        "socket.send_fds(a, [b'x'], [a.fileno(), b.fileno(), 1, 2])\nsocket.send_fds(b, [b'x'], [a.fileno(), b.fileno(), 1, 2])\n"
        "print('abc')"
    )
    for _ in range(5):
        assert outcome(sandbox, source, ECHO) == "passed"


@pytest.mark.parametrize("rule", ["exact", "unordered", "numeric"])
def test_answers_that_are_hard_to_read(sandbox, rule):
    tests = [CallTest(function="f", expected=[1])]
    for source in (
        "return [10**10000]",
        "return [10**49980] * 20",
        "return [[]] * 100_000",
        "x = []\n    for _ in range(900): x = [x]\n    return x",
    ):
        assert outcome(sandbox, f"def f():\n    {source}", tests, compare=rule) in ("wrong_answer", "output_limit")
    checker = "def check(args, result, expected): return result == expected"
    assert outcome(sandbox, "def f(): return 10**10000", tests, checker=checker) == "wrong_answer"
    long = [CallTest(function="f", expected=10**10_000)]
    assert outcome(sandbox, "def f(): return 10**10_000", long) == "passed"


def test_a_checker_is_there_for_every_output(sandbox):
    checker = "def check(input, output, expected):\n    while output == 'loop\\n': pass\n    return output == input"
    tests = [StdioTest(stdin=text, stdout="") for text in ("loop\n", "a\n", "b\n")]
    limits = Limits(timeout_s=0.5)
    report = sandbox.run(
        Job(source="print(input())", tests=tests, checker=checker, stop_at_failure=False, limits=limits)
    )
    assert [result.outcome for result in report.results] == ["wrong_answer", "passed", "passed"]


def test_other_languages(sandbox):
    installed = sandbox.describe()["languages"]
    tests = [StdioTest(stdin="21", stdout="42"), StdioTest(stdin="-1", stdout="-2")]
    if installed["javascript"]:
        source = "console.log(2 * Number(require('fs').readFileSync(0)))"
        assert outcome(sandbox, source, tests, language="javascript") == "passed"
        assert outcome(sandbox, "process.exit(3)", tests, language="javascript") == "runtime_error"
    if installed["cpp"]:
        source = "#include <iostream>\nint main() { int a; std::cin >> a; std::cout << 2 * a; }"
        assert outcome(sandbox, source, tests, language="cpp") == "passed"
        fatal = "#include <csignal>\nint main() { std::raise(SIGKILL); }"
        report = sandbox.run(Job(source=fatal, tests=[StdioTest(stdin="", stdout="")], language="cpp"))
        assert (report.outcome, report.reason) == ("runtime_error", "test 1 of 1: ended by SIGKILL")
        assert outcome(sandbox, "int main() { return x; }", tests, language="c++") == "compile_error"
    with pytest.raises(ValueError, match=r"'cobol' is not known; there are: python"):
        outcome(sandbox, "", tests, language="cobol")


def test_a_job_is_refused_before_it_runs(sandbox):
    with pytest.raises(ValueError, match="at least 1 item"):
        Job(source="", tests=[])
    with pytest.raises(ValueError, match="one form"):
        Job(source="", tests=[*ECHO, *DOUBLE])
    with pytest.raises(ValueError, match=r"limits.timeout_s is 60, more than this sandbox gives \(5\)"):
        outcome(sandbox, "", ECHO, limits=Limits(timeout_s=60))


def test_run_time_is_told(sandbox):
    report = sandbox.run(Job(source="import time\ntime.sleep(0.2)\nprint('abc')", tests=ECHO))
    assert 0.2 <= report.results[0].seconds <= report.seconds < 5.0


def test_executions_bring_output_and_files(sandbox):
    plain = sandbox.execute(Execution(source="import sys; print(input()); sys.exit(4)", stdin="x"))
    assert (plain.stdout, plain.exit_code, plain.outcome) == (b"x\n", 4, "runtime_error")
    source = (
        "open('out/b.bin', 'wb').write(open('a.txt', 'rb').read() * 2); import os; os.symlink('/etc/passwd', 'link')"
    )
    wanted = ["out/b.bin", "link", "missing"]
    files = {"a.txt": b"\xff1", "out/keep": b""}
    made = sandbox.execute(Execution(source=source, files=files, fetch_files=wanted))
    assert made.outcome == "passed", made
    assert made.files["out/b.bin"] == b"\xff1\xff1"
    assert "link" not in made.files
    with pytest.raises(ValueError, match=r"relative to the working directory"):
        Execution(source="", fetch_files=["/etc/passwd"])
    late = sandbox.execute(Execution(source="while True: pass", limits=Limits(timeout_s=0.3), fetch_files=["x"]))
    assert (late.outcome, late.exit_code) == ("timeout", None)
