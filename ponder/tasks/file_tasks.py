"""Tasks from the rows of files, with a mapping of field names. Known benchmarks load by name alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ponder.tasks.benchmarks import BENCHMARKS, find_benchmark
from ponder.tasks.faults import listed_faults
from ponder.tasks.files import check_text, find_files, read_files
from ponder.tasks.rows import reader_for
from ponder.tasks.suggest import unknown_name
from ponder.tasks.task import Task


def file_tasks(
    path: str | Path | Sequence[str | Path],
    fields: Mapping[str, str] | None = None,
    domain: str | None = None,
    prompt: str | None = None,
    verifier: str | None = None,
    limit: int | None = None,
) -> list[Task]:
    """All tasks of a file, of several (a list of names and patterns, `ponder.tasks.files`), or of a benchmark named in
    BENCHMARKS; of the first `limit` rows, where that is given.

    `fields` maps "prompt", "answer", and if wanted "domain" and "verifier", to the file's field names, or to paths into
    nested fields (`reward_model.ground_truth`; see `row_reader`). `domain` and `verifier` ("math" both, by default) hold for all rows. `prompt` is "boxed" by default:
    the guidelines' sentence is added to each question that does not carry it already. An answer in GSM8K's form counts
    from its `####`. With the verifier "code" rows are programming tasks, in one of several forms (see
    `ponder.tasks.code_rows`), and `domain` and `prompt` are "code" by default; the forms for "choice", "instructions"
    and "function_calls" are in `ponder.tasks.rule_rows`. Every fault of a file is a ValueError that names the file and
    the line; of faults of rows, the first MAX_FAULTS.
    """
    source, files = _source(path), files_of(path)
    if fields is None:
        fields = BENCHMARKS.get(source)
        verifier = verifier or (fields or {}).get("verifier")  # not a field of the row: MBPP has one called "code"
    reader, tasks, faults = None, [], []
    for place, row in read_files(files, limit):
        if reader is None:
            reader = reader_for(
                row, fields, place=place, source=source, domain=domain, prompt=prompt, verifier=verifier
            )
        try:
            check_text(row, place)
            tasks.append(reader.task(row, place))
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError(listed_faults(faults, f"rows of {source} cannot be read"))
    if not tasks:
        size = sum(file.stat().st_size for file in files)
        what = "the file holds" if len(files) == 1 else f"the {len(files)} files hold"
        raise ValueError(f"{source}: {what} no task, only {size} bytes of white space or nothing")
    return tasks


def files_of(path: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files that a path of a source leads to: those that it names, or that of a known benchmark. ValueError."""
    source = _source(path)
    if source in BENCHMARKS and not Path(source).exists():
        return [find_benchmark(source)]
    try:
        return find_files(path)
    except ValueError as error:
        if isinstance(path, str) and str(error).endswith("no such file"):
            raise ValueError(f"{error}. {unknown_name('benchmark', path, BENCHMARKS)}") from None
        raise


def _source(path: str | Path | Sequence[str | Path]) -> str:
    return str(path) if isinstance(path, str | Path) else ", ".join(map(str, path))
