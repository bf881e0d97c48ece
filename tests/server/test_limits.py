"""API keys, rates and places: with a clock of our own, and over HTTP."""

import asyncio
import json
import threading

import httpx
import openai
import pytest

from ponder.server.front.admission import Admission
from ponder.server.front.api_keys import Caller, Keys, Limits
from ponder.server.requests.errors import ApiError
from tests.sandbox.waiting import wait_until
from tests.server.test_server_bad_input import error_of
from tests.shared.born import ASK, NAME
from tests.shared.one_turn import think_then

CHAT = "/v1/chat/completions"
BODY = {"model": NAME, "messages": ASK}


def refused(admission, caller) -> ApiError:
    with pytest.raises(ApiError) as caught:
        admission.enter(caller)
    return caught.value


def test_requests_per_minute():
    now = [100.0]
    admission, caller = Admission(clock=lambda: now[0]), Caller("a", Limits(per_minute=6))
    left = []
    for _ in range(6):
        left.append(admission.enter(caller)["x-ratelimit-remaining-requests"])
        admission.leave(caller)
    assert left == ["5", "4", "3", "2", "1", "0"]
    error = refused(admission, caller)
    assert error.status == 429 and error.headers["retry-after"] == "10"
    assert admission.in_flight == 0, "who is refused takes no place"
    admission.enter(Caller("b", Limits(per_minute=6)))
    now[0] += 9.9
    refused(admission, caller)
    now[0] += 0.2
    assert admission.enter(caller)["x-ratelimit-limit-requests"] == "6"
    refused(admission, caller)
    now[0] += 3600
    for _ in range(6):
        admission.enter(caller)
    refused(admission, caller)


def test_requests_at_a_time():
    admission, caller = Admission(), Caller("a", Limits(concurrent=2))
    admission.enter(caller)
    admission.enter(caller)
    assert refused(admission, caller).status == 429
    admission.leave(caller)
    admission.enter(caller)


def test_a_server_that_ends_lets_nobody_in():
    admission, caller = Admission(), Caller("a", Limits())

    async def drain():
        admission.enter(caller)
        admission.enter(caller)
        admission.draining = True
        assert refused(admission, caller).status == 503
        waiting = asyncio.ensure_future(admission.idle())
        for _ in range(2):
            await asyncio.sleep(0)
            assert not waiting.done()
            admission.leave(caller)
        await waiting

    asyncio.run(drain())


def test_memory_of_callers_is_bounded(monkeypatch):
    monkeypatch.setattr("ponder.server.front.admission.MAX_CALLERS", 5)
    admission = Admission(clock=lambda: 0.0)
    busy = Caller("busy", Limits(concurrent=1))
    admission.enter(busy)
    for number in range(50):
        caller = Caller(f"c{number}", Limits(per_minute=5))
        admission.enter(caller)
        admission.leave(caller)
    assert len(admission._past) <= 5 and refused(admission, busy).status == 429


def test_a_key_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# who may ask\n\nsk-one name=alice concurrent=3\nsk-two per_minute=9\n")
    keys = Keys.load(path, Limits(concurrent=1, per_minute=2))
    assert len(keys) == 2
    assert keys.caller(b"Bearer sk-one") == Caller("alice", Limits(3, 2))
    assert keys.caller(b"bearer sk-two").limits == Limits(1, 9)
    for header in (b"", b"Bearer", b"Bearer sk-three", b"sk-one", b"Basic sk-one", b"Bearer \xff"):
        assert keys.caller(header) is None
    assert "sk-one" not in repr(vars(keys)), "keys themselves are not kept"
    for text in ("", "# none\n", "sk-x speed=9\n", "sk-x concurrent=0\n", "sk-x name=a\nsk-y name=a\n"):
        path.write_text(text)
        with pytest.raises(ValueError, match="keys"):
            Keys.load(path, Limits())


def test_a_key_file_of_another_editor(tmp_path):
    path = tmp_path / "keys"
    path.write_text("\ufeffsk-one\nsk-two name=bob\n", encoding="utf-8")
    keys = Keys.load(path, Limits())
    assert keys.caller(b"Bearer sk-one").name == "key of line 1", "no path in the log"
    path.write_text("sk-one name=alice\n\nsk-one name=bob concurrent=1\n")
    with pytest.raises(ValueError, match="line 3: the key of line 1 again"):
        Keys.load(path, Limits())


