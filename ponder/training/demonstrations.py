"""The cold start's examples: read from a file, or written by a procedure for the tiny model.

What the procedure writes is synthetic, and meant to be poor: a careless pupil who mostly guesses, sometimes adds and
subtracts column by column, seldom goes over the columns again, and slips all along. It shows the moves; which of them
pay is left for reinforcement learning to find out, by verified outcomes alone.
"""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

from ponder.engine.counting import key
from ponder.recipe.schema import ColumnDemonstrations
from ponder.tasks.task import Task

_SUM = re.compile(r"(\d+) ([+-]) (\d+)(?: =|\.)$")


def column_demonstration(task: Task, habits: ColumnDemonstrations, seed: int) -> list[dict]:
    """A chat in which the pupil answers a two-term sum.

    Raises:
        ValueError: the task is no sum or difference of two terms (reasoning-gym: chain_sum, basic_arithmetic).
    """
    question = task.messages[-1]["content"]
    match = _SUM.search(question)
    if match is None:
        raise ValueError(
            f"column demonstrations are for sums or differences of two terms (chain_sum, basic_arithmetic), not for: {question[:80]!r}"
        )
    a, operator, b = int(match[1]), match[2], int(match[3])
    rng = random.Random(key("demonstration", seed, task.id))
    if rng.random() < habits.guess:
        thinking = "easy"
        answer = _slip_digits(str(a + b if operator == "+" else a - b), habits.slip, rng)
    else:
        swap = operator == "-" and a < b
        top, bottom = (b, a) if swap else (a, b)
        passes = 2 if rng.random() < habits.check else 1
        lines = ["swap"] if swap else []
        for turn in range(passes):
            # Whoever goes over it again looks closer.
            working, digits = _columns(top, bottom, operator, habits.slip if turn == 0 else habits.slip / 4, rng)
            lines += (["check"] if turn else []) + working
        thinking = "\n".join(lines)
        answer = ("-" if swap else "") + (digits.lstrip("0") or "0")
    content = f"\\boxed{{{answer}}}"
    return [*task.messages, {"role": "assistant", "reasoning_content": thinking, "content": content}]


def _columns(top: int, bottom: int, operator: str, slip: float, rng: random.Random) -> tuple[list[str], str]:
    """One line a column from the right, such as `7+8+1=16` or `3-5-0=18` (8, and one borrowed); and the digits.

    Every line has the same length, which makes it easy for a small model to find its place.
    """
    width = max(len(str(top)), len(str(bottom)))
    lines, digits, carry = [], "", 0
    for x, y in zip(reversed(str(top).zfill(width)), reversed(str(bottom).zfill(width)), strict=True):
        value = int(x) + int(y) + carry if operator == "+" else int(x) - int(y) - carry
        left = f"{x}{operator}{y}{operator}{carry}"
        digit, carry = value % 10, int(not 0 <= value <= 9)
        if rng.random() < slip:
            digit = (digit + rng.randint(1, 9)) % 10
        lines.append(f"{left}={carry}{digit}")
        digits = str(digit) + digits
    return lines, ("1" if operator == "+" and carry else "") + digits


def _slip_digits(number: str, slip: float, rng: random.Random) -> str:
    return "".join(str(rng.randrange(10)) if c.isdigit() and rng.random() < slip else c for c in number)


def read_chats(path: Path) -> list[list[dict]]:
    """JSONL of {"messages": [...]}, each ending with the assistant.

    Raises:
        ValueError: with file and line number.
    """
    if not path.is_file():
        raise ValueError(f"there are no demonstrations at {path}")
    chats = list(_read_lines(path))
    if not chats:
        raise ValueError(f"{path} is empty: it needs one JSON object with `messages` a line")
    return chats


def _read_lines(path: Path) -> Iterator[list[dict]]:
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{where}: not valid JSON ({error})") from None
        messages = row.get("messages") if isinstance(row, dict) else None
        if not isinstance(messages, list) or not all(isinstance(m, dict) and "role" in m for m in messages):
            raise ValueError(f'{where}: needs {{"messages": [{{"role": ..., "content": ...}}, ...]}}')
        if not messages or messages[-1]["role"] != "assistant":
            raise ValueError(f"{where}: the last message must be the assistant's, which is what is learned")
        yield messages
