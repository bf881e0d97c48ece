"""Answers that were cut off and are gone on with, by vLLM's field, over HTTP."""

import json
import re

from tests.server.test_server_bad_input import error_of
from tests.shared.born import ASK, NAME
from tests.shared.one_turn import THOUGHT, TOOLS, think_then

CHAT = "/v1/chat/completions"


def test_a_cut_answer_goes_on_where_it_was_cut(says):
    """Whatever was cut, the thought or the answer: the pieces make the whole, and thinking counts as thinking."""
    server = says(think_then("It is 3, and that is that."))

    def ask(begun: dict | None = None, **fields) -> dict:
        messages = [*ASK, {"role": "assistant", **begun}] if begun else ASK
        body = {"model": NAME, "messages": messages, "answer_reserve": 0, "continue_final_message": begun is not None}
        return server.http.post(CHAT, json=body | fields).json()["choices"][0]

    whole = ask()["message"]
    thought = len(server.gateway.renderer.encode(whole["reasoning_content"]))
    for cut in (thought // 2, thought + 6):
        first = ask(max_tokens=cut)
        assert first["finish_reason"] == "length"
        begun = {name: first["message"].get(name) for name in ("reasoning_content", "content")}
        rest = ask(begun)
        for name in ("reasoning_content", "content"):
            assert (begun[name] or "") + (rest["message"].get(name) or "") == whole[name]
        assert rest["reasoning_stop_reason"] == ("model" if cut < thought else None)
    assert THOUGHT in whole["reasoning_content"]
    now = ask({"reasoning_content": "one two"}, enable_thinking=False)
    assert (now["message"]["content"], now["reasoning_stop_reason"]) == ("It is 3, and that is that.", None)


def test_what_does_not_go_together(says):
    server = says(think_then("x"))
    begun = [*ASK, {"role": "assistant", "content": "It"}]
    cases = (
        ({"messages": ASK, "continue_final_message": True}, "only an assistant's"),
        ({"messages": begun, "add_generation_prompt": False}, "opposite"),
        ({"messages": begun, "add_generation_prompt": True, "continue_final_message": True}, "opposite"),
        ({"messages": begun, "continue_final_message": True, "tools": TOOLS, "tool_choice": "required"}, "a call"),
    )
    for fields, says_so in cases:
        assert says_so in error_of(server.http.post(CHAT, json={"model": NAME} | fields))["message"]
    asked = {"model": NAME, "messages": begun, "add_generation_prompt": False, "continue_final_message": True}
    for reasoning, warned in (("one", True), (None, False)):
        begun[1] = {"role": "assistant"} | ({"reasoning_content": reasoning} if reasoning else {"content": "It"})
        answer = server.http.post(CHAT, json=asked | {"temperature": 0})
        assert answer.status_code == 200 and ("x-warning" in answer.headers) == warned, "it thinks on, or not"


SUM = {"type": "object", "properties": {"sum": {"const": 3}}, "required": ["sum"], "additionalProperties": False}
FORM = {"type": "json_schema", "json_schema": {"schema": SUM}}


def test_an_answer_of_a_form_goes_on_in_it(born):
    """The random model writes what the grammar leaves; the beginning is the client's."""
    asked = {"model": NAME, "max_tokens": 60, "continue_final_message": True, "response_format": FORM}
    for begun in ('{"su', '{"sum": 3'):
        messages = [*ASK, {"role": "assistant", "content": begun}]
        (choice,) = born.http.post(CHAT, json=asked | {"messages": messages}).json()["choices"]
        if choice["finish_reason"] == "stop":  # a random model may write white space to the end
            assert json.loads(begun + choice["message"]["content"]) == {"sum": 3}
        assert re.sub(r"\s", "", begun + choice["message"]["content"]) in ('{"sum":3', '{"sum":3}')
    for begun in ("So: ", '{"sum": 4'):
        messages = [*ASK, {"role": "assistant", "content": begun}]
        refused = born.http.post(CHAT, json=asked | {"messages": messages})
        assert refused.status_code == 400 and error_of(refused)["param"] == "messages"


def test_a_thought_that_is_closed_stays_closed(says):
    server = says(lambda so_far: "<think>again</think>It is 3.")
    begun = [*ASK, {"role": "assistant", "content": f"<think>\n{THOUGHT}\n</think>\n\n"}]
    asked = {"model": NAME, "messages": begun, "continue_final_message": True}
    (choice,) = server.http.post(CHAT, json=asked).json()["choices"]
    assert choice["message"].get("reasoning_content") is None
    assert choice["message"]["content"] == "<think>again</think>It is 3."
    prompt = server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)
    assert prompt.endswith(f"<think>\n{THOUGHT}\n</think>\n\n")
