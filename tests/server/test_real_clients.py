"""LiteLLM and Qwen-Agent themselves, where there is a Python that has them:

PONDER_CLIENTS_PYTHON=/path/to/python pytest tests/server/test_real_clients.py    # pip install litellm qwen-agent
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.shared.born import NAME
from tests.shared.one_turn import CALL, THOUGHT, think_then

PYTHON = os.environ.get("PONDER_CLIENTS_PYTHON")
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
