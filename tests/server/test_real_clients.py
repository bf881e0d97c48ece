"""LiteLLM, Qwen-Agent and Anthropic's client themselves, where there is a Python that has them:

PONDER_CLIENTS_PYTHON=/path/to/python pytest tests/server/test_real_clients.py      # pip install litellm qwen-agent
PONDER_ANTHROPIC_PYTHON=/path/to/python pytest tests/server/test_real_clients.py    # pip install anthropic
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from ponder.server.front.api_keys import Keys
from tests.shared.born import NAME
from tests.shared.one_turn import CALL, THOUGHT, think_then

PYTHON = os.environ.get("PONDER_CLIENTS_PYTHON")
ANTHROPIC = os.environ.get("PONDER_ANTHROPIC_PYTHON")
SCRIPT = Path(__file__).with_name("read_as_clients.py")


@pytest.mark.clients
@pytest.mark.skipif(not PYTHON, reason="PONDER_CLIENTS_PYTHON names no Python with litellm and qwen-agent")
def test_they_read_thinking_answers_and_calls(says):
    url = f"{says(think_then(f'It is 3.{CALL}')).url}/v1"
    done = subprocess.run([PYTHON, SCRIPT, url, NAME], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    plain = f"It is 3.{CALL}"  # no tools were given: the call is text
    for reader in told.values():
        assert [[text.strip() for text in texts] for texts in reader["texts"]] == [[THOUGHT, plain]] * 2
        assert [(name, json.loads(arguments)) for name, arguments in reader["calls"]] == [("add", {"a": 1})]
    assert all(count > 10 for count in told["litellm"]["reasoning_tokens"])


@pytest.mark.clients
@pytest.mark.skipif(not ANTHROPIC, reason="PONDER_ANTHROPIC_PYTHON names no Python with anthropic")
def test_anthropics_own_client_runs_a_loop_of_tools(says):
    def reply(so_far: str) -> str:
        said = f"Sure.{CALL}" if "<tool_response>" not in so_far else "It is 3."
        return think_then(said)(so_far)

    server = says(reply, keys=Keys.of("secret"))
    command = [ANTHROPIC, SCRIPT.with_name("read_as_anthropic.py"), server.url, NAME, "secret"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
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
