"""Answers that are sent whole: written beside the event loop, and not larger than they may be."""

import json
import threading

import pytest

from ponder.agents.turn.plan import Plan
from ponder.engine.protocol import SamplingParams
from ponder.server.answer.size import MOST_ALTERNATIVES, refuse_large_answers
from ponder.server.replies import chat, responses, text
from ponder.server.replies.whole import json_pieces
from ponder.server.requests.errors import ApiError
from tests.shared.born import ASK, NAME
from tests.shared.one_turn import think_then

CHAT = {"messages": ASK, "max_tokens": 40, "logprobs": True, "top_logprobs": 2}


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        [[], {}, [1, "a"], {"b": {"c": [None, True, -0.5]}}],
        {"choices": [{"logprobs": {"content": [{"top": [{"a": [1, 2]}] * 3}] * 3}}] * 2, "é\ud800": '"\n'},
        "text",
        None,
    ],
)
def test_pieces_are_what_json_writes(value):
    assert "".join(json_pieces(value)) == json.dumps(value)


def test_iterators_are_lists():
    assert "".join(json_pieces({"a": iter([1, {"b": 2}]), "c": iter([])})) == '{"a": [1, {"b": 2}], "c": []}'


def test_no_piece_is_long():
    entries = {"choices": [{"logprobs": {"content": [{"token": "a", "top": list(range(20))}] * 1000}}]}
    assert max(map(len, json_pieces(entries))) < 200


@pytest.mark.parametrize(
    ("path", "body", "module", "works_in"),
    [
        ("/v1/chat/completions", CHAT, chat, "logprob_entries"),
        ("/v1/completions", {"prompt": "go", "logprobs": 2}, text, "logprob_entries"),
        ("/inference/v1/generate", {"token_ids": [5], "sampling_params": {"logprobs": 2}}, text, "_entries_by_id"),
        ("/v1/responses", {"input": "go"}, responses, "whole_response"),
    ],
)
def test_whole_answers_are_written_beside_the_event_loop(says, monkeypatch, path, body, module, works_in):
    server, threads, real = says(think_then("It is 3.")), [], getattr(module, works_in)

    def noted(*args):
        threads.append(threading.current_thread())
        return real(*args)

    monkeypatch.setattr(module, works_in, noted)
    if works_in == "whole_response":
        monkeypatch.setattr("ponder.server.front.routes_responses.whole_response", noted)
    answer = server.http.post(path, json={"model": NAME} | body)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json", answer.text
    assert threads and server.thread not in threads


def test_how_large_an_answer_may_be(says):
    server = says(think_then("It is 3."))
    limit = {"messages": ASK, "logprobs": True, "top_logprobs": 20, "max_tokens": 3400}
    for path, body, many in (
        ("/v1/chat/completions", limit, {"n": 16}),
        ("/v1/completions", {"prompt": ["a"] * 4, "logprobs": 20, "max_tokens": 3400}, {"n": 4}),
    ):
        refused = server.http.post(path, json={"model": NAME} | body | many)
        assert refused.status_code == 400, refused.text
        error = refused.json()["error"]
        assert error["param"] == "logprobs" and f"{16 * 3400 * 20} alternatives" in error["message"]
        assert "stream" in error["message"]
        for fewer in ({}, many | {"stream": True}, many | {"max_tokens": 30}):
            assert server.http.post(path, json={"model": NAME} | body | fewer).status_code == 200


def test_the_bound_is_exact(renderer):
    prompt = renderer.render(ASK)
    plan = Plan(prompt, SamplingParams(max_tokens=MOST_ALTERNATIVES // 16, top_logprobs=8), seed=0)
    refuse_large_answers([plan] * 2)
    with pytest.raises(ApiError, match="sent whole"):
        refuse_large_answers([plan] * 3)
