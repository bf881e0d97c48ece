"""The chat page beside the API: what is served, what is not, and a real model behind it."""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import httpx
import pytest
from fastapi import FastAPI

from ponder.chat.renderer import Renderer
from ponder.clients.page import mount
from ponder.clients.page.session import Session
from ponder.clients.talk.acts import Act
from ponder.clients.talk.asking import Settings
from ponder.clients.talk.client import Client
from ponder.server.answer.gateway import Gateway
from ponder.server.front.app import create_app
from tests.clients.page_api import Server
from tests.shared.born import NAME, engine_of

pytest.importorskip("gradio", reason="the chat page needs gradio")


@pytest.fixture(scope="module")
def served(checkpoint):
    """The page over a real gateway with a small random model."""
    gateway = Gateway(engine_of(checkpoint), Renderer.load(checkpoint), NAME)
    server = Server(create_app(gateway), page=NAME)
    yield server
    server.close()
    asyncio.run(gateway.engine.close())


def test_the_page_names_no_other_place(served):
    html = httpx.get(served.url).text
    fetched = re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(https?:)?//', html)
    assert "Ponder" in html and not fetched
    config = httpx.get(f"{served.url}/config").json()
    assert config["analytics_enabled"] is False
    styles = httpx.get(f"{served.url}/theme.css").text + config["css"]
    assert not re.search(r"""(@import\s+|url\()\s*['"]?(https?:)?//""", styles)


def test_the_page_may_load_nothing_from_elsewhere(served):
    policy = httpx.get(served.url).headers["content-security-policy"]
    assert "default-src 'self'" in policy and "connect-src 'self'" in policy and "http" not in policy


@pytest.mark.parametrize("path", ["/v1/models", "/docs", "/openapi.json", "/metrics", "/health"])
def test_the_api_stays_where_it_is(served, path):
    response = httpx.get(served.url + path)
    assert response.status_code == 200 and "gradio" not in response.text


def test_errors_of_the_api_stay_its_own(served):
    assert httpx.get(f"{served.url}/v1/nothing").json()["error"]["type"] == "invalid_request_error"
    assert httpx.get(f"{served.url}/v1/chat/completions").status_code == 405


NOT_THERE = (
    "/gradio_api/upload",
    "/gradio_api/file=/etc/passwd",
    "/gradio_api/proxy=http://a.test/",
    "/gradio_api/vibe-code",
    "/gradio_api/run/predict",
    "/gradio_api/queue/../upload",
    "/monitoring",
    "/login",
)


@pytest.mark.parametrize("path", NOT_THERE)
def test_what_the_page_does_not_need_is_not_there(served, path):
    for method in ("GET", "POST"):
        assert httpx.request(method, served.url + path).status_code == 404


def test_a_body_has_a_limit(served):
    with httpx.Client() as http:
        assert http.post(f"{served.url}/gradio_api/queue/join", content=b"x" * (9 << 20)).status_code == 413
        pieces = iter([b"{}"])  # of unknown length
        assert http.post(f"{served.url}/gradio_api/queue/join", content=pieces).status_code == 413


FORGED = [
    None,
    [],
    {"name": {"a": 1}},
    {"name": "send", "text": 5},
    {"name": "send", "text": "x", "settings": {"temperature": 1e400}},
    {"name": "send", "text": "x", "settings": {"tools": "[" * 100_000}},
    {"name": "show", "node": 10**30},
    {"name": "hello", "settings": {}, "kept": [{"content": 5}]},
]


@pytest.mark.parametrize("way", ["ask", "tell"])
def test_forged_events_are_answered_with_a_sentence(served, way):
    with httpx.Client(base_url=served.url, timeout=30) as http:
        for number, data in enumerate(FORGED):
            problem = event(http, way, f"forged-{way}-{number}", data)["problem"]
            assert problem or (way == "tell" and data["name"] == "send")
        assert http.get("/health").status_code == 200


def test_half_a_character_is_no_obstacle(served):
    with httpx.Client(base_url=served.url, timeout=30) as http:
        shown = event(http, "ask", "half", {"name": "send", "text": "x \ud83d", "settings": {"max_tokens": 1}})
    assert shown["kept"][0] == {"user": "x ?"}


def test_a_session_is_not_what_its_page_says_it_is(served):
    """The state of a session is the server's: what is sent in its place is not read."""
    with httpx.Client(base_url=served.url, timeout=30) as http:
        shown = event(http, "tell", "state", {"name": "hello", "settings": {}}, state={"conversation": "forged"})
    assert shown["parts"] == [] and shown["problem"] == ""


