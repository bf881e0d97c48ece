"""Servers that are busy, break off, or send what is no answer: asked again where that may help, else one clear error."""

import asyncio
import json
import threading
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.engine import openai_http
from ponder.engine.openai import OpenAiEngine
from ponder.engine.openai_http import OpenAiFailure
from ponder.engine.openai_profile import OpenAiProfile, Patience
from ponder.engine.openai_tokens import OpenAiTokenEngine
from ponder.engine.openai_wire import AnswerReader
from ponder.engine.protocol import Request, SamplingParams
from tests.engine.openai_fake import STREAM, FakeOpenAi, chat, delta, event, in_turn, response

ASK = [{"role": "user", "content": "1 + 2"}]
QUICK = Patience(attempts=4, backoff_s=0.001, retry_s=5.0, answer_s=20.0)
GOOD = response(chat("fine"))
BUSY = response({"error": {"message": "too many requests"}}, 429)


def asking(server: FakeOpenAi, body=lambda engine: engine.chat(ASK), patience: Patience = QUICK, **options):
    async def main():
        async with OpenAiEngine(OpenAiProfile(server.url, "m"), patience=patience, **options) as engine:
            return await asyncio.wait_for(body(engine), timeout=30)

    return asyncio.run(main())


async def collected(stream):
    return [piece async for piece in stream]


# ---- asked again ----


@pytest.mark.parametrize("bad", [BUSY, response({}, 500), response(b"<html>", 503, "text/html"), b"", GOOD[:-5]])
def test_it_is_asked_again(fake_openai, bad):
    """429, 5xx, a connection that ends without a word; in the midst of a whole answer, too."""
    server = fake_openai(in_turn(bad, bad, GOOD))
    assert asking(server).text == "fine" and len(server.asked) == 3
    assert server.asked[0].body == server.asked[2].body


def test_a_stream_is_asked_again_only_before_its_first_piece(fake_openai):
    whole = STREAM + delta(content="fi") + delta(content="ne") + delta("stop") + b"data: [DONE]\n\n"
    server = fake_openai(in_turn(BUSY, whole))
    pieces = asking(server, lambda engine: collected(engine.stream_chat(ASK)))
    assert [piece.text for piece in pieces] == ["fi", "ne", ""] and pieces[-1].answer.text == "fine"
    assert server.asked[1].body["stream_options"] == {"include_usage": True}
    piece = delta(content="fi")
    in_chunks = STREAM[:-2] + b"Transfer-Encoding: chunked\r\n\r\n" + f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    for broken, message in (
        (STREAM + piece, "broke off: its answer has no finish_reason"),
        (in_chunks, "broke off: peer"),
    ):
        server = fake_openai(in_turn(broken, whole))
        with pytest.raises(OpenAiFailure, match=message):
            asking(server, lambda engine: collected(engine.stream_chat(ASK)))
        assert len(server.asked) == 1


def test_it_is_not_asked_for_ever(fake_openai):
    server = fake_openai(in_turn(BUSY))
    with pytest.raises(
        OpenAiFailure, match=r"chat/completions answers 429 .*: too many requests; asked 4 times, 0\.0 s"
    ):
        asking(server)
    assert len(server.asked) == 4
    with pytest.raises(OpenAiFailure, match=r"http://127\.0\.0\.1:9/v1/chat.*cannot be reached.*asked 4 times"):
        server.url = "http://127.0.0.1:9/v1"
        asking(server)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 501, 307])
def test_what_will_not_change_is_not_asked_again(fake_openai, status):
    server = fake_openai(
        in_turn(response({"error": {"message": "no\x1b[2J such"}}, status, location="http://elsewhere"))
    )
    with pytest.raises(ValueError if status in (400, 422) else OpenAiFailure, match=f"{status} .*: no.*such") as caught:
        asking(server)
    assert len(server.asked) == 1 and "\x1b" not in str(caught.value) and server.url in str(caught.value)


