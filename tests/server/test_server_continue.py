"""Answers that were cut off and are gone on with, by vLLM's field, over HTTP."""

from tests.server.test_server_bad_input import error_of
from tests.shared.born import ASK, NAME
from tests.shared.one_turn import THOUGHT, think_then

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
        ({"messages": begun, "continue_final_message": True, "response_format": {"type": "json_object"}}, "form"),
    )
    for fields, says_so in cases:
        assert says_so in error_of(server.http.post(CHAT, json={"model": NAME} | fields))["message"]
    asked = {"model": NAME, "messages": begun, "add_generation_prompt": False, "continue_final_message": True}
    for reasoning, warned in (("one", True), (None, False)):
        begun[1] = {"role": "assistant"} | ({"reasoning_content": reasoning} if reasoning else {"content": "It"})
        answer = server.http.post(CHAT, json=asked | {"temperature": 0})
        assert answer.status_code == 200 and ("x-warning" in answer.headers) == warned, "it thinks on, or not"