def test_what_is_sent_at_once_reaches_one_session(served):
    """A question in the page's first moment, before its greeting has been answered."""
    with httpx.Client(base_url=served.url, timeout=30) as http:
        join(http, "tell", "early", {"name": "hello", "text": "zh", "settings": {}})
        join(http, "ask", "early", {"name": "send", "text": "1 + 2", "settings": {"max_tokens": 1}})
        assert len(list(completed(http, "early", 2))) == 2
        shown = event(http, "tell", "early", {"name": "hello", "text": "zh", "settings": {}})
    assert shown["kept"][0] == {"user": "1 + 2"} and shown["asks"] == 1 and shown["gauge"]["most"] == 1024


def test_what_a_page_has_kept_is_taken_up_once(served):
    """It may be told again when no answer came; by then the conversation may have gone on."""
    hello = {"name": "hello", "settings": {}, "kept": [{"user": "1 + 2"}, {"content": "3"}]}
    with httpx.Client(base_url=served.url, timeout=30) as http:
        assert len(event(http, "tell", "again", hello)["kept"]) == 2
        event(http, "tell", "again", {"name": "clear"})
        assert event(http, "tell", "again", hello)["kept"] == []


def event(http: httpx.Client, way: str, session: str, data: object, state: object = None) -> dict:
    """What the page shows when it has sent this."""
    join(http, way, session, data, state)
    (done,) = completed(http, session)
    assert done["success"], done
    return done["output"]["data"][1]


def join(http: httpx.Client, way: str, session: str, data: object, state: object = None) -> None:
    functions = {one["api_name"]: one["id"] for one in http.get("/config").json()["dependencies"]}
    body = {"data": [state], "fn_index": functions[way], "session_hash": session, "event_data": data}
    joined = http.post("/gradio_api/queue/join", content=json.dumps(body), headers={"content-type": "application/json"})
    assert joined.status_code == 200


def completed(http: httpx.Client, session: str, events: int = 1) -> Iterator[dict]:
    """The ends of so many events."""
    with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        told = (json.loads(line[5:]) for line in stream.iter_lines() if line.startswith("data:"))
        yield from islice((one for one in told if one["msg"] in ("process_completed", "unexpected_error")), events)


def test_a_real_model_thinks_is_cut_off_and_goes_on(served):
    settings = Settings(max_tokens=40, seed=1)

    async def do() -> Session:
        session, client = Session(), Client(f"{served.url}/v1", NAME)
        assert await session.hello(client, settings) == "" and session.longest == 1024
        async for _ in session.answers(client, Act("send", "1 + 2"), settings):
            continue
        return session

    async def go_on(session: Session) -> None:
        async for _ in session.answers(Client(f"{served.url}/v1", NAME), Act("continue", node=1), settings):
            continue

    session = asyncio.run(do())
    first = session.conversation.answer(1)
    assert first.error is None and first.phase == "done" and first.thinking
    assert first.usage.completion == 40 and 0 < first.usage.reasoning <= 40
    # A random model seldom says of itself where it is cut off, so this is said for it.
    session.conversation = session.conversation.put(1, replace(first, finish_reason="length", calls=()))
    asyncio.run(go_on(session))
    second = session.conversation.answer(1)
    assert second.error is None and second.usage.completion > 40
    assert second.thinking.startswith(first.thinking) and second.content.startswith(first.content)


def test_pages_are_let_go(served):
    """Else a server that ends would wait for them."""
    with httpx.stream("GET", f"{served.url}/gradio_api/heartbeat/abc") as response:
        lines = response.iter_lines()
        assert next(lines) == "data: ALIVE"
        served.loop.call_soon_threadsafe(served.let_go)
        assert not any(lines)


def test_without_gradio_the_reason_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ValueError, match=r"needs gradio: .*(\[chat\]|gradio)"):
        mount(FastAPI(), "http://127.0.0.1/v1", NAME)


def test_a_page_that_nobody_uses_looks_for_work_seldom():
    """By two attributes of gradio's queue: where gradio renames them, this fails."""
    import gradio

    app = FastAPI()
    names = {"sleep_when_free", "progress_update_sleep_when_free"}
    assert names <= vars(gradio.Blocks()._queue).keys()
    mount(app, "http://127.0.0.1:1/v1", NAME)
    queue = app.router.routes[-1]._inner.app.blocks._queue
    assert all(getattr(queue, name) >= 0.02 for name in names)
