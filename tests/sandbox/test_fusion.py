"""SandboxFusion's form of requests and answers, and the languages that it speaks of."""

import base64
import signal

import pytest


def test_sandbox_fusions_form(server):
    def run_code(**request):
        return server.http.post("/run_code", json=request).json()

    good = run_code(code="print(input())", language="python", stdin="é", run_timeout=30, memory_limit_MB=4096)
    assert (good["status"], good["run_result"]["status"], good["run_result"]["return_code"]) == (
        "Success",
        "Finished",
        0,
    )
    assert good["run_result"]["stdout"] == "é\n"
    bad = run_code(code="print(1", language="python")
    assert (bad["status"], bad["run_result"]["return_code"]) == ("Failed", 1) and "SyntaxError" in bad["run_result"][
        "stderr"
    ]
    late = run_code(code="while True: pass", language="python", run_timeout=0.3)
    assert (late["status"], late["run_result"]["status"]) == ("Failed", "TimeLimitExceeded")
    data = base64.b64encode(b"\xff").decode()
    files = run_code(
        code="open('o', 'wb').write(open('i', 'rb').read())", language="python", files={"i": data}, fetch_files=["o"]
    )
    assert files["files"] == {"o": data}


def test_sandbox_fusions_answers_are_always_texts(server):
    def run_code(**request):
        return server.http.post("/run_code", json={"language": "python", **request}).json()

    late = run_code(code="print('x', flush=True)\nwhile True: pass", run_timeout=0.3)
    assert late["run_result"] | {"execution_time": 0} == {
        "status": "TimeLimitExceeded",
        "execution_time": 0,
        "return_code": None,
        "stdout": "x\n",
        "stderr": "",
    }
    assert (
        run_code(code="(")["run_result"]["stdout"],
        run_code(code="import os; os.abort()")["run_result"]["return_code"],
    ) == (
        "",
        -signal.SIGABRT,
    )
    cut = run_code(code="pass", run_timeout=99, memory_limit_MB=10_000)
    assert cut["status"] == "Success"
    assert cut["message"] == (
        "run_timeout 99 was cut to 5, memory_limit_MB 10000 was cut to 256: the most that this sandbox gives"
    )
    assert run_code(code="pass")["message"] == ""


def test_sandbox_fusions_compile_results(server):
    if not server.health()["languages"]["cpp"]:
        pytest.skip("g++ is not installed")

    def run_code(code, **request):
        return server.http.post("/run_code", json={"language": "cpp", "code": code, **request}).json()

    good = run_code('#include <cstdio>\nint main() { std::puts("hi"); return 3; }')
    assert (good["status"], good["compile_result"]["status"], good["compile_result"]["return_code"]) == (
        "Failed",
        "Finished",
        0,
    )
    assert (good["run_result"]["stdout"], good["run_result"]["return_code"]) == ("hi\n", 3)
    bad = run_code("int main() { return x; }")
    assert (bad["status"], bad["run_result"], bad["compile_result"]["return_code"]) == ("Failed", None, 1)
    assert "was not declared" in bad["compile_result"]["stderr"] and bad["compile_result"]["stdout"] == ""
    slow = run_code("#include <bits/stdc++.h>\nint main() {}", compile_timeout=0.01)
    assert (slow["status"], slow["compile_result"]["status"]) == ("Failed", "TimeLimitExceeded")


@pytest.mark.parametrize(
    ("language", "code", "stdout"),
    [
        ("bash", 'read x; echo "<$x>"', "<a b>\n"),
        ("perl", "my $x = <STDIN>; print uc $x;", "A B\n"),
        ("c", '#include <stdio.h>\nint main() { int c = getchar(); printf("%c%c", c, c); }', "aa"),
        ("pytest", "def test_a():\n    assert 1 == 1\n", "1 passed"),
        ("pytest", "def test_a():\n    assert 1 == 2\n", "1 failed"),
    ],
)
def test_other_languages(server, language, code, stdout):
    if not server.health()["languages"][language]:
        pytest.skip(f"{language} is not installed")
    told = server.http.post("/run_code", json={"language": language, "code": code, "stdin": "a b\n"}).json()
    assert stdout in told["run_result"]["stdout"], told
    assert told["status"] == ("Failed" if "failed" in stdout else "Success")
