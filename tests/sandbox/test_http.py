"""The HTTP server as a process of its own: the wire, bad input, clients that go, an orderly end."""

import base64
import json
import math
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponder.sandbox import CallTest, Execution, Job, Limits, Report, Sandbox, StdioTest
from tests.sandbox.waiting import wait_until

ECHO = {"source": "print(input())", "tests": [{"stdin": "é", "stdout": "é"}]}
SLEEP = {"source": "import time\ntime.sleep(60)", "tests": [{"stdin": "", "stdout": ""}]}


class Server:
    """`ponder sandbox serve` on a free port."""

    def __init__(self, *options: str, **environment: str):
        command = [sys.executable, "-m", "ponder.cli.main", "sandbox", "serve", "--port", "0", *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | environment
        )
        self.greeting = self.process.stdout.readline()
        if "this machine does not give" in self.greeting:
            pytest.skip(self.greeting)
        self.url = self.greeting.split()[3]
        self.http = httpx.Client(base_url=self.url, timeout=60.0)

    def health(self) -> dict:
        return self.http.get("/health").json()

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        output = self.process.communicate(timeout=60)[0]
        self.http.close()
        assert "Traceback" not in output, output
        return self.process.returncode


@pytest.fixture(scope="module")
def server():
    server = Server("--workers", "3", "--memory-mb", "256", "--timeout", "5")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def remote(server):
    with Sandbox([server.url]) as remote:
        yield remote


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x80\x02Nr\x00\x00\x00\x70.",
        b"Np1900000000\n.",
        b"\x80\x05\x96" + (1 << 34).to_bytes(8, "little") + b".",
        b"N0" * 60_000 + b"N.",
    ],
)
def test_a_packed_list_that_asks_for_gigabytes_is_refused_unread(bomb):
    import base64
    import zlib

    from ponder.sandbox import open_instruct
    from ponder.sandbox.job import Refused

    with pytest.raises(Refused, match=r"costs more than tests do|only 1 remain"):
        open_instruct._unpack(base64.b64encode(zlib.compress(bomb)).decode())


def test_a_job(server):
    report = server.http.post("/run", json=ECHO).json()
    assert (report["outcome"], report["passed"], report["results"][0]["got"]) == ("passed", 1, "é\n")
    wrong = server.http.post("/run", json={**ECHO, "source": "print('secret?')"}).json()
    assert wrong["outcome"] == "wrong_answer" and "é" not in wrong["reason"], "what is expected is not told"


def test_a_batch_keeps_its_order(server):
    jobs = [{"source": f"print({i})", "tests": [{"stdin": "", "stdout": str(i % 2)}]} for i in range(6)]
    reports = server.http.post("/runs", json={"jobs": jobs}).json()
    assert [r["outcome"] for r in reports] == ["passed", "passed"] + ["wrong_answer"] * 4


def test_the_remote_client_is_like_the_local_one(remote, sandbox):
    jobs = [
        Job(source="def f(x): return x", tests=[CallTest(function="f", args=[[1, "é"]], expected=[1, "é"])]),
        Job(source="def f(x): return 1 / 0", tests=[CallTest(function="f", args=[1], expected=1)]),
        Job(source="print('\\udc80')", tests=[StdioTest(stdin="", stdout="")]),
        Job(source="(", tests=[StdioTest(stdin="", stdout="")]),
        Job(source="def f(x): return -x", tests=[CallTest(function="f", args=[math.inf], expected=-math.inf)]),
        Job(source="def f(x): return x", tests=[CallTest(function="f", args=[math.nan], expected=math.nan)]),
        Job(source="def f(x): return [x]", tests=[CallTest(function="f", args=["\ud800"], expected=["\ud800"])]),
    ]
    for job in jobs:
        here, there = sandbox.run(job), remote.run(job)
        assert isinstance(there, Report)
        assert (there.outcome, there.reason, there.passed) == (here.outcome, here.reason, here.passed)
        assert [(r.outcome, r.got, r.stderr) for r in there.results] == [
            (r.outcome, r.got, r.stderr) for r in here.results
        ]
    execution = Execution(
        source="open('o', 'wb').write(open('i', 'rb').read())", files={"i": b"\xff\0"}, fetch_files=["o"]
    )
    assert remote.execute(execution).files == {"o": b"\xff\0"}
    with pytest.raises(ValueError, match="more than this sandbox gives"):
        remote.run(jobs[0].model_copy(update={"limits": Limits(timeout_s=99)}))


