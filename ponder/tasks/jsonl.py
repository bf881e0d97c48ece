"""Tasks from JSON Lines: one object a line, with a mapping of field names. Known benchmarks load by name alone."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ponder.tasks.rows import reader_for
from ponder.tasks.suggest import unknown_name
from ponder.tasks.task import Task

MAX_FAULTS = 20  # that a message lists

# Field mappings of benchmark files that are found by name alone (NAME.jsonl in a data directory).
BENCHMARKS: dict[str, dict[str, str]] = {
    "gsm8k_test": {"prompt": "question", "answer": "answer"},
    "math500": {"prompt": "problem", "answer": "answer"},
    "aime24": {"prompt": "prompt", "answer": "answer"},
    "aime25": {"prompt": "prompt", "answer": "answer"},
    "humaneval": {"verifier": "code"},
    "mbpp": {"verifier": "code"},
    "ifeval": {"verifier": "instructions"},
    "mmlu_stem": {"verifier": "choice"},
}


def jsonl_tasks(
    path: str | Path,
    fields: Mapping[str, str] | None = None,
    domain: str | None = None,
    prompt: str | None = None,
    verifier: str | None = None,
) -> list[Task]:
    """All tasks of a JSON Lines file, or of a benchmark named in BENCHMARKS.

    `fields` maps "prompt", "answer", and if wanted "domain" and "verifier", to the file's field names (see
    `row_reader`). `domain` and `verifier` ("math" both, by default) hold for all rows. `prompt` is "boxed" by default:
    the guidelines' sentence is added to each question that does not carry it already. An answer in GSM8K's form counts
    from its `####`. With the verifier "code" rows are programming tasks, in one of several forms (see
    `ponder.tasks.code_rows`), and `domain` and `prompt` are "code" by default; the forms for "choice", "instructions"
    and "function_calls" are in `ponder.tasks.rule_rows`. Every fault of the file is a ValueError that names the file and
    the line; of faults of rows, the first MAX_FAULTS.
    """
    file, source = find_file(path), str(path)
    if fields is None:
        fields = BENCHMARKS.get(source)
        verifier = verifier or (fields or {}).get("verifier")  # not a field of the row: MBPP has one called "code"
    reader, tasks, faults = None, [], []
    for number, row in read_rows(file):
        place = f"{file}, line {number}"
        if reader is None:
            reader = reader_for(
                row, fields, place=place, source=source, domain=domain, prompt=prompt, verifier=verifier
            )
        try:
            tasks.append(reader.task(row, place))
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError(listed_faults(faults, f"rows of {file} cannot be read"))
    if not tasks:
        raise ValueError(f"{file}: the file holds no task, only {file.stat().st_size} bytes of white space or nothing")
    return tasks


def listed_faults(faults: Sequence[str], what: str) -> str:
    """The one fault, or how many there are (`what` says of what kind) with the first MAX_FAULTS, a line each."""
    if len(faults) == 1:
        return faults[0]
    shown = "".join(f"\n  {fault}" for fault in faults[:MAX_FAULTS])
    more = f"\n  ... and {len(faults) - MAX_FAULTS:,} more" if len(faults) > MAX_FAULTS else ""
    return f"{len(faults):,} {what}:{shown}{more}"


def data_directories() -> list[Path]:
    """Where benchmark names are looked up: the directories in PONDER_DATA, then ./data, then ../shared/data."""
    named = [Path(entry) for entry in os.environ.get("PONDER_DATA", "").split(os.pathsep) if entry]
    return [*named, Path("data"), Path("..", "shared", "data")]


def find_file(path: str | Path) -> Path:
    """The file itself, or the benchmark file of that name; ValueError with the places searched."""
    if Path(path).is_file():
        return Path(path)
    if Path(path).is_dir():
        raise ValueError(f"{path} is a directory: name one JSON Lines file in it")
    name = str(path)
    if name not in BENCHMARKS:
        raise ValueError(f"{path}: no such file. {unknown_name('benchmark', name, BENCHMARKS)}")
    searched = data_directories()
    for directory in searched:
        if (directory / f"{name}.jsonl").is_file():
            return directory / f"{name}.jsonl"
    raise ValueError(
        f"Benchmark {name!r}: no {name}.jsonl in {', '.join(map(str, searched))}. "
        "Put the file into one of these, or name its directory in the environment variable PONDER_DATA"
    )


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
