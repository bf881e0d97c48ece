"""Bodies on their way, and places: who sends slowly keeps nobody from theirs."""

import asyncio
import json
import socket
import threading
from contextlib import ExitStack, closing

import httpx
import pytest

from ponder.server.front.api_keys import Caller, Limits
from ponder.server.front.bodies import Body, Uploads
from ponder.server.requests.errors import ApiError
from tests.sandbox.waiting import wait_until
from tests.server.test_server_bad_input import error_of
from tests.shared.born import ASK, NAME
from tests.shared.one_turn import think_then

CHAT = "/v1/chat/completions"
BODY = {"model": NAME, "messages": ASK}


def begin(server, sent: bytes, length: int = 1000, path: str = CHAT) -> socket.socket:
    """A request of which so much of its body is sent."""
    raw = socket.socket()
    raw.settimeout(60)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # so that who reads nothing is noticed
    raw.connect(server.listener.getsockname())
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    raw.sendall(head.encode() + sent)
    return raw


def answer_of(raw: socket.socket) -> str:
    told = b""
    while part := raw.recv(1 << 16):
        told += part
    return told.decode()


@pytest.fixture
def reading(monkeypatch):
    """How many bodies are being read."""
    real, count = Body.read, [0]

    async def counted(self, *arguments):
        count[0] += 1
        try:
            return await real(self, *arguments)
        finally:
            count[0] -= 1

    monkeypatch.setattr(Body, "read", counted)
    return lambda: count[0]


def test_a_body_that_does_not_come(says, monkeypatch):
    monkeypatch.setattr("ponder.server.front.bodies.BODY_S", 0.2)
    monkeypatch.setattr("ponder.server.front.bodies.DISCARD_S", 0.1)
    server = says(think_then("It is 3."))
    with begin(server, b"{") as raw:
        told = answer_of(raw)
    assert told.startswith("HTTP/1.1 408 ") and '"request_timeout"' in told and "within 0.2 s" in told
    assert "connection: close" in told
    assert server.http.post(CHAT, json=BODY).status_code == 200


def test_a_body_that_has_begun_takes_no_place(says, monkeypatch, reading):
    """A thousand sockets with a byte each kept everybody out for a minute."""
    monkeypatch.setattr("ponder.server.front.admission.MAX_IN_FLIGHT", 2)
    server = says(think_then("It is 3."), limits=Limits(concurrent=2))
    with ExitStack() as sockets:
        for _ in range(5):
            sockets.enter_context(closing(begin(server, b"{")))
        wait_until(lambda: reading() == 5)
        assert server.http.post(CHAT, json=BODY).status_code == 200
    wait_until(lambda: reading() == 0)  # they have hung up
    assert server.http.post(CHAT, json=BODY).status_code == 200


def test_large_bodies_of_one_caller(says, monkeypatch, reading):
    monkeypatch.setattr("ponder.server.front.bodies.MAX_UPLOADS", 300_000)
    monkeypatch.setattr("ponder.server.front.bodies.DISCARD_S", 0.1)
    server = says(think_then("It is 3."))
    large = b" " * 250_000
    with closing(begin(server, large, 2**20)) as first:
        wait_until(lambda: reading() == 1)
        with closing(begin(server, large, 2**20)) as second:
            told = answer_of(second)  # or the first one's, had it been slower
        assert "429 Too Many Requests" in told and "on their way" in told
        assert server.http.post(CHAT, json=BODY).status_code == 200, "small ones come through"
        first.close()
    wait_until(lambda: reading() == 0)
    with closing(begin(server, large + b"{}", 250_002)) as third:
        third.shutdown(socket.SHUT_WR)
        assert "400 Bad Request" in third.recv(1 << 16).decode()


def test_uploads_are_counted_by_caller(monkeypatch):
    monkeypatch.setattr("ponder.server.front.bodies.MAX_UPLOADS", 100)
    monkeypatch.setattr("ponder.server.front.bodies.SMALL_UPLOAD", 10)
    uploads, alice, bob = Uploads(), Caller("alice", Limits()), Caller("bob", Limits())
    with uploads.of(alice) as one, uploads.of(alice) as two, uploads.of(bob) as other:
        for size in (5, 10, 50, 70):
            one.holds(size)
        two.holds(50)
        with pytest.raises(ApiError, match="on their way"):
            two.holds(51)
        two.holds(50)
        other.holds(110)
    assert uploads._held == {}


def test_all_places_taken(says, monkeypatch):
    monkeypatch.setattr("ponder.server.front.admission.MAX_IN_FLIGHT", 1)
    server, gate = says(think_then("It is 3.")), threading.Event()
    server.gateway.engine.pause = lambda: asyncio.to_thread(gate.wait)
    try:
        with server.http.stream("POST", CHAT, json=BODY | {"stream": True}) as response:
            lines = response.iter_lines()
            next(lines)
            refused = httpx.post(server.url + CHAT, json=BODY)
            assert error_of(refused, 503)["code"] == "overloaded" and refused.headers["retry-after"] == "1"
            gate.set()
            assert list(lines)[-2] == "data: [DONE]"
    finally:
        gate.set()
    wait_until(lambda: httpx.post(server.url + CHAT, json=BODY).status_code == 200)


def test_who_reads_nothing_is_given_up(says, monkeypatch):
    """The row is free, though the client has not hung up, and its place is, too."""
    monkeypatch.setattr("ponder.server.front.event_stream.STALLED_S", 0.2)
    numbers = " ".join(map(str, range(5_000)))  # nothing that repeats itself
    server = says(think_then(numbers), piece=100, context=10**6, limits=Limits(concurrent=1))
    server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # of its connections, too
    engine, text = server.gateway.engine, json.dumps(BODY | {"stream": True, "logprobs": True}).encode()
    with begin(server, text, len(text)) as raw:
        assert raw.recv(1)
        wait_until(lambda: engine.running == 0)
        body = BODY | {"max_tokens": 1}
        wait_until(lambda: httpx.post(server.url + CHAT, json=body, timeout=60).status_code == 200)
        told = answer_of(raw)
    assert "data: " in told and "[DONE]" not in told


def test_work_for_who_has_gone_leaves_the_queue(says, monkeypatch):
    """One long text is encoded at a time; what waits behind it for a client that has hung up is never begun."""
    logged: list[str] = []
    monkeypatch.setattr("ponder.server.front.middleware.access_log.info", logged.append)
    server, busy, go_on, begun = says(think_then("It is 3.")), threading.Event(), threading.Event(), []
    renderer = server.gateway.renderer
    first, gone, last = ({"prompt": f"{name} " * 30_000} for name in ("first", "gone", "last"))
    real = renderer.encode

    def encode(text: str, *arguments) -> list[int]:
        begun.append(text.partition(" ")[0])
        busy.set()
        go_on.wait(60)
        return real(text, *arguments)

    monkeypatch.setattr(renderer, "encode", encode)
    reader = threading.Thread(target=server.http.post, args=("/tokenize",), kwargs={"json": first})
    reader.start()
    try:
        assert busy.wait(60)
        text = json.dumps(gone).encode()
        with begin(server, text, len(text), "/tokenize"):
            wait_until(lambda: server.gateway._long._work_queue.qsize() == 1)
        wait_until(lambda: any(json.loads(line)["status"] == 499 for line in logged))
    finally:
        go_on.set()
        reader.join()
    assert server.http.post("/tokenize", json=last).status_code == 200
    assert begun == ["first", "last"]