def test_a_remote_session(remote):
    with remote.open_session() as session:
        session.run("x = 20")
        cell = session.run("print('é'); x + 1")
        assert (cell.stdout, cell.result, cell.alive) == ("é\n", "21", True)
        assert session.run("import time; time.sleep(60)", timeout_s=0.2).outcome == "timeout"
    with pytest.raises(KeyError, match="never opened, or it is over"):
        session.run("x")


def test_servers_that_are_away_are_left_out(server):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Sandbox([dead, server.url]) as two:
            jobs = [two.submit(Job.model_validate(ECHO)) for _ in range(8)]
            assert {job.result().outcome for job in jobs} == {"passed"}


def test_no_server_at_all_is_an_infrastructure_error(monkeypatch):
    from ponder.sandbox import remote as module

    monkeypatch.setattr(module, "TRIES", 2)
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with Sandbox([f"http://127.0.0.1:{unused.getsockname()[1]}"]) as nowhere:
            report = nowhere.run(Job.model_validate(ECHO))
    assert report.outcome == "infrastructure_error" and "cannot be reached" in report.reason
    with pytest.raises(ValueError, match="http://HOST:PORT"), Sandbox(["localhost:1"]) as nowhere:
        nowhere.run(Job.model_validate(ECHO))


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b"{", 422, "not JSON in UTF-8"),
        (b"\xff\xfe", 422, "not JSON in UTF-8"),
        (b"[]", 422, "body"),
        (b"[" * 100_000, 400, "not JSON in UTF-8"),
        (json.dumps({"source": "x", "tests": []}).encode(), 422, "tests: List should have at least 1 item"),
        (json.dumps({"source": 1, "tests": ECHO["tests"]}).encode(), 422, "source: Input should be a valid string"),
        (json.dumps({**ECHO, "test": 1}).encode(), 422, "test: Extra inputs are not permitted"),
        (json.dumps({"source": "", "tests": [{"stdin": "a"}]}).encode(), 422, "tests.0.stdout: Field required"),
        (json.dumps({"source": "", "tests": [{"function": "f"}]}).encode(), 422, "tests.0.expected: Field required"),
        (json.dumps({**ECHO, "language": "cobol"}).encode(), 422, "'cobol' is not known"),
        (json.dumps({**ECHO, "limits": {"timeout_s": -1}}).encode(), 422, "limits.timeout_s"),
        (json.dumps({**ECHO, "limits": {"memory_mb": 9999}}).encode(), 422, "more than this sandbox gives"),
    ],
)
def test_bad_requests_are_told_what_is_wrong(server, body, code, said):
    answer = server.http.post("/run", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == code, answer.text
    assert said in answer.json()["error"] and len(answer.text) < 1000


@pytest.mark.parametrize("source", ["#" * 10_000_000, "x = '\0'", "x = '\ud800'"], ids=["10 MB", "NUL", "surrogate"])
def test_bad_programs_do_not_compile(server, source):
    body = json.dumps({**ECHO, "source": source}).encode()
    report = server.http.post("/run", content=body, headers={"content-type": "application/json"}).json()
    assert report["outcome"] == "compile_error"


def test_a_body_beyond_all_measure_is_refused(server):
    with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as raw:
        raw.sendall(f"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 31}\r\n\r\n".encode())
        assert raw.recv(1000).startswith(b"HTTP/1.1 413")
    assert server.health()["status"] == "ok"


def test_a_client_that_hangs_up_takes_its_job_along(server):
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/run", json=SLEEP, timeout=0.3)
    wait_until(lambda: server.health()["running"] == 0, seconds=3)


def test_health_and_metrics(server):
    health = server.health()
    assert health["isolation"] == "standard" and health["layers"]["network namespace"] and health["languages"]["python"]
    server.http.post("/run", json=ECHO)
    text = server.http.get("/metrics").text
    for name in (
        'jobs_total{outcome="passed"}',
        "queue_seconds_bucket",
        "run_seconds_count",
        "workers_restarted_total",
    ):
        assert f"ponder_sandbox_{name}" in text
    paths = server.http.get("/openapi.json").json()["paths"]
    assert {"/run", "/runs", "/execute", "/run_code", "/sessions", "/health", "/metrics"} <= paths.keys()


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


def packed(tests: object) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(tests))).decode()


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