def test_money_that_is_spent_comes_not_back_by_waiting(fake_openai):
    server = fake_openai(in_turn(response({"error": {"message": "pay", "code": "insufficient_quota"}}, 429)))
    with pytest.raises(OpenAiFailure, match=r"429 .*: pay$"):
        asking(server)
    assert len(server.asked) == 1


def test_retry_after_is_heeded_within_bounds(fake_openai):
    server = fake_openai(in_turn(response({}, 429, Retry_After="0.3"), GOOD))
    begun = time.monotonic()
    assert asking(server).text == "fine"
    assert time.monotonic() - begun >= 0.3, "longer than its own pause"
    for value in ("3600", formatdate(time.time() + 3600, usegmt=True), "1" * 39):
        server = fake_openai(in_turn(response({}, 503, Retry_After=value)))
        with pytest.raises(OpenAiFailure, match=r"503 .*; it asks to wait \d+ s: ask later, or with more patience"):
            asking(server)
        assert len(server.asked) == 1
    for value in ("-5", "soon", "nan", formatdate(0, usegmt=True)):
        server = fake_openai(in_turn(response({}, 503, Retry_After=value), GOOD))
        assert asking(server).text == "fine"


def test_no_more_are_asked_at_a_time_than_said(fake_openai):
    """Those that wait to be asked again count."""
    together = threading.Barrier(3)

    async def act(asked, writer):
        if asked.number < 3:
            await asyncio.to_thread(together.wait, 20)  # three are there at a time
        writer.write(BUSY if asked.number in (0, 5) else GOOD)  # few: nobody is refused again and again

    async def evaluate(engine):
        return [outcome.answer.text async for outcome in engine.answers([ASK] * 20)]

    async def all_at_once(engine):
        return [answer.text for answer in await asyncio.gather(*(engine.chat(ASK) for _ in range(20)))]

    for ask in (evaluate, all_at_once):
        server = fake_openai(act)
        assert asking(server, ask, concurrent=3) == ["fine"] * 20 and server.most == 3


# ---- limits ----


async def nothing_more(asked, writer):
    writer.write(STREAM + delta(content="fi"))
    await writer.drain()
    await asyncio.Event().wait()


async def nothing(asked, writer):
    await asyncio.Event().wait()


@pytest.mark.parametrize("act", [nothing, nothing_more])
def test_a_server_that_says_nothing_is_given_up(fake_openai, act):
    server = fake_openai(act)
    with pytest.raises(OpenAiFailure, match=r"has not answered within 0\.2 s: ask for fewer tokens, or wait longer"):
        asking(server, lambda engine: collected(engine.stream_chat(ASK)), patience=Patience(answer_s=0.2))
    assert len(server.asked) == 1


def test_who_closes_the_engine_ends_what_is_asked(fake_openai):
    server = fake_openai(nothing_more)

    async def body(engine):
        stream = engine.stream_chat(ASK)
        await anext(stream)
        rest = asyncio.create_task(collected(stream))
        await asyncio.sleep(0)
        await engine.close()
        with pytest.raises(OpenAiFailure, match="the engine is closed"):
            await rest
        with pytest.raises(OpenAiFailure, match="the engine is closed"):
            await engine.chat(ASK)

    asking(server, body)


def test_large_answers_are_taken_and_endless_ones_are_not(fake_openai, monkeypatch):
    text = "grün " * 400_000  # 2 MB, and more as JSON
    assert asking(fake_openai(in_turn(response(chat(text))))).text == text
    assert (
        asking(fake_openai(in_turn(STREAM + delta(content=text) + delta("length"))), lambda e: e.chat(ASK)).text == text
    )
    monkeypatch.setattr(openai_http, "MOST_BYTES", 2**20)
    for endless in (response(chat(text)), STREAM + delta(content="x") * 30_000, STREAM + b": ping\n" * 200_000):
        with pytest.raises(OpenAiFailure, match="sends more than 1 MiB: that is no answer"):
            asking(fake_openai(in_turn(endless)))
    with pytest.raises(OpenAiFailure, match="503") as caught:
        asking(fake_openai(in_turn(response(b"x" * 2**22, 503))))
    assert len(str(caught.value)) < 1000


