"""Open Instruct's forms of requests and answers: assertions, programs, its tool, packed lists of tests."""

import base64
import json
import zlib

import pytest

from ponder.sandbox import open_instruct
from ponder.sandbox.job import Refused
from ponder.tasks import livecodebench
from tests.sandbox.http_server import ADD, packed


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
    with pytest.raises(Refused, match=r"costs more than tests do|only 1 remain"):
        open_instruct._unpack(base64.b64encode(zlib.compress(bomb)).decode())


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
    assert open_instruct.PREAMBLE == livecodebench.PREAMBLE
