"""What comes over the wire, and what the chat page makes of it."""

import asyncio

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from ponder.clients.page.session import Session
from ponder.clients.talk.acts import Act
from ponder.clients.talk.asking import Settings, ask
from ponder.clients.talk.client import Client
from ponder.clients.talk.conversation import Answer, Usage, User
from ponder.clients.talk.events import Ended, Said, Started, Thought, after, finished, stopped, thinking_seconds
from ponder.clients.talk.running import Running
from ponder.clients.talk.wire import Splitter, WireError
from tests.clients.page_api import MODEL, Api, Scene, Server
from tests.clients.page_talk import talked


def test_time_of_thinking_is_counted_until_the_answer():
    answer = Answer()
    for event, now in ((Started("x", True), 1.0), (Thought("a"), 2.0), (Said("b"), 5.0)):
        answer = after(answer, event, now)
    assert thinking_seconds(answer, 99.0) == 4.0 and answer.phase == "answering"
    assert finished(answer, 100.0).thinking_s == 4.0
    halted = stopped(after(Answer(), Started("x", True), 1.0), 3.0)
    assert (halted.stopped, halted.thinking_s) == ("thinking", 2.0)


@given(st.lists(st.integers(1, 7), max_size=12), st.booleans())
def test_text_is_split_at_the_end_of_thinking_however_it_is_cut(cuts, ends):
    text = "a < b </thin " + ("</think>\n\nrest </think>" if ends else "</thi")
    splitter, events, rest = Splitter(True), [], text
    for cut in cuts:
        events += splitter.push(rest[:cut])
        rest = rest[cut:]
    events += [*splitter.push(rest), *splitter.flush()]
    assert "".join(event.text for event in events if isinstance(event, Thought)) == text.partition("</think>")[0]
    said = "".join(event.text for event in events if isinstance(event, Said))
    assert said == ("rest </think>" if ends else "")
    assert [event for event in events if isinstance(event, Ended)] == [Ended(None, "model")] * ends


@pytest.fixture
def api():
    """A server that plays these scenes."""
    scenes = {
        "sum": Scene("one two", "It is 3.", rope_factor=2.0),
        "tool": Scene("hm", calls=(("add", '{"a": 1}'), ("now", ""))),
        "hold": Scene("I think", "Now.", hold="thinking"),
        "no": Scene(refuse="this model has no tools"),
    }
    api = Api(scenes)
    server = Server(api.app())
    api.url = f"{server.url}/v1"
    yield api
    server.close()


def run(api: Api, *acts: Act, settings: Settings = Settings(), model: str = MODEL) -> Session:  # noqa: B008 (frozen)
    """A session at which these were done, each to its end."""

    async def do() -> Session:
        session, client = Session(), Client(api.url, model)
        for act in acts:
            async for _ in session.answers(client, act, settings):
                continue
        return session

    return asyncio.run(do())


def test_an_answer_arrives_whole(api):
    session = run(api, Act("send", "sum"))
    answer = session.conversation.answer(1)
    assert (answer.thinking, answer.content, answer.phase) == ("one two", "It is 3.", "done")
    assert (answer.finish_reason, answer.thinking_end) == ("stop", "model")
    assert answer.usage == Usage(10, 15, 7, rope_factor=2.0)
    assert api.asked[0]["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}


def test_tools_arrive_and_their_results_are_sent(api):
    api.scenes["7"] = Scene("so", "It is 7.")
    session = run(api, Act("send", "tool"), Act("result", "6", 1, 0), Act("result", "7", 1, 1))
    calls = session.conversation.answer(1).calls
    assert [(call.id, call.name, call.arguments) for call in calls] == [
        ("call_0", "add", '{"a": 1}'),
        ("call_1", "now", ""),
    ]
    assert session.conversation.answer(2).content == "It is 7."
    assert [message["role"] for message in api.asked[1]["messages"]] == ["user", "assistant", "tool", "tool"]


def test_errors_are_told_and_the_question_stays(api):
    session = run(api, Act("send", "no"))
    assert session.conversation.answer(1).error == "this model has no tools"
    assert session.conversation.turn(0) == User("no")
    lost = Client("http://127.0.0.1:9/v1", MODEL)
    with pytest.raises(WireError, match="no server can be reached"):
        asyncio.run(lost.longest())
    with pytest.raises(WireError, match="no model"):
        asyncio.run(Client(api.url, "other").longest())


def test_stopping_keeps_the_thought_and_hangs_up(api):
    async def do() -> Session:
        session, client = Session(), Client(api.url, MODEL)
        async for _ in session.answers(client, Act("send", "hold"), Settings()):
            if session.conversation.answer(1).thinking == "I think":
                session.stop()
        assert session.conversation.answer(1).stopped == "thinking"
        await asyncio.to_thread(api.wait_hung_up, 1)
        async for _ in session.answers(client, Act("conclude", node=1), Settings()):
            continue
        return session

    answer = asyncio.run(do()).conversation.answer(1)
    assert (answer.thinking, answer.content, answer.thinking_end) == ("I think", " and so on", "user")
    assert "".join(map(chr, api.continued[0]["prompt"])).endswith("I think\n</think>\n\n")
    assert "enable_thinking" not in api.continued[0]


@pytest.mark.parametrize("control", [True, False])
def test_answer_now_with_and_without_the_servers_help(api, control):
    api.control = control

    async def do() -> Answer:
        client = Client(api.url, MODEL)
        asked = ask(talked(User("hold"), Answer()), 1, Settings(), Act("send"))
        running, told = Running(client, asked, Answer()), False
        async for answer in running.snapshots(None):
            if answer.thinking == "I think" and not told:
                told = True
                await running.answer_now()
        return running.answer

    answer = asyncio.run(do())
    assert answer.content == ("Now." if control else " and so on")
    assert (answer.thinking, answer.thinking_end, answer.stopped) == ("I think", "user", None)


def test_a_thought_is_continued_and_ends_by_itself(api):
    cut = Answer(phase="done", thinking="I think", finish_reason="length", usage=Usage(1, 7, 7))

    async def do() -> Answer:
        session = Session()
        session.conversation = talked(User("hold"), cut)
        async for _ in session.answers(Client(api.url, MODEL), Act("continue", node=1), Settings()):
            continue
        return session.conversation.answer(1)

    answer = asyncio.run(do())
    assert (answer.thinking, answer.content, answer.thinking_end) == ("I think more thought\n", "the rest", "model")
    assert answer.usage.reasoning > 7 and answer.usage.completion > answer.usage.reasoning


@pytest.mark.parametrize(
    "chunk",
    [
        "{",
        "[]",
        '{"choices": [7]}',
        '{"choices": [{"delta": {"tool_calls": [{"index": "x"}]}}]}',
        '{"choices": {"a": 1}}',
    ],
)
def test_a_broken_stream_is_an_error_and_no_crash(chunk):
    app = FastAPI()
    app.post("/v1/chat/completions")(lambda: PlainTextResponse(f"data: {chunk}\n\n", media_type="text/event-stream"))
    server = Server(app)

    async def do() -> Answer:
        running = Running(
            Client(f"{server.url}/v1", MODEL), ask(talked(User("a"), Answer()), 1, Settings(), Act("send")), Answer()
        )
        async for _ in running.snapshots(None):
            continue
        return running.answer

    try:
        assert "stream" in asyncio.run(do()).error
    finally:
        server.close()
