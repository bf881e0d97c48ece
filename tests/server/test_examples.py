"""The examples, run as they are documented."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared.one_turn import THOUGHT, think_then

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, EXAMPLES / name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_stream_from_the_openai_client(says):
    server = says(think_then("It is 3."))
    shown = run("openai_stream.py", "--url", f"{server.url}/v1", "--budget", "500", "1 + 2")
    thinking, answer = shown.split("--- answer ---\n")
    assert thinking == f"--- thinking ---\n{THOUGHT}\n\n" and answer.startswith("It is 3.\n---")


def test_a_checkpoint_in_transformers(checkpoint):
    pytest.importorskip("transformers")
    assert run("quickstart_transformers.py", str(checkpoint), "1 + 2", "--max-new-tokens", "20")
