"""The directory of one evaluation: written a line an answer, so that a kill loses at most what was in flight."""

import io
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from ponder.evals.records import Manifest, Problem, Sample, from_json, to_json
from ponder.runs.atomic import AppendFile, write_bytes, write_json
from ponder.runs.lock import RunLock
from ponder.tasks.jsonl import json_lines

MANIFEST, PROBLEMS, SAMPLES = "eval.json", "problems.jsonl", "samples.jsonl"
Key = tuple[str, str, int]  # bench, problem, number of the sample


@dataclass(frozen=True)
class Evaluation:
    """All that an evaluation has left. `samples`: the last word on each (bench, problem, sample), in the order of the
    problems; whatever was cut off at the end of the file by a kill is not among them."""

    manifest: Manifest
    problems: list[Problem]
    samples: list[Sample]


def read(directory: Path) -> Evaluation:
    """
    Raises:
        ValueError: there is no evaluation, or a file of it is broken; names file and line.
    """
    manifest = _manifest(directory)
    problems = [
        from_json(Problem, row, f"{directory / PROBLEMS}, line {number}")
        for number, row in _rows(directory / PROBLEMS, whole=True)
    ]
    latest = _latest(directory)
    order = {(problem.bench, problem.id): at for at, problem in enumerate(problems)}
    known = [sample for (bench, problem, _), sample in latest.items() if (bench, problem) in order]
    return Evaluation(manifest, problems, sorted(known, key=lambda s: (order[s.bench, s.problem], s.sample)))


class SampleStore:
    """The file of answers in a directory that is there. `done`: those that did not fail.

    Raises:
        ValueError: a line of it is broken; names it.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        self.done = {key: sample for key, sample in _latest(directory).items() if sample.failure is None}
        self._file = AppendFile(directory / SAMPLES)
        self._cut_torn_line()

    def add(self, sample: Sample) -> None:
        """On the disk when this returns. Raises SaveError where that is full."""
        self._file.append(_line(to_json(sample)).encode())
        self._file.sync()
        if sample.failure is None:
            self.done[sample.bench, sample.problem, sample.sample] = sample

    def close(self) -> None:
        self._file.close()

    def _cut_torn_line(self) -> None:
        """What a kill has left of a last line would be joined with the next one."""
        path = self.directory / SAMPLES
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)


class Store(SampleStore):
    """Writes an evaluation, or goes on with one. One process at a time.

    Raises:
        ValueError: the directory holds another evaluation, and what differs; or is being written.
    """

    def __init__(self, directory: Path, manifest: Manifest, problems: list[Problem]):
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = RunLock(directory)
        try:
            lines = "".join(_line(to_json(problem)) for problem in problems)
            if (directory / MANIFEST).exists():
                _refuse_another(directory, _manifest(directory), manifest)
            else:
                # The problems first: where there is a manifest, all is there.
                write_bytes(directory / PROBLEMS, lines.encode())
                write_json(directory / MANIFEST, manifest.to_json())
            super().__init__(directory)
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        super().close()
        self._lock.release()


def _line(row: dict) -> str:
    """ASCII: a lone surrogate in an answer cannot be UTF-8."""
    return json.dumps(row, ensure_ascii=True) + "\n"


def _manifest(directory: Path) -> Manifest:
    path = directory / MANIFEST
    try:
        return Manifest.from_json(json.loads(path.read_text("utf-8")), str(path))
    except FileNotFoundError:
        raise ValueError(
            f"{directory} holds no evaluation (no {MANIFEST}): make one with ponder eval MODEL --to DIR"
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is not JSON ({error.msg}, line {error.lineno}): the evaluation cannot be read"
        ) from None


def _rows(path: Path, whole: bool) -> list[tuple[int, dict]]:
    """The lines of a file; without `whole` one that lacks its line end was torn by a kill and is left out."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if whole:
            raise ValueError(f"{path} is missing: the evaluation cannot be read without it") from None
        return []
    return list(json_lines(io.BytesIO(content if whole else content[: content.rfind(b"\n") + 1]), path))


def _latest(directory: Path) -> dict[Key, Sample]:
    """The last answer to each sample, and of several the last that did not fail."""
    latest: dict[Key, Sample] = {}
    path = directory / SAMPLES
    try:
        for number, row in _rows(path, whole=False):
            sample = from_json(Sample, row, f"{path}, line {number}")
            key = (sample.bench, sample.problem, sample.sample)
            if key not in latest or sample.failure is None or latest[key].failure is not None:
                latest[key] = sample
    except ValueError as error:
        raise ValueError(f"{error}. Take the line out: the evaluation's own command asks again what it held") from None
    return latest


def _refuse_another(directory: Path, there: Manifest, wanted: Manifest) -> None:
    """An evaluation goes on only as it began; day and processor may be others."""
    wanted = replace(wanted, started=there.started, processor=there.processor)
    if there == wanted:
        return
    before, now = there.to_json(), wanted.to_json()
    differs = [name for name in before if before[name] != now[name]]
    if "benchmarks" in differs:
        differs.remove("benchmarks")
        names = {*there.benchmarks, *wanted.benchmarks}
        differs += sorted(n for n in names if there.benchmarks.get(n) != wanted.benchmarks.get(n))
    raise ValueError(
        f"{directory} holds an evaluation that differs in {', '.join(differs)}: name another directory with --to DIR, or "
        "ask for the same"
    )