def test_lines_have_a_limit(fake_openai, monkeypatch):
    monkeypatch.setattr("ponder.engine.vllm_wire.MAX_LINE", 1000)
    with pytest.raises(OpenAiFailure, match="chat/completions sent a line of more than 1000 bytes"):
        asking(fake_openai(in_turn(STREAM + b"data: " + b"x" * 5000)))


# ---- what is no answer ----


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[]",
        b"[" * 100_000,
        b'{"choices": 1' + b"0" * 5000 + b"}",
        b"{}",
        {"choices": 5},
        {"choices": {"a": 1}},
        {"choices": [3]},
        {"choices": [{"message": "text"}]},
        chat({"text": "a"}),
        chat(["a"]),
        chat(7),
        chat("a", reasoning_content=7),
        chat("a") | {"usage": 3},
        chat("a") | {"usage": {"prompt_tokens": -1}},
        chat("a") | {"usage": {"completion_tokens": 2.5}},
        chat("a") | {"model": 3},
        {
            "choices": [
                {"message": {"content": "a"}, "finish_reason": "stop", "logprobs": {"content": [{"token": "a"}]}}
            ]
        },
        {"choices": [{"text": "a", "finish_reason": "stop", "logprobs": {"tokens": ["a"], "token_logprobs": []}}]},
        {"choices": [{"text": "a", "finish_reason": "stop", "token_ids": [True]}]},
        {"choices": [{"text": "a", "finish_reason": 3}]},
    ],
    ids=lambda body: (body if isinstance(body, bytes) else json.dumps(body).encode())[:40].decode(),
)
def test_what_is_no_answer_is_one_error_that_names_the_address(fake_openai, body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    server = fake_openai(in_turn(response(raw)))
    with pytest.raises(OpenAiFailure, match=f"{server.url}/chat/completions sends what is no answer in OpenAI's form"):
        asking(server)
    if not isinstance(body, bytes) or body:
        for stream in (STREAM + b"data: " + raw + b"\n\n", STREAM + delta(content="fi") + b"data: " + raw + b"\n\n"):
            with pytest.raises(OpenAiFailure, match=r"no answer in OpenAI's form|broke off"):
                asking(fake_openai(in_turn(stream)), lambda engine: collected(engine.stream_chat(ASK)))


def test_errors_within_a_stream(fake_openai):
    for error, kind, message in (
        ({"message": "out of memory", "code": 500}, OpenAiFailure, "has failed: out of memory"),
        ("gone", OpenAiFailure, "has failed: gone"),
        ({"message": "too long", "code": 400}, ValueError, "refuses the request: too long"),
    ):
        server = fake_openai(in_turn(STREAM + delta(content="fi") + event({"error": error})))
        with pytest.raises(kind, match=message):
            asking(server, lambda engine: collected(engine.stream_chat(ASK)))


def test_compression_that_nobody_asked_for_is_refused(fake_openai):
    """A few bytes could become gigabytes."""
    server = fake_openai(in_turn(response(b"x", Content_Encoding="gzip")))
    with pytest.raises(OpenAiFailure, match="sends 'gzip', though no compression was asked for"):
        asking(server)
    assert server.asked[0].headers["accept-encoding"] == "identity"


def test_dialects(fake_openai):
    """Of thoughts, of empty fields, of lines, and of characters that are none."""
    for message in ({"reasoning": "hm"}, {"reasoning_content": "hm"}, {"reasoning": "hm", "reasoning_content": "hm"}):
        answer = asking(fake_openai(in_turn(response(chat("3", **message)))))
        assert (answer.reasoning, answer.text) == ("hm", "3")
    answer = asking(fake_openai(in_turn(response(chat(None, "tool_calls", reasoning=None) | {"usage": None}))))
    assert (answer.text, answer.finish_reason, answer.usage.prompt) == ("", "tool_calls", None)
    stream = (
        b": hello\r\n\r\nevent: x\r\ndata:"
        + delta("stop", reasoning="h\ud83dm", content="a\u2028b")[6:-2]
        + b"\r\n\r\n"
    )
    last = asking(fake_openai(in_turn(STREAM + stream)), lambda engine: collected(engine.stream_chat(ASK)))[-1]
    assert (last.answer.reasoning, last.answer.text) == ("h\ufffdm", "a\u2028b")


def test_what_cannot_be_asked(fake_openai):
    server = fake_openai(in_turn(GOOD))
    for messages in ([{"role": "user", "content": {1}}], [{"role": "user", "content": float("nan")}]):
        with pytest.raises(ValueError, match="cannot be written as JSON"):
            asking(server, lambda engine, messages=messages: engine.chat(messages))
    assert not server.asked


def test_an_engine_belongs_to_one_event_loop(fake_openai):
    engine = OpenAiEngine(OpenAiProfile(fake_openai(in_turn(GOOD)).url, "m"))
    assert asyncio.run(engine.chat(ASK)).text == "fine"
    with pytest.raises(OpenAiFailure, match="belongs to another event loop"):
        asyncio.run(engine.chat(ASK))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"text": "a"}, "tells no token ids: it can be asked for text"),
        ({"text": "a", "token_ids": [1]}, "tells no log-probabilities"),
        ({"token_ids": [1, 2], "logprobs": {"tokens": ["a"], "token_logprobs": [-1]}}, "2 tokens have 1 log-prob"),
        ({"token_ids": [3], "logprobs": {"tokens": ["a"], "token_logprobs": [-1]}}, "for a reason of its own: 'stop'"),
        (
            {"token_ids": [160], "logprobs": {"tokens": ["a"], "token_logprobs": [-1]}, "finish_reason": "abort"},
            "abort",
        ),
    ],
)
def test_an_engine_of_tokens_needs_tokens(fake_openai, choice, message):
    server = fake_openai(in_turn(response({"choices": [{"finish_reason": "stop"} | choice]})))
    engine = OpenAiTokenEngine(OpenAiProfile(server.url, "m"), patience=QUICK)
    request = Request("r", (1, 2), SamplingParams(max_tokens=4, stop_ids=frozenset({9})), seed=1)
    with pytest.raises(OpenAiFailure, match=message):
        list(engine.generate([request]))


