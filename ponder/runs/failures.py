"""verifier_errors.jsonl: answers that a verifier failed on (error or timeout), the newest few hundred, cut to size.

A failed verdict is no verdict on the answer, so these are kept apart, to be looked at: each row has the stage and step,
`during` ("training" or "evaluation"), the task, the verifier, the status and its reason, the question, the end of the
answer, and the reference.
"""

import json
from pathlib import Path
from typing import Any

from ponder.runs.atomic import write_text

FAILURES_FILE = "verifier_errors.jsonl"
FAILURES_KEPT = 500  # rows
LONGEST = {"question": 500, "reason": 500, "reference": 500}  # characters, from the start
LONGEST_ANSWER = 500  # from the end, where the answer is
TEXTS = ("stage", "during", "task_id", "source", "verifier", "status", "question", "reason", "reference", "answer")

Row = dict[str, Any]


def failure_row(
    *, task_id: str, source: str, verifier: str, status: str, reason: str, question: str, answer: str, reference: str
) -> Row:
    """One failed verdict, without the place in the run, its texts cut."""
    texts = {"question": question, "reason": reason, "reference": reference}
    cut = {name: _start(text, LONGEST[name]) for name, text in texts.items()}
    end = answer if len(answer) <= LONGEST_ANSWER else f"... {answer[-LONGEST_ANSWER:]}"
    return {"task_id": task_id, "source": source, "verifier": verifier, "status": status, **cut, "answer": end}


def add_failures(path: Path, stage: str, step: int, during: str, rows: list[Row]) -> None:
    """Write the rows of a step behind the others; they take the place of what an earlier try at the step left."""
    if not rows and not path.exists():
        return
    place = {"stage": stage, "step": step, "during": during}
    before = read_failures(path)
    others = [row for row in before if any(row.get(key) != value for key, value in place.items())]
    if rows or len(others) < len(before):
        write_failures(path, [*others, *({**place, **row} for row in rows)])


def write_failures(path: Path, rows: list[Row]) -> None:
    """Replace the file, atomically, by the newest of the rows."""
    lines = (json.dumps(row, ensure_ascii=False) for row in rows[-FAILURES_KEPT:])
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_failures(path: Path) -> list[Row]:
    """All rows, oldest first. A line that is none (somebody has edited the file) is left out: a run goes on without."""
    if not path.exists():
        return []
    found = []
    for line in path.read_bytes().split(b"\n"):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if (
            isinstance(row, dict)
            and all(isinstance(row.get(name), str) for name in TEXTS)
            and type(row.get("step")) is int
        ):
            found.append(row)
    return found


def _start(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]} ..."
