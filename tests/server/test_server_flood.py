"""Bodies that cost the server much and their senders nothing: honest streams go on meanwhile, and little is done for them."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from pydantic import ValidationError

from ponder.agents.turn.lengths import TooLong
from ponder.chat.renderer import Renderer
from ponder.server.answer.gateway import Gateway
from ponder.server.requests.chat import ChatRequest
from ponder.server.requests.errors import ApiError, invalid
from ponder.server.requests.oversize import LONG, MOST_CHARACTERS, is_long, refuse_endless, refuse_endless_messages
from ponder.server.requests.responses import ResponsesRequest
from ponder.server.requests.text import CompletionRequest, DetokenizeRequest, GenerateRequest
from tests.sandbox.waiting import wait_until
from tests.server.test_server_bad_input import error_of
from tests.shared.born import ASK, NAME, Server, engine_of, give_birth

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
TWO_MEGABYTES = "a b " * 2**19


@contextmanager
def counted(monkeypatch, renderer, before=lambda: None):
    """How many characters of each long text are encoded. `before`: called before each."""
    sizes: list[int] = []
    real = renderer.encode

    def encode(text: str, *arguments) -> list[int]:
        if len(text) > LONG:
            sizes.append(len(text))
            before()
        return real(text, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(renderer, "encode", encode)
        yield sizes


def test_honest_streams_go_on_while_endless_prompts_come(tmp_path, monkeypatch):
    """Ten prompts of two megabytes. A server that encoded them stood still for 19 seconds."""
    give_birth(tmp_path, context=8192)
    renderer = Renderer.load(tmp_path)
    # As if a token could be a thousand spaces: what a prompt is can be told by encoding its beginning alone.
    monkeypatch.setitem(vars(renderer), "longest_token", 1000)
    server, over, lines = Server(Gateway(engine_of(tmp_path), renderer, NAME)), threading.Event(), []
    short = {"model": NAME, "messages": ASK, "max_tokens": 1}

    def honest():
        body = short | {"max_tokens": 8000, "answer_reserve": 0, "ignore_eos": True, "stream": True}
        while not over.is_set():
            with httpx.stream("POST", server.url + CHAT, json=body, timeout=60) as response:
                for line in response.iter_lines():
                    lines.append(line)
                    if over.is_set():
                        break

    def others_are_answered():
        """While an endless prompt is looked at: no look ends before the stream has gone on."""
        seen = len(lines)
        wait_until(lambda: len(lines) > seen + 5)
        assert httpx.post(server.url + CHAT, json=short, timeout=60).status_code == 200

    body = json.dumps({"model": NAME, "messages": [{"role": "user", "content": TWO_MEGABYTES}]})
    reader = threading.Thread(target=honest)
    reader.start()
    try:
        wait_until(lambda: len(lines) > 20)
        with counted(monkeypatch, renderer, others_are_answered) as sizes, ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: server.http.post(CHAT, content=body, headers=JSON), range(10)))
    finally:
        over.set()
        reader.join()
        server.close()
        asyncio.run(server.gateway.engine.close())
    for answer in answers:
        error = error_of(answer)
        assert error["code"] == "context_length_exceeded" and error["n_prompt_tokens"] > error["n_ctx"]
    assert sizes == [MOST_CHARACTERS * 2 * 8192] * 10, "a part of each, once"


CALL = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": json.dumps({"a": TWO_MEGABYTES})}}]}
ENDLESS = {
    "an answer": [{"role": "assistant", "content": TWO_MEGABYTES}, *ASK],
    "an answer behind its thought": [{"role": "assistant", "content": f"<think>\nx\n</think>\n{TWO_MEGABYTES}"}, *ASK],
    "an answer in parts": [{"role": "assistant", "content": [{"type": "text", "text": TWO_MEGABYTES}]}, *ASK],
    "arguments of a call": [*ASK, CALL, {"role": "tool", "content": "5"}],
    "the thought of a running turn": [
        *ASK,
        {"role": "assistant", "reasoning_content": TWO_MEGABYTES, "tool_calls": [{"function": {"name": "f"}}]},
        {"role": "tool", "content": "5"},
    ],
    "a thought to go on with": [*ASK, {"role": "assistant", "content": f"<think>\n{TWO_MEGABYTES}"}],
    "an answer to go on with": [*ASK, {"role": "assistant", "content": TWO_MEGABYTES}],
}


@pytest.mark.parametrize("path", [CHAT, "/tokenize"])
@pytest.mark.parametrize("case", ENDLESS)
def test_what_an_assistant_wrote_counts(born, monkeypatch, case, path):
    """Four megabytes of it were encoded before they were refused."""
    body = {"model": NAME, "messages": ENDLESS[case]}
    if "to go on with" in case and path == CHAT:
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if path == "/tokenize":
        monkeypatch.setattr("ponder.server.front.routes_text.MAX_TOKENIZED", 1024)
        if case == "a thought to go on with":
            pytest.skip("nothing goes on in /tokenize: the open thought is left out")
    with counted(monkeypatch, born.gateway.renderer) as sizes:
        error = error_of(born.http.post(path, json=body))
    assert error["code"] == "context_length_exceeded" and error["n_prompt_tokens"] > error["n_ctx"] == 1024
    assert sizes in ([], [MOST_CHARACTERS * 1024])


def test_what_templates_leave_out_does_not_count(born):
    thought, unclosed = f"<think>\n{TWO_MEGABYTES}\n</think>\n\nIt is 3.", f"It is 3.\n<think>\n{TWO_MEGABYTES}"
    for content in (thought, unclosed):
        messages = [*ASK, {"role": "assistant", "content": content, "reasoning_content": TWO_MEGABYTES}, *ASK]
        body = {"model": NAME, "messages": messages, "max_tokens": 1}
        assert born.http.post(CHAT, json=body).status_code == 200
    refuse_endless_messages([*ASK, {"role": "assistant", "content": thought}], born.gateway.renderer, 100)


MANY = 250_000  # values: just what is still read
WRONG = {
    "ids that are text": ("/detokenize", b'{"tokens": [%s"x"]}' % (b'"x",' * MANY)),
    "ids of a prompt that are text": ("/inference/v1/generate", b'{"token_ids": [%s""]}' % (b'"",' * MANY)),
    "prompts of all kinds": ("/v1/completions", b'{"model": "tiny", "prompt": [%s""]}' % (b'5,"",' * (MANY // 2))),
    "messages that are none": (CHAT, b'{"model": "tiny", "messages": [%s5]}' % (b"5," * MANY)),
    "parts that are none": (
        CHAT,
        b'{"model": "tiny", "messages": [{"role": "user", "content": [%s5]}]}' % (b"5," * MANY),
    ),
    "unknown fields": (CHAT, b'{%s"model": "tiny"}' % b"".join(b'"k%d":1,' % number for number in range(MANY))),
    "biases": (
        CHAT,
        b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "logit_bias": {%s"0":1}}'
        % b"".join(b'"x%d":1,' % number for number in range(MANY)),
    ),
    "items": ("/v1/responses", b'{"model": "tiny", "input": [%s5]}' % (b"5," * MANY)),
    "too many values": ("/detokenize", b'{"tokens": [%s5]}' % (b"5," * 2**20)),
    "too many brackets": ("/tokenize", b'{"messages": [%s{}]}' % (b"{}," * 2**17)),
    "a schema of many": (
        CHAT,
        b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": '
        b'{"name": "f", "parameters": {"anyOf": [%s{}]}}}]}' % (b"{}," * 100_000),
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_many_wrong_values_are_one_error(born, monkeypatch, case):
    """Two million errors took 40 seconds and 3 GB to tell."""
    path, body = WRONG[case]
    told: list[int] = []

    def counting(problems: list[dict]) -> ApiError:
        told.append(len(problems))
        return invalid(problems)

    monkeypatch.setattr("ponder.server.requests.errors.invalid", counting)
    error = error_of(born.http.post(path, content=body, headers=JSON), 413 if case.startswith("too many") else 400)
    assert sum(told) < 10 and len(error["message"]) < 1000
    assert told or case.startswith("too many")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (DetokenizeRequest, {"tokens": ["x"] * 1000}),
        (GenerateRequest, {"token_ids": [-1] * 1000}),
        (CompletionRequest, {"model": NAME, "prompt": [5, ""] * 500}),
        (CompletionRequest, {"model": NAME, "prompt": [[]] * 1000}),
        (ChatRequest, {"model": NAME, "messages": [{}] * 1000}),
        (ChatRequest, {"model": NAME, "messages": [{"role": "user", "content": [5] * 1000}]}),
        (ChatRequest, {"model": NAME, "messages": ASK, "logit_bias": {f"x{number}": 1 for number in range(1000)}}),
        (ChatRequest, {f"k{number}": 1 for number in range(1000)}),
        (ChatRequest, {"model": NAME, "messages": ASK, "tools": [{}] * 500}),
        (ResponsesRequest, {"model": NAME, "input": [5] * 1000}),
    ],
)
def test_the_first_wrong_value_is_enough(kind, fields):
    with pytest.raises(ValidationError) as refused:
        kind.model_validate(fields)
    assert refused.value.error_count() < 10


def test_what_is_certainly_too_long(renderer, monkeypatch):
    def count(text: str, context: int) -> int | None:
        try:
            refuse_endless([text], renderer, context)
        except TooLong as error:
            return error.prompt_tokens
        return None

    words = "word " * 2000
    real = len(renderer.encode(words))
    assert count(words, real) is None, "what may fit is encoded first"
    assert 50 < count(words, 50) < real
    # A tokenizer with a token of 128 spaces: two thousand words could be few tokens, and their beginning says they are not.
    monkeypatch.setitem(vars(renderer), "longest_token", 128)
    assert count(words, real) is None and 500 < count(words, 500) < real
    assert count(" " * 10**6, 500) is None, "templates may strip"


def test_long_texts_are_encoded_beside_other_threads(renderer):
    """The tokenizer gives the interpreter's lock away meanwhile."""
    turns, begun = 0, threading.Event()

    def encode():
        begun.set()
        ids.extend(renderer.encode(TWO_MEGABYTES))

    ids: list[int] = []
    thread = threading.Thread(target=encode)
    thread.start()
    begun.wait()
    while thread.is_alive():
        turns += 1
        thread.join(0.001)
    assert turns > 20, "who keeps the lock gives others one or two"
    assert renderer.decode(ids) == TWO_MEGABYTES and ids[:1000] == renderer.encode(TWO_MEGABYTES[:4000])[:1000]


def test_what_takes_a_while():
    def asked(**fields) -> bool:
        return is_long(ChatRequest(model="m", **{"messages": ASK} | fields))

    assert not asked()
    assert asked(messages=[{"role": "user", "content": "x" * 40_000}])
    assert asked(messages=[{"role": "user", "content": [{"type": "text", "text": "x" * 40_000}]}])
    assert asked(messages=[*ASK, {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}] * 20_000}])
    assert asked(tools=[{"type": "function", "function": {"name": "f", "description": "x" * 40_000}}])
