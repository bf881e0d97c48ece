"""Answers that repeat themselves: a chat ends them unless it is told not to; text and ids that are continued are left as they come."""

from tests.shared.born import ASK, NAME
from tests.shared.one_turn import think_then

LOOP = "the sum " * 400
CHAT, LENGTH = "/v1/chat/completions", 600


def ended(server, path: str, body: dict) -> tuple[str, int]:
    told = server.http.post(path, json={"model": NAME} | body).json()
    choice = told["choices"][0]
    return choice["finish_reason"], told["usage"]["completion_tokens"]


def test_a_chat_ends_an_answer_that_loops_unless_it_is_told_not_to(says):
    server = says(think_then(LOOP))
    asked = {"messages": ASK, "max_tokens": LENGTH}
    reason, tokens = ended(server, CHAT, asked)
    assert reason == "stop" and 200 <= tokens < LENGTH
    assert ended(server, CHAT, asked | {"end_loops": False}) == ("length", LENGTH)


def test_an_answer_of_so_many_tokens_has_them_though_it_loops(says):
    """`ignore_eos`, as load generators ask."""
    server = says(think_then(LOOP))
    asked = {"messages": ASK, "max_tokens": LENGTH, "ignore_eos": True}
    assert ended(server, CHAT, asked) == ("length", LENGTH)
    assert ended(server, CHAT, asked | {"end_loops": True})[0] == "stop"
    told = server.http.post(
        "/v1/responses", json={"model": NAME, "input": "go", "max_output_tokens": LENGTH, "ignore_eos": True}
    )
    assert told.json()["usage"]["output_tokens"] == LENGTH


def test_a_thought_that_loops_goes_on_to_the_last_token_where_nothing_is_to_end_it(says):
    server = says(lambda text: "It is 3." if "</think>" in text else LOOP)
    asked = {"messages": ASK, "max_tokens": LENGTH}
    assert ended(server, CHAT, asked)[0] == "stop"
    assert ended(server, CHAT, asked | {"end_loops": False, "answer_reserve": 0}) == ("length", LENGTH)


def test_what_is_continued_is_left_as_it_comes(says):
    server = says(lambda text: LOOP)
    assert ended(server, "/v1/completions", {"prompt": "x", "max_tokens": LENGTH}) == ("length", LENGTH)
    asked = {"token_ids": [1], "sampling_params": {"max_tokens": LENGTH}}
    told = server.http.post("/inference/v1/generate", json=asked).json()["choices"][0]
    assert (told["finish_reason"], len(told["token_ids"])) == ("length", LENGTH)
