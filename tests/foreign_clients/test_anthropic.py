"""Anthropic's own client at /v1/messages: a turn whole and streamed, a loop of tools, errors."""

import pytest

from ponder.server.front.api_keys import Keys
from tests.foreign_clients.environments import python_of, run
from tests.shared.born import NAME
from tests.shared.one_turn import CALL, THOUGHT, think_then


@pytest.mark.clients
def test_anthropics_own_client_runs_a_loop_of_tools(says):
    def reply(so_far: str) -> str:
        said = f"Sure.{CALL}" if "<tool_response>" not in so_far else "It is 3."
        return think_then(said)(so_far)

    server = says(reply, keys=Keys.of("secret"))
    told = run(python_of("anthropic"), "read_as_anthropic.py", server.url, NAME, "secret")
    called = ["tool_use", [["thinking", THOUGHT + "\n"], ["text", "Sure."], ["tool_use", {"a": 1}]]]
    assert told["whole"] == told["streamed"] == told["loop"]["turns"][0] == called
    assert told["loop"]["turns"][1:] == [["end_turn", [["thinking", THOUGHT + "\n"], ["text", "It is 3."]]]]
    assert told["usage"][0] == told["usage"][1] and told["usage"][0]["output_tokens"] > 20
    assert told["events"][0] == "message_start" and told["events"][-1] == "message_stop"
    assert told["events"].count("content_block_start") == told["events"].count("content_block_stop") == 3
    assert told["errors"]["model"][:2] == ["NotFoundError", "not_found_error"]
    assert told["errors"]["length"][2].startswith("prompt is too long: ") and told["errors"]["length"][3]
    assert told["errors"]["key"] == ["authentication_error"] and told["models"] == [NAME]
    last = server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)
    assert f"{THOUGHT}\n</think>" in last and "<tool_response>\n3\n</tool_response>" in last
    assert told["loop"]["counted"] > 50
