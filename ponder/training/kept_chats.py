"""What stages that make demonstrations leave in a run:

demonstrations/STAGE.jsonl             a chat a line, with its task and the step that it comes from
demonstrations/STAGE/samples.jsonl     every answer with its verdict, as an evaluation keeps them; none is asked for twice
demonstrations/STAGE/asked.json        whom and how it was asked
"""

import io
import json
from pathlib import Path
from typing import Any

from ponder.evals.store import SampleStore
from ponder.runs.atomic import AppendFile, put_aside, write_json, write_text
from ponder.runs.places import checked_stage
from ponder.tasks.jsonl import json_lines

ASKED = "asked.json"
Row = dict[str, Any]


def chats_file(run: Path, stage: str) -> Path:
    return run / "demonstrations" / f"{checked_stage(stage)}.jsonl"


def open_answers(run: Path, stage: str, asked: dict[str, Any]) -> SampleStore:
    """The answers of a stage so far. Where others were asked, or otherwise, these answers are put aside."""
    directory = chats_file(run, stage).with_suffix("")
    if (directory / ASKED).exists() and json.loads((directory / ASKED).read_text("utf-8")) != asked:
        put_aside(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / ASKED, asked)
    return SampleStore(directory)


class ChatsKept:
    """The demonstrations of a stage, those of steps after `step` dropped.

    Attributes:
        count: of demonstrations
    """

    def __init__(self, path: Path, step: int):
        rows = [row for row in _read(path) if row["step"] <= step]
        write_text(path, "".join(_line(row) for row in rows))
        self._file, self.count = AppendFile(path), 0
        self._texts: dict[str, set[str]] = {}  # by task
        self._note(rows)

    def of_task(self, task: str) -> set[str]:
        """What is kept of a task, as `text_of` has it."""
        return self._texts.get(task, set())

    def add(self, rows: list[Row]) -> None:
        """On the disk when this returns. Raises SaveError where that is full."""
        self._file.append("".join(map(_line, rows)).encode())
        self._file.sync()
        self._note(rows)

    def close(self) -> None:
        self._file.close()

    def _note(self, rows: list[Row]) -> None:
        self.count += len(rows)
        for row in rows:
            self._texts.setdefault(row["task"], set()).add(text_of(row["messages"][-1]))


def text_of(message: dict[str, Any]) -> str:
    """An assistant's message as a text that tells it from others."""
    return json.dumps(message, sort_keys=True)


def _read(path: Path) -> list[Row]:
    """A last line that a kill has torn is left out."""
    content = path.read_bytes() if path.exists() else b""
    return [row for _, row in json_lines(io.BytesIO(content[: content.rfind(b"\n") + 1]), path)]


def _line(row: Row) -> str:
    """ASCII: a lone surrogate in an answer cannot be UTF-8."""
    return json.dumps(row, ensure_ascii=True) + "\n"
