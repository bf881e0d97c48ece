"""metrics.jsonl and its shadow for TensorBoard.

The JSON lines are the truth; `events/` is written beside them and can be made anew from them.
"""

import json
import math
import time
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

from ponder.runs.atomic import AppendFile, write_bytes, write_text
from ponder.runs.meanings import check_names
from ponder.runs.wording import printable

Row = dict[str, Any]  # {"stage": str, "step": int, "time": Unix seconds, metric: float | None, ...}


class Evaluated(Protocol):
    """What an evaluation found after a step, under names of `meanings`."""

    @property
    def stage(self) -> str: ...

    @property
    def step(self) -> int: ...

    def metrics(self) -> dict[str, float]: ...


class MetricsLog:
    """Appends rows to metrics.jsonl and to a TensorBoard event file, which has the evaluations too. Files open when there
    is something to write."""

    def __init__(self, path: Path, events: Path):
        self.path, self.events = path, events
        self._rows: AppendFile | None = None
        self._event_file: AppendFile | None = None
        self._last: Row | None = None

    def append(self, stage: str, step: int, metrics: dict[str, float]) -> None:
        """Add one row. A value that is not finite becomes null in JSON and stays as it is in TensorBoard.

        Raises:
            AssertionError: a metric has a name that `meanings` does not know, or the step is recorded already.
        """
        check_names(metrics)
        self._open()
        if self._last is not None and self._last["stage"] == stage:
            assert step > self._last["step"], f"{stage} step {step} is already recorded: rewind the run first"
        now = time.time()
        metrics = {printable(name): float(value) for name, value in metrics.items()}
        finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        row = {"stage": stage, "step": step, "time": round(now, 3), **finite}
        self._rows.append((json.dumps(row, allow_nan=False) + "\n").encode())
        self._event_file.append(_event(now, stage, step, metrics))
        self._last = row

    def show_evaluation(self, result: Evaluated) -> None:
        """Add an evaluation to what TensorBoard shows; its file in evals/ is the truth."""
        self._open()
        self._event_file.append(_evaluation_event(time.time(), result))

    def _open(self) -> None:
        if self._rows is not None:
            return
        rows, torn = read_rows(self.path)
        assert not torn, f"{self.path} ends in half a line: rewind the run before writing"
        self._last = rows[-1] if rows else None
        self._rows = AppendFile(self.path)
        self._event_file = AppendFile(_new_event_file(self.events))
        self._event_file.append(_file_header())

    def rewrite(self, rows: list[Row], evals: Iterable[Evaluated]) -> None:
        """Replace everything by `rows` and `evals`, atomically; the event files are made anew."""
        self.close()
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in rows))
        events = _new_event_file(self.events)
        steps = [_row_event(row) for row in rows]
        evaluations = [_evaluation_event(time.time(), result) for result in evals]
        write_bytes(events, _file_header() + b"".join([*steps, *evaluations]))
        for path in self.events.glob("events.out.tfevents.*"):
            if path != events:
                path.unlink()

    def sync(self) -> None:
        if self._rows is not None:
            self._rows.sync()

    def close(self) -> None:
        if self._rows is not None:
            self._rows.close()
            self._event_file.close()
        self._rows = self._event_file = self._last = None


def read_rows(path: Path) -> tuple[list[Row], bool]:
    """Read metrics.jsonl, older versions' rows under today's names; the second value tells whether a killed writer left half a line at the end (left out here).

    Raises:
        ValueError: a line before the last is not a JSON object with a stage and a step.
    """
    if not path.exists():
        return [], False
    rows: list[Row] = []
    lines = path.read_bytes().split(b"\n")
    complete, tail = lines[:-1], lines[-1]
    for number, line in enumerate(complete, start=1):
        try:
            row = json.loads(line)
            row["stage"], row["step"]
        except (ValueError, KeyError, TypeError) as error:
            if number == len(complete) and not tail:
                return rows, True  # a power cut can leave a last line of zero bytes
            raise ValueError(f"{path}, line {number}: not a row of metrics ({error})") from error
        rows.append(_modern(row))
    return rows, bool(tail)


def series(rows: Iterable[Row], name: str) -> list[tuple[int, float]]:
    """(step, value) for the rows that hold a number under `name`."""
    return [(row["step"], row[name]) for row in rows if row.get(name) is not None]


def _modern(row: Row) -> Row:
    """A row as this version would have written it: 0.1.0 said judge for verify, and had no name for what was cut off."""
    if "time/judge_s" in row:
        row["time/verify_s"] = row.pop("time/judge_s")
    if "pass_rate" in row and "truncated_share" not in row:
        row["truncated_share"] = row.get("status/truncated", 0.0)
    return row


def _new_event_file(directory: Path) -> Path:
    return directory / f"events.out.tfevents.{int(time.time()):010d}"  # TensorBoard reads them in the order of names


def _file_header() -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event

    return _framed(Event(wall_time=time.time(), file_version="brain.Event:2"))


def _event(wall_time: float, stage: str, step: int, metrics: dict[str, float]) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    values = [Summary.Value(tag=f"{stage}/{printable(name)}", simple_value=value) for name, value in metrics.items()]
    return _framed(Event(wall_time=wall_time, step=step, summary=Summary(value=values)))


def _evaluation_event(wall_time: float, result: Evaluated) -> bytes:
    return _event(wall_time, result.stage, result.step, result.metrics())


def _row_event(row: Row) -> bytes:
    metrics = {name: value for name, value in row.items() if name not in ("stage", "step", "time")}
    finite = {name: math.nan if value is None else value for name, value in metrics.items()}
    return _event(row["time"], row["stage"], row["step"], finite)


def _framed(event: Any) -> bytes:
    """One record of an event file. Written here, not by a background thread, so that a full disk is an exception
    at the step that met it."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = BytesIO()
    RecordWriter(buffer).write(event.SerializeToString())
    return buffer.getvalue()
