"""What all scripts here ask for, and how they say what they saw: one line of JSON."""

import json
from collections.abc import Sequence

ASK = [{"role": "user", "content": "1 + 2"}]
ADD = {
    "name": "add",
    "description": "adds two numbers",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}


def add(a: int, b: int) -> int:
    """adds two numbers"""
    return a + b


def show(thought: str | None, answer: str | None, called: Sequence[dict], final: str | None) -> None:
    """thought, answer: of a turn without tools; called: arguments of each call of a loop with tools; final: its last answer"""
    print(json.dumps({"thought": thought, "answer": answer, "called": list(called), "final": final}))
