"""A benchmark's problems: from files, or from the hub, to tasks, with the hash of what was read."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from ponder.evals.protocol import Data, Protocol
from ponder.extras import how_to_install
from ponder.tasks.benchmarks import data_directories
from ponder.tasks.faults import listed_faults
from ponder.tasks.fields import field_or_none
from ponder.tasks.files import check_text, read_file
from ponder.tasks.rows import reader_for
from ponder.tasks.task import Task
from ponder.verifiers.table import VERIFIERS

Placed = tuple[str, str, dict[str, Any]]  # the file's name, the place for people, the row


@dataclass(frozen=True)
class Loaded:
    """
    tasks: in the order of the data; one that no known tests can judge has the reference None
    ids: of the problems, each once: the task's, with "-2" and so on where a benchmark asks the same question again
    categories: of each task in the benchmark's own division, "" where it has none
    source: the files, or the data set with its revision
    sha256: of the file's content; of several, of the lines that sha256sum prints of them; of a data set of the hub, of its
        rows as JSON
    remarks: what a reader of the result should know of the data, such as that they are another version
    unscorable: why nothing can be judged, and what to fetch; None where all can
    """

    tasks: list[Task]
    ids: list[str]
    categories: list[str]
    source: str
    sha256: str
    remarks: tuple[str, ...] = ()
    unscorable: str | None = None


@dataclass(frozen=True)
class _Rows:
    rows: list[Placed]
    source: str
    sha256: str
    fields: dict[str, str]


def load_problems(protocol: Protocol, directories: Sequence[str | Path] = ()) -> Loaded:
    """The problems of a benchmark: from `directories`, from the directories where benchmarks are looked for by name
    (ponder.tasks.benchmarks), else from the hub where the protocol names a data set there.

    Raises:
        ValueError: where the data are missing, with what to fetch and how; for rows that cannot be used or that stand
            twice, all of them by file and line, with the hash of what was read. A benchmark without some of its rows
            would be another benchmark, so none is left out in silence.
    """
    searched = [Path(directory).expanduser() for directory in directories] + data_directories()
    read = _from_files(protocol, searched) or _from_hub(protocol, searched)
    data = protocol.data
    tests = _tests(data, searched, {str(row.get(data.tests_key)) for _, _, row in read.rows})
    by_tests = VERIFIERS[protocol.verifier].costly
    judged = not by_tests or not read.rows or _has_tests(read.rows[0][2], read.fields) or tests
    tasks, categories, faults = [], [], []
    reader = None
    for file, place, row in read.rows:
        try:
            check_text(row, place)
            if not _counts(row, protocol, place):
                continue
            if data.tests and tests:
                row = _with_tests(row, tests, data, place)
            task = None if judged else _question(row, protocol, place)
            if task is None:
                reader = reader or reader_for(
                    row,
                    read.fields,
                    place=place,
                    source=protocol.name,
                    domain=protocol.domain,
                    prompt=protocol.prompt,
                    verifier=protocol.verifier,
                )
                task = reader.task(row, place)
            tasks.append(_as_asked(task, protocol, place))
            categories.append(_category(row, data, file))
        except ValueError as error:
            faults.append(str(error))
    known = data.sha256 == read.sha256
    ids, repeats = _ids(tasks)
    if not known:
        faults += repeats
    if faults:
        listed = listed_faults(faults, f"rows of {protocol.name} cannot be used")
        raise ValueError(f"{listed}\n(read: {read.source}, sha256 {read.sha256})")
    if not tasks:
        what = f" from {protocol.window[0]} to {protocol.window[1]}" if protocol.window else ""
        raise ValueError(f"{protocol.name}: {read.source} holds no problem{what}")
    places = [replace(task, place=_short(task.place)) for task in tasks]
    remarks = () if known else _remarks(protocol, read, len(tasks))
    unscorable = (
        None
        if judged
        else f"{protocol.name}: answers can be made, but not judged: {data.missing or 'the rows hold no tests'}"
    )
    return Loaded(places, ids, categories, read.source, read.sha256, remarks, unscorable)


# ---- where the rows are ----


def _from_files(protocol: Protocol, searched: Sequence[Path]) -> _Rows | None:
    """The rows of the first directory that holds all files; None where the protocol names none, or there are none."""
    names = protocol.data.files
    if not names:
        return None
    for directory in searched:
        files = [directory / name for name in names]  # an absolute name stays what it is
        if all(file.is_file() for file in files):
            rows = [(file.stem, place, row) for file in files for place, row in read_file(file)]
            shown = ", ".join(Path(name).name if Path(name).is_absolute() else name for name in names)
            return _Rows(rows, shown, _hash(files), protocol.data.fields)
    return None


def _from_hub(protocol: Protocol, searched: Sequence[Path]) -> _Rows:
    data = protocol.data
    where = ", ".join(dict.fromkeys(map(str, searched)))
    lacking = (
        f"{protocol.name}: no {' or '.join(data.files[:2]) or 'file'}{' ...' if len(data.files) > 2 else ''} in {where}"
        if data.files
        else protocol.name
    )
    remedy = f"{data.missing}. " if data.missing else ""
    put = "Name its directory with --data DIR, or in the environment variable PONDER_DATA"
    if data.hub is None:
        raise ValueError(f"{lacking}. {remedy}{put}")
    try:
        import datasets
    except ImportError:
        raise ValueError(
            f"{lacking}, and the hub's data set {data.hub} needs the package `datasets`: {how_to_install('data')}. "
            f"Or without the hub: {remedy}{put}"
        ) from None
    try:
        table = datasets.load_dataset(data.hub, data.config, split=data.split, revision=data.revision)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise ValueError(
            f"{lacking}, and the hub's data set {data.hub} cannot be loaded: {str(error)[:500]}. "
            f"Or without the hub: {remedy}{put}"
        ) from error
    source = f"hub:{data.hub}" + (f"/{data.config}" if data.config else "") + f"[{data.split}]"
    source += f"@{data.revision}" if data.revision else ""
    rows = [(data.hub, f"{source}, row {number}", dict(row)) for number, row in enumerate(table)]
    digest = sha256()
    for _, _, row in rows:
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False, default=str).encode() + b"\n")
    return _Rows(rows, source, digest.hexdigest(), data.hub_fields or data.fields)


def _hash(files: Sequence[Path]) -> str:
    hashes = []
    for file in files:
        with file.open("rb") as stream:
            hashes.append(file_digest(stream, "sha256").hexdigest())
    if len(hashes) == 1:
        return hashes[0]
    lines = "".join(f"{digest}  {file.name}\n" for digest, file in zip(hashes, files, strict=True))
    return sha256(lines.encode()).hexdigest()


# ---- which rows count, and as what ----


def _counts(row: Mapping[str, Any], protocol: Protocol, place: str) -> bool:
    for name, (first, last) in protocol.data.only.items():
        value = field_or_none(row, name)
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise ValueError(f"{place}: {name} is {value!r:.100}; a whole number says which rows count") from None
        if not first <= number <= last:
            return False
    if protocol.window is None:
        return True
    name = protocol.data.date or "date"
    value = field_or_none(row, name)
    try:
        day = date.fromisoformat(str(value)[:10])
    except ValueError:
        raise ValueError(
            f"{place}: {name} is {value!r:.100}; a window of dates needs a day, such as 2024-08-03"
        ) from None
    return protocol.window[0] <= day <= protocol.window[1]


def _as_asked(task: Task, protocol: Protocol, place: str) -> Task:
    reference = task.reference
    if reference is not None:
        try:
            reference = VERIFIERS[protocol.verifier].read_reference(reference)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
    system = () if protocol.system is None else ({"role": "system", "content": protocol.system},)
    metadata = task.metadata | protocol.metadata
    return replace(task, messages=(*system, *task.messages), reference=reference, metadata=metadata)


def _category(row: Mapping[str, Any], data: Data, file: str) -> str:
    if data.category == "file":
        return file
    value = field_or_none(row, data.category) if data.category else None
    return "" if value is None else str(value)


def _ids(tasks: Sequence[Task]) -> tuple[list[str], list[str]]:
    """An id for each problem, and a fault for each that is one of the others word for word, tools and all."""
    ids, seen, places, faults = [], Counter[str](), {}, []
    for task in tasks:
        seen[task.id] += 1
        ids.append(task.id if seen[task.id] == 1 else f"{task.id}-{seen[task.id]}")
        same = (task.id, json.dumps(task.tools, sort_keys=True))
        if same in places:
            faults.append(f"{task.place}: the same problem as {_short(places[same])}; take one of them out")
        places.setdefault(same, task.place)
    return ids, faults


def _short(place: str) -> str:
    """ "gsm8k_test.jsonl, line 12" of a place with the whole path."""
    path, comma, line = place.rpartition(", ")
    return f"{Path(path).name}{comma}{line}" if comma and not path.startswith("hub:") else place


def _remarks(protocol: Protocol, read: _Rows, count: int) -> tuple[str, ...]:
    remarks = []
    if protocol.data.rows is not None and count != protocol.data.rows:
        remarks.append(f"{protocol.name}: {read.source} has {count} problems, the protocol {protocol.data.rows}")
    if protocol.data.sha256 is not None:
        remarks.append(
            f"{protocol.name}: {read.source} is not the version that the protocol names: its sha256 is "
            f"{read.sha256}, not {protocol.data.sha256}"
        )
    return tuple(remarks)


# ---- tests that lie elsewhere ----


def _has_tests(row: Mapping[str, Any], fields: Mapping[str, str]) -> bool:
    """Whether a row of programming holds tests: any of the forms of ponder.tasks.code_rows."""
    own = field_or_none(row, fields.get("answer", "tests"))
    named_elsewhere = isinstance(own, Mapping) and "tests" not in own
    known = ("test", "test_list", "public_test_cases", "private_test_cases")
    return any(row.get(name) for name in known) or (own not in (None, "", []) and not named_elsewhere)


def _tests(data: Data, searched: Iterable[Path], wanted: set[str]) -> dict[str, dict[str, Any]]:
    """Rows with tests by their key, those that are wanted (the files have gigabytes); of the first directory that has all
    the files."""
    for directory in searched:
        files = [directory / name for name in data.tests]
        if files and all(file.is_file() for file in files):
            rows = (row for file in files for _, row in read_file(file))
            return {key: row for row in rows if (key := str(row.get(data.tests_key))) in wanted}
    return {}


def _with_tests(row: dict[str, Any], tests: Mapping[str, dict[str, Any]], data: Data, place: str) -> dict[str, Any]:
    found = tests.get(str(row.get(data.tests_key)))
    if found is None:
        raise ValueError(
            f"{place}: no tests for {data.tests_key} {row.get(data.tests_key)!r} in {', '.join(data.tests)}"
        )
    # Not its question_content: the question stays as the protocol's own file words it.
    names = ("public_test_cases", "private_test_cases", "starter_code", "metadata")
    return row | {name: found[name] for name in names if name in found}


def _question(row: Mapping[str, Any], protocol: Protocol, place: str) -> Task:
    """A task that can be asked and not judged."""
    plain = reader_for(
        {"prompt": "", "answer": ""},
        {"prompt": protocol.data.fields.get("prompt", "prompt")},
        place=place,
        source=protocol.name,
        domain=protocol.domain,
        prompt=protocol.prompt,
        verifier="math",
    )
    return replace(plain.task({**row, "answer": "-"}, place), reference=None, verifier=protocol.verifier)
