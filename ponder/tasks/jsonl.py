"""JSON Lines: one object a line."""

import json
from collections.abc import Iterator
from pathlib import Path


def read_rows(file: Path) -> Iterator[tuple[int, dict]]:
    """(line number from 1, object) for each line that is not blank, read as a stream."""
    with file.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            place = f"{file}, line {number}"
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(f"{place}: not UTF-8 (byte {error.start} of the line): {error.reason}") from None
            if not text.strip():
                continue
            try:
                row = json.loads(text, parse_constant=_refuse_constant)
            except json.JSONDecodeError as error:
                raise ValueError(f"{place}, column {error.colno}: not JSON: {error.msg}") from None
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{place}: not usable JSON: {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"{place}: a JSON object is expected, not {type(row).__name__}")
            yield number, row


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
