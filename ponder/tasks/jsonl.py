"""JSON Lines: one object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MOST_LINE = 1 << 28  # bytes


def read_rows(file: Path) -> Iterator[tuple[int, dict]]:
    """(line number from 1, object) for each line that is not blank, read as a stream. ValueError that names file and
    line."""
    with file.open("rb") as stream:
        yield from json_lines(stream, file)


def json_lines(stream: BinaryIO, file: Path) -> Iterator[tuple[int, dict]]:
    """The same for a file that is open; `file` names it in errors."""
    number = 0
    while line := stream.readline(MOST_LINE + 1):
        number += 1
        place = f"{file}, line {number}"
        if len(line) > MOST_LINE:
            raise ValueError(f"{place}: longer than {MOST_LINE:,} bytes")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{place}: not UTF-8 (byte {error.start} of the line): {error.reason}") from None
        if not text.strip():
            continue
        try:
            row = json.loads(text, parse_constant=refuse_constant)
        except json.JSONDecodeError as error:
            raise ValueError(f"{place}, column {error.colno}: not JSON: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{place}: {json_value_fault(error)}") from None
        if not isinstance(row, dict):
            raise ValueError(f"{place}: a JSON object is expected, not {type(row).__name__}")
        yield number, row


def json_value_fault(error: Exception) -> str:
    """What is wrong with a JSON value, in words."""
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
    return f"not usable JSON: {error}"


def refuse_constant(name: str) -> None:
    """For `json.loads`, which else takes NaN and Infinity."""
    raise ValueError(f"{name} is not a JSON number")