ADD = "def add(a, b):\n    return a + b\n"


@pytest.mark.parametrize("form", [lambda tests: tests, json.dumps, packed])
def test_open_instructs_assertions(server, form):
    tests = [
        "assert add(1, 2) == 3",
        "assert add(1, 2) == 4",
        "x = add('a', 'b')\nassert x == 'ab'",
        "while add(1, 1): pass",
    ]
    request = {"program": ADD, "tests": form(tests), "max_execution_time": 0.5}
    told = server.http.post("/test_program", json=request).json()
    assert told["results"] == [1, 0, 1, 0]
    assert [seconds > 0 for seconds in told["runtimes"]] == [True, False, True, False]
    assert told["runtimes"][1] == -1.0


def test_open_instructs_programs(server):
    program = "print(isqrt(int(input())))"
    tests = [{"input": "9\n", "output": "3\n"}, {"input": "9\n", "output": "4\n"}, {"input": "x", "output": ""}]
    told = server.http.post("/test_program_stdio", json={"program": program, "tests": tests}).json()
    assert told["results"] == [1, 0, 0] and told["runtimes"][0] > 0
    broken = server.http.post("/test_program_stdio", json={"program": "(", "tests": tests}).json()
    assert broken == {"results": [0, 0, 0], "runtimes": [-1.0, -1.0, -1.0]}
    for path in ("/test_program", "/test_program_stdio"):
        for tests in ([], "", None):
            none = server.http.post(path, json={"program": program, "tests": tests})
            assert none.json() == {"results": [], "runtimes": []}


def test_open_instructs_tool(server):
    def execute(code, **request):
        return server.http.post("/execute", json={"code": code, **request}).json()

    assert execute("x = 20\nprint(x)\nx + 1\n[x]") == {"output": "20\n21\n[20]\n", "error": None, "success": True}
    failed = execute("print('lost')\n1 / 0")
    assert (failed["success"], failed["output"]) == (False, "")
    assert "ZeroDivisionError: division by zero" in failed["error"] and "\n    1 / 0\n" in failed["error"]
    assert "longer than 0.3 s" in execute("while True: pass", timeout=0.3)["error"]
    assert "SyntaxError" in execute("print(")["error"]


def test_open_instructs_preamble_is_livecodebenchs():
    from ponder.sandbox import open_instruct
    from ponder.tasks import livecodebench

    assert open_instruct.PREAMBLE == livecodebench.PREAMBLE


RUN_CODE = {"code": "print(1)", "language": "python"}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/run_code", {**RUN_CODE, "files": {"/a": ""}}, "relative to the working directory"),
        ("/run_code", {**RUN_CODE, "files": {"a/../b": ""}}, "relative to the working directory"),
        ("/run_code", {**RUN_CODE, "fetch_files": ["../a"]}, "relative to the working directory"),
        ("/run_code", {**RUN_CODE, "files": {"a": "", "a/b": ""}}, "name of a folder"),
        ("/run_code", {**RUN_CODE, "files": {"a" * 300: ""}}, "too long"),
        ("/run_code", {**RUN_CODE, "files": {"\ud800": ""}}, "not valid Unicode"),
        ("/run_code", {**RUN_CODE, "files": {"a": "é"}}, "files.a: not base64"),
        ("/run_code", {**RUN_CODE, "files": {str(n): "" for n in range(101)}}, "at most 100"),
        ("/run_code", {**RUN_CODE, "files": {"a": "A" * (48 << 20)}}, "more than 33,554,432"),
        ("/run_code", {**RUN_CODE, "stdin": "x" * (17 << 20)}, "stdin: String should have at most"),
        ("/run_code", {**RUN_CODE, "stdin": "\ud800"}, "stdin"),
        ("/run_code", {**RUN_CODE, "language": "\ud800"}, "is not known"),
        ("/run_code", {**RUN_CODE, "args": ["\0"]}, "no NUL"),
        ("/run_code", {**RUN_CODE, "run_timeout": math.nan}, "run_timeout"),
        ("/run_code", {**RUN_CODE, "code": None}, "code: Input should be a valid string"),
        ("/execute", {"source": "1", "files": {"a": "!"}}, "files.a"),
        ("/execute", {"source": "1", "code": "1"}, "code: Extra inputs"),
        ("/execute", {"code": 1}, "code: Input should be a valid string"),
        ("/execute", {"code": "1", "timeout": 0}, "timeout"),
        ("/test_program", {"program": "1", "tests": 5}, "a list is expected, not int"),
        ("/test_program", {"program": "1", "tests": "!"}, "neither JSON nor a packed list"),
        ("/test_program", {"program": "1", "tests": packed(Evil())}, "it asks for posix.system"),
        ("/test_program", {"program": "1", "tests": packed("x")[:-9]}, "neither JSON nor a packed list"),
        ("/test_program", {"program": "1", "tests": [""]}, "tests.0: Python statements are expected"),
        ("/test_program", {"program": "1", "tests": ["x"] * 1001}, "more than 1,000"),
        ("/test_program", {"program": ADD, "tests": ["assert add("]}, "the tests cannot be judged"),
        ("/test_program_stdio", {"program": "1", "tests": ["x"]}, "{input: TEXT, output: TEXT}"),
        ("/test_program_stdio", {"program": "1", "tests": [{"input": "\ud800", "output": ""}]}, "stdin"),
        ("/sessions/x/cells", {"code": 1}, "code"),
    ],
)
def test_every_bad_request_is_told_so(server, path, body, said):
    answer = server.http.post(path, content=json.dumps(body).encode(), headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["error"] and len(answer.text) < 1000


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = (
    "source",
    "tests",
    "code",
    "language",
    "stdin",
    "files",
    "fetch_files",
    "limits",
    "program",
    "args",
    "compare",
)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(
        ["/run", "/runs", "/execute", "/run_code", "/test_program", "/test_program_stdio", "/sessions"]
    ),
    body=st.dictionaries(st.sampled_from(FIELDS), ANYTHING | st.just("python"), max_size=6),
)
def test_no_request_makes_the_server_fail(server, path, body):
    answer = server.http.post(path, content=json.dumps(body).encode(), headers={"content-type": "application/json"})
    assert answer.status_code in (200, 201, 400, 422, 429), answer.text
    answer.json()


