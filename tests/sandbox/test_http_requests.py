"""Bad and hostile requests over HTTP: each is told what is wrong, and none makes the server fail."""

import json
import math
import os
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.http_server import ADD, ECHO, packed


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


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


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