def test_an_engine_of_tokens_that_nobody_reads_any_more_hangs_up(fake_openai):
    choice = {"text": "a", "token_ids": [7], "logprobs": {"tokens": ["a"], "token_logprobs": [-1]}}

    async def act(asked, writer):
        if asked.number:
            await asyncio.Event().wait()
        writer.write(response({"choices": [choice | {"finish_reason": "length"}]}))

    engine = OpenAiTokenEngine(OpenAiProfile(fake_openai(act).url, "m"), concurrent=4, patience=QUICK)
    completions = engine.generate(Request(n, (1, 2), SamplingParams(max_tokens=1), seed=1) for n in range(9))
    begun = time.monotonic()
    assert next(completions).ids == [7]
    completions.close()
    assert time.monotonic() - begun < QUICK.answer_s / 2
    assert not [thread for thread in threading.enumerate() if thread.name == "openai"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "message",
                    "content",
                    "reasoning",
                    "text",
                    "logprobs",
                    "tokens",
                    "token_logprobs",
                    "token",
                    "logprob",
                    "top_logprobs",
                    "token_ids",
                    "usage",
                    "prompt_tokens",
                    "finish_reason",
                    "model",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["choices", "usage", "model"]),
        JSON
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional=dict.fromkeys(("delta", "message", "text", "logprobs", "token_ids", "finish_reason"), JSON),
            ),
            max_size=2,
        ),
    )
)
def test_whatever_comes_is_read_or_refused(chunk):
    reader = AnswerReader()
    try:
        reader.read(chunk)
    except (ValueError, TypeError, LookupError, AttributeError):
        return
    answer = reader.answer()
    for text in (answer.text, answer.reasoning, answer.finish_reason, answer.model):
        text.encode()
    assert answer.token_ids is None or all(type(token) is int and token >= 0 for token in answer.token_ids)
