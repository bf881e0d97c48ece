"""Tasks from JSON Lines: one object a line, with a mapping of field names. Known benchmarks load by name alone."""

from collections.abc import Mapping
from pathlib import Path

from ponder.tasks.benchmarks import BENCHMARKS, find_file
from ponder.tasks.faults import listed_faults
from ponder.tasks.jsonl import read_rows
from ponder.tasks.rows import reader_for
from ponder.tasks.task import Task


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
