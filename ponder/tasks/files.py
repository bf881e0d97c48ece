"""Rows of data files, by the endings of their names.

    .jsonl .ndjson     JSON Lines: one object a line (and so is read whatever has none of these endings)
    .json              a list of objects, or JSON Lines
    .csv .tsv          a table with its names in the first line; every value is text
    .parquet           a table, read in batches
    .jsonl.gz ...      the text ones, compressed

Files are named one by one, in a list, or by patterns (`data/*.parquet`, `data/**/*.jsonl`); `~` is the home directory.
What a file holds is foreign: every fault is a ValueError that names the file and the place in it.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from glob import glob, has_magic
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from ponder.tasks.jsonl import json_lines, json_value_fault, refuse_constant

MOST_JSON = 1 << 30  # bytes of a JSON list, which is in memory whole while it is read
MOST_VALUE = 1 << 26  # characters of a value in a CSV file
BATCH = 1_024  # rows of a Parquet file
ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")

Placed = tuple[str, dict[str, Any]]  # where a row stands, for messages to people, and the row


def find_files(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files of these names and patterns, each once, a pattern's in alphabetical order. ValueError for a name without
    a file, a pattern that matches none, and a directory."""
    found: dict[Path, None] = {}
    for path in [paths] if isinstance(paths, str | Path) else paths:
        try:
            found |= dict.fromkeys(_matching(path))
        except OSError as error:
            raise ValueError(f"{path} cannot be looked for: {error.strerror}") from None
    if not found:
        raise ValueError("no files are named")
    return list(found)


def _matching(path: str | Path) -> list[Path]:
    name = Path(path).expanduser()
    if name.is_dir():
        raise ValueError(f"{path} is a directory: name the files in it, for instance {name}/*{_usual(name)}")
    if name.is_file():
        return [name]
    if not has_magic(str(name)):
        raise ValueError(f"{path}: no such file")
    matching = [Path(match) for match in sorted(glob(str(name), recursive=True)) if Path(match).is_file()]
    if not matching:
        raise ValueError(f"{path}: no file matches this pattern")
    return matching


def read_files(files: Sequence[Path], limit: int | None = None) -> Iterator[Placed]:
    """(place, row) of each row, file after file; at most `limit` in all. One row is in memory at a time, of Parquet a
    batch of them, of a JSON list the file."""
    return islice((placed for file in files for placed in read_file(file)), limit)


def read_file(file: Path) -> Iterator[Placed]:
    """(place, row) of each row: "rows.jsonl, line 3", "rows.json, item 3" (both from 1), "rows.parquet, row 3" (from 0)."""
    name = file.name.lower()
    packed = name.endswith(".gz")
    ending = Path(name.removesuffix(".gz")).suffix
    if ending == ".parquet":
        if packed:
            raise ValueError(f"{file}: Parquet is compressed inside; unpack the .gz around it")
        yield from _parquet(file)
        return
    try:
        with gzip.open(file) if packed else file.open("rb") as stream:
            if ending == ".json":
                yield from _json(stream, file)
            elif ending in (".csv", ".tsv"):
                yield from _table(stream, file, "\t" if ending == ".tsv" else ",")
            else:
                yield from ((f"{file}, line {number}", row) for number, row in json_lines(stream, file))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{file}: not a whole .gz file: {error}") from None
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None


def check_text(row: dict[str, Any], place: str) -> None:
    """ValueError where a text of a row is none that could be encoded: JSON can spell half of a surrogate pair."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise ValueError(f"{place}: it holds {half} alone, half of a surrogate pair, which is no character") from None
    except RecursionError:
        raise ValueError(f"{place}: not usable: nested too deeply") from None


def _json(stream: BinaryIO, file: Path) -> Iterator[Placed]:
    first = stream.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if first != b"[":
        try:
            yield from ((f"{file}, line {number}", row) for number, row in json_lines(stream, file))
        except ValueError as error:
            raise ValueError(f"{error}; a .json file holds a list of objects, or one object a line") from None
        return
    content = stream.read(MOST_JSON + 1)
    if len(content) > MOST_JSON:
        raise ValueError(
            f"{file}: a JSON list of more than {MOST_JSON:,} bytes; write it as JSON Lines, one object a line"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 (byte {error.start}): {error.reason}") from None
    for number, value in enumerate(_items(text, file), start=1):
        if not isinstance(value, dict):
            raise ValueError(f"{file}, item {number}: a JSON object is expected, not {type(value).__name__}")
        yield f"{file}, item {number}", value


def _items(text: str, file: Path) -> Iterator[Any]:
    """The items of a JSON list, one after the other."""
    decoder = json.JSONDecoder(parse_constant=refuse_constant)
    at, number = _skip(text, text.index("[") + 1), 0
    while text[at : at + 1] != "]":
        number += 1
        if number > 1:
            if text[at : at + 1] != ",":
                raise ValueError(f"{file}, after item {number - 1}: not JSON: a comma or ] is expected")
            at = _skip(text, at + 1)
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{file}, item {number}: {json_value_fault(error)}") from None
        yield value
        at = _skip(text, at)
    if _skip(text, at + 1) != len(text):
        raise ValueError(f"{file}: not JSON: something follows the list")


def _skip(text: str, at: int) -> int:
    """Past white space."""
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def _table(stream: BinaryIO, file: Path, delimiter: str) -> Iterator[Placed]:
    csv.field_size_limit(MOST_VALUE)
    text = TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        names = next(reader, None)
        if names is None:
            return
        if doubled := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"{file}, line 1: two columns are named {doubled[0]!r}")
        line = 2
        for values in reader:
            place, line = f"{file}, line {line}", reader.line_num + 1
            if not values:
                continue  # an empty line
            if len(values) != len(names):
                raise ValueError(f"{place}: {len(values)} values, and the first line names {len(names)} columns")
            yield place, dict(zip(names, values, strict=True))
    except csv.Error as error:
        raise ValueError(f"{file}, line {reader.line_num}: not CSV: {error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}, after line {reader.line_num}: not UTF-8: {error.reason}") from None


def _parquet(file: Path) -> Iterator[Placed]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        with ParquetFile(file) as table:
            for batch in table.iter_batches(BATCH):
                for row in batch.to_pylist():
                    place = f"{file}, row {number}"
                    yield place, {name: _plain(value, f"{place}: field {name!r}") for name, value in row.items()}
                    number += 1
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{file}, after row {number}: not readable as Parquet: {error}") from None


def _plain(value: Any, where: str) -> Any:
    """A value of a table as JSON has it; numbers that are none are missing values, as pandas writes them."""
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            return value if value - value == 0 else None
        case list() | tuple():
            return [_plain(item, where) for item in value]
        case dict():
            return {str(name): _plain(inside, where) for name, inside in value.items()}
        case Decimal():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
    raise ValueError(f"{where} holds {type(value).__name__}, which is no text, number, list or object")


def _usual(directory: Path) -> str:
    """The ending that most data files of a directory have."""
    endings = [path.suffix for path in directory.iterdir() if path.suffix in ENDINGS]
    return max(endings, key=endings.count, default=".jsonl")