def test_a_full_queue_answers_429_with_advice():
    server = Server("--workers", "1", "--queue", "2")
    try:
        with ThreadPoolExecutor(3) as callers:
            for _ in range(3):
                callers.submit(httpx.post, f"{server.url}/run", json={**SLEEP, "limits": {"timeout_s": 3}}, timeout=60)
            wait_until(lambda: server.health()["queued"] == 2)
            answer = server.http.post("/run", json=ECHO)
            assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
    finally:
        server.stop()


def test_sigterm_finishes_what_was_taken_on():
    server = Server()
    job = {"source": "import time\ntime.sleep(1)\nprint(1)", "tests": [{"stdin": "", "stdout": "1"}]}
    reports = []
    caller = threading.Thread(
        target=lambda: reports.append(httpx.post(f"{server.url}/run", json=job, timeout=60).json())
    )
    caller.start()
    wait_until(lambda: server.health()["running"] == 1)
    assert server.stop() == 0
    caller.join()
    assert reports[0]["outcome"] == "passed"


def test_tokens():
    server = Server("--host", "0.0.0.0", PONDER_SANDBOX_TOKEN="très secret")
    try:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{url}/health").status_code == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "très secret".encode()}):
            answer = httpx.post(f"{url}/run", json=ECHO, headers=headers)
            assert answer.status_code == 401 and "bearer token" in answer.json()["error"]
        assert httpx.get(f"{url}/metrics").status_code == 401
        with Sandbox([url], token="très secret") as remote:
            assert remote.run(Job.model_validate(ECHO)).outcome == "passed"
        with Sandbox([url]) as remote, pytest.raises(ValueError, match="PONDER_SANDBOX_TOKEN"):
            remote.run(Job.model_validate(ECHO))
    finally:
        server.stop()


def test_starts_that_are_refused(server):
    def start(*options: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "ponder.cli.main", "sandbox", "serve", *options]
        environment = {k: v for k, v in os.environ.items() if k != "PONDER_SANDBOX_TOKEN"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)

    port = server.url.rsplit(":", 1)[1]
    taken = start("--port", port)
    assert taken.returncode == 2 and f"port {port} on 127.0.0.1 is taken" in taken.stderr
    open_to_all = start("--host", "0.0.0.0", "--port", "0")
    assert open_to_all.returncode == 2 and "PONDER_SANDBOX_TOKEN" in open_to_all.stderr
    assert start("--isolation", "weak").returncode == 2