@pytest.fixture
def guarded(says, tmp_path):
    path = tmp_path / "keys"
    path.write_text("sk-one name=alice per_minute=3\nsk-two name=bob\n")
    return says(think_then("It is 3."), keys=Keys.load(path, Limits()))


def test_keys_over_http(guarded):
    http = guarded.http
    error = error_of(http.post(CHAT, json=BODY), 401)
    assert error["code"] == "invalid_api_key"
    for path in ("/v1/models", "/metrics"):
        error_of(http.get(path), 401)
    error_of(http.post(CHAT, content=b"{"), 401)
    assert http.get("/health").status_code == http.get("/ready").status_code == 200
    alice = openai.OpenAI(base_url=f"{guarded.url}/v1", api_key="sk-one", max_retries=0)
    left = []
    for _ in range(3):
        raw = alice.chat.completions.with_raw_response.create(**BODY)
        left.append(raw.headers["x-ratelimit-remaining-requests"])
    assert left == ["2", "1", "0"]
    with pytest.raises(openai.RateLimitError) as limited:
        alice.chat.completions.create(**BODY)
    assert int(limited.value.response.headers["retry-after"]) > 0 and limited.value.code == "rate_limit_exceeded"
    assert openai.OpenAI(base_url=f"{guarded.url}/v1", api_key="sk-two").chat.completions.create(**BODY).choices
    told = http.get("/metrics", headers={"authorization": "Bearer sk-two"}).text
    assert 'ponder:admission_rejections_total{model_name="tiny",reason="rate_limit_exceeded"} 1.0' in told


def test_places_are_given_back(says):
    """Whatever becomes of a request, its place is free for the next one; meanwhile there is none."""
    server = says(think_then("It is 3."), limits=Limits(concurrent=1))
    for body in (BODY, BODY | {"model": "other"}, BODY | {"n": -1}, BODY | {"stream": True}, BODY):
        assert server.http.post(CHAT, json=body).status_code != 429
    gate = threading.Event()
    server.gateway.engine.pause = lambda: asyncio.to_thread(gate.wait)
    try:
        with server.http.stream("POST", CHAT, json=BODY | {"stream": True}) as response:
            lines = response.iter_lines()  # kept: the stream ends with it
            next(lines)
            assert "at a time" in error_of(httpx.post(server.url + CHAT, json=BODY), 429)["message"]
            error_of(httpx.post(server.url + "/tokenize", json={"prompt": "x"}), 429)
            error_of(httpx.post(server.url + "/detokenize", json={"tokens": [1]}), 429)
            ended = httpx.post(f"{server.url}{CHAT}/control", json={"id": "x", "action": "reasoning_end"})
            assert ended.status_code == 404, "ending a thought takes no place"
    finally:
        gate.set()
    wait_until(lambda: httpx.post(server.url + CHAT, json=BODY).status_code == 200)


def test_pages_of_other_origins(says):
    origin = {"origin": "https://app.example", "access-control-request-method": "POST"}
    closed = says(think_then("x")).http.options(CHAT, headers=origin)
    assert "access-control-allow-origin" not in closed.headers
    http = says(think_then("x"), cors_origins=("https://app.example",)).http
    before = http.options(CHAT, headers=origin)
    assert before.headers["access-control-allow-origin"] == "https://app.example" and before.headers["x-request-id"]
    answer = http.post(CHAT, json=BODY, headers={"origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in http.get("/v1/models", headers={"origin": "https://evil"}).headers


def test_nobody_ends_anothers_thinking(guarded):
    """Who knows the id of an answer still needs the key that asked for it."""
    gate = threading.Event()
    guarded.gateway.engine.pause = lambda: asyncio.to_thread(gate.wait)
    try:
        with guarded.http.stream(
            "POST", CHAT, json=BODY | {"stream": True}, headers={"authorization": "Bearer sk-one"}
        ) as response:
            lines = response.iter_lines()
            name = json.loads(next(lines).removeprefix("data: "))["id"]
            for key, status in (("sk-two", 404), ("sk-one", 200)):
                told = httpx.post(
                    f"{guarded.url}{CHAT}/control",
                    json={"id": name, "action": "reasoning_end"},
                    headers={"authorization": f"Bearer {key}"},
                )
                assert told.status_code == status
            gate.set()
            assert any('"reasoning_stop_reason": "user"' in line for line in lines)
    finally:
        gate.set()
