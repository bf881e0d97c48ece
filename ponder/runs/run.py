"""One run directory: created once, written by one process at a time, readable by anyone at any moment."""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ponder.runs.atomic import NOTHING_YET, SaveError, clean_leftovers, replacing_directory, write_json, write_text
from ponder.runs.benchmarks import BenchmarkResult, benchmark_directories, read_results
from ponder.runs.failures import FAILURES_FILE, add_failures, read_failures
from ponder.runs.lineage import format_of, now, older, read_lineage, refuse_newer, resumed
from ponder.runs.lock import RunLock
from ponder.runs.metrics import MetricsLog, Row, read_rows
from ponder.runs.places import (
    checked_stage,
    in_order,
    is_run,
    place_of,
    planned_stages,
    refuse_occupied,
    rollout_file,
    rollout_files,
    step_files,
)
from ponder.runs.results import EvalResult
from ponder.runs.rewind import Rewound, drop_later, later_than
from ponder.runs.rollouts import read_rollouts, write_rollouts
from ponder.runs.tracking import Tracker, Tracking
from ponder.runs.wording import printable


class Run:
    """A run directory. Reading needs no lock; the first write takes it (or `lock()` does, earlier). Steps count from 1 within
    each stage. Every write is whole or absent after a kill. Writing raises `SaveError` when
    the disk is full and ValueError when another process holds the run.
    """

    def __init__(self, path: Path):
        self.path = path
        self._lock: RunLock | None = None
        self._log = MetricsLog(path / "metrics.jsonl", path / "events")
        self._tracking: Tracking | None = None
        self._steps = 0  # of all stages; counted while trackers follow
        self._made_directory = False  # whether `create` made it, or found it empty

    @classmethod
    def create(cls, path: Path | str, recipe_text: str, lineage: dict[str, Any]) -> "Run":
        """Start a run in a new or empty directory and hold its lock. `lineage` is from `lineage.new_lineage`.

        Raises:
            ValueError: the directory already holds something. SaveError: there is no room; nothing is left behind.
        """
        run = cls(Path(path))
        refuse_occupied(run.path)
        run._made_directory = not run.path.exists()
        run.path.mkdir(parents=True, exist_ok=True)
        run._take_lock()
        try:
            refuse_occupied(run.path)
            write_json(run.path / "lineage.json", lineage)
            write_text(run.path / "recipe.yaml", recipe_text)  # last: with both it is a run
        except SaveError as error:
            run.discard()
            error.advice = NOTHING_YET
            raise
        except BaseException:
            run.close()
            raise
        return run

    @classmethod
    def open(cls, path: Path | str) -> "Run":
        """Open an existing run for reading; it turns to writing with the first write.

        Raises:
            ValueError: `path` is not a run directory, or is of a newer Ponder.
        """
        path = Path(path)
        if not is_run(path):
            reason = "there is no lineage.json" if path.is_dir() else "there is no such directory"
            raise ValueError(f"{path} is not a run: {reason}. Start one with: ponder train RECIPE --run {path}")
        refuse_newer(path, read_lineage(path))
        return cls(path)

    def lock(self) -> None:
        """Take the right to write, and tidy up after a killed predecessor. To resume, call this before looking for the
        latest checkpoint: tidying up can bring back one that a kill caught in the middle of its replacement.

        Raises:
            ValueError: another process holds it, or the run is of an older format.
        """
        if self._lock is None:
            if refusal := self.read_only_because():
                raise ValueError(refusal)
            self._take_lock()

    def _take_lock(self) -> None:
        self._lock = RunLock(self.path)
        deeper = [*self.path.glob("*/"), *self.path.glob("rollouts/*/"), *benchmark_directories(self.path)]
        for directory in [self.path, *(path for path in deeper if path.is_dir())]:
            clean_leftovers(directory)

    def follow(self, trackers: Sequence[Tracker], say: Callable[[str], None]) -> None:
        """Hand what is recorded from now on to `trackers` as well, until the run is closed. They never hold it up; `say`
        tells people of one that fails."""
        self._tracking = Tracking(trackers, say)
        self._steps = len(self.metrics())

    def close(self) -> None:
        """Close the files and give up the lock. Safe to call twice."""
        if self._tracking is not None:
            self._tracking.close()
            self._tracking = None
        self._log.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def discard(self) -> None:
        """Remove what the run has written, and its directory where `create` made it. What cannot be removed stays."""
        self.close()
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if self._made_directory:
            with suppress(OSError):
                self.path.rmdir()

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def recipe_text(self) -> str:
        return (self.path / "recipe.yaml").read_text(encoding="utf-8")

    @property
    def lineage(self) -> dict[str, Any]:
        return read_lineage(self.path)

    @property
    def format(self) -> int:
        """Of its files; 1 of the runs of Ponder 0.1.0, which do not say."""
        return format_of(self.lineage)

    def read_only_because(self) -> str | None:
        """Why this version cannot train the run further, and what it can do with it; None where it can."""
        return older(self.path, self.lineage, self.latest_checkpoint())

    # Writing

    def record(self, stage: str, step: int, metrics: dict[str, float]) -> None:
        """Append one row to metrics.jsonl and its scalars, tagged `<stage>/<metric>`, to TensorBoard.

        The row outlives a kill of this process as soon as this returns. Values that are not finite become null.
        """
        self.lock()
        self._log.append(checked_stage(stage), step, metrics)
        self._steps += 1
        self._track(stage, metrics)

    def record_rollouts(self, stage: str, step: int, rows: list[dict[str, Any]]) -> None:
        """Store a step's rollouts; each row holds the columns of `rollouts.schema`."""
        self.lock()
        write_rollouts(rollout_file(self.path, stage, step), rows)

    def record_eval(self, result: dict[str, Any] | EvalResult) -> None:
        """Store an evaluation in the form of `results.EvalResult`; keys it does not know are kept in the file.

        Raises:
            ValueError: a key of `EvalResult` is missing.
        """
        self.lock()
        checked = EvalResult.from_dict(data := result.to_dict() if isinstance(result, EvalResult) else result)
        write_json(self.path / "evals" / f"{checked_stage(checked.stage)}-{checked.step:06d}.json", data)
        self._log.show_evaluation(checked)
        self._track(checked.stage, checked.metrics())

    def show_benchmarks(self, directory: Path) -> None:
        """Hand the scores of an evaluation in evals/ to TensorBoard and the trackers."""
        self.lock()
        for result in filter(BenchmarkResult.metrics, read_results(directory)):
            self._log.show_evaluation(result)
            self._track(result.stage, result.metrics())

    def _track(self, stage: str, metrics: dict[str, float]) -> None:
        if self._tracking is not None:
            finite = {f"{stage}/{printable(n)}": float(value) for n, value in metrics.items() if math.isfinite(value)}
            self._tracking.log(self._steps, finite)

    def record_failures(self, stage: str, step: int, during: str, rows: list[dict[str, Any]]) -> None:
        """Keep answers that a verifier failed on, as `failures.failure_row` makes them. `during` is "training" or
        "evaluation"; what an earlier try at the step left under it is replaced."""
        self.lock()
        add_failures(self.path / FAILURES_FILE, checked_stage(stage), step, during, rows)

    def pause(self, stage: str, step: int, reason: str) -> None:
        """Note that training has paused itself after this step, and why, until it is resumed."""
        self.lock()
        paused = {"time": now(), "stage": checked_stage(stage), "step": step, "reason": reason}
        write_json(self.path / "lineage.json", {**self.lineage, "paused": paused})

    def change_recipe(self, recipe_text: str) -> None:
        """Replace recipe.yaml by one with other settings; `rewind` has noted them."""
        self.lock()
        write_text(self.path / "recipe.yaml", recipe_text)

    @contextmanager
    def checkpoint(self, stage: str, step: int) -> Iterator[Path]:
        """Yield an empty directory that becomes `checkpoints/<stage>-<step>` when the block ends well.

        Metrics reach the disk first, so that no checkpoint is ever ahead of them, even after a power cut.
        """
        self.lock()
        self._log.sync()
        with replacing_directory(self.path / "checkpoints" / f"{checked_stage(stage)}-{step:06d}") as directory:
            yield directory

    def rewind(
        self, stage_order: list[str], stage: str, step: int, changed: dict[str, list[Any]] | None = None
    ) -> Rewound:
        """Drop metrics, rollouts, evaluations and failed verdicts later than the checkpoint (`stage`, `step`) that
        training goes on from, so that the resumed run has neither phantom nor doubled rows; note the resumption in the
        lineage, with the pause that it ends and the settings that are `changed` with it ({field: [before, after]}).

        `stage_order` lists the recipe's stages; step 0 of the first is the run's start. Interrupted, it can be called again.

        Raises:
            ValueError: the run holds a stage that is not in `stage_order`, or a later checkpoint.
        """
        self.lock()
        is_later = later_than(stage, step, stage_order, self.path)
        for path in self.checkpoints():
            if is_later(*place_of(path)):
                raise ValueError(
                    f"{path} is later than the checkpoint to resume from ({stage}, step {step}). "
                    f"To go back behind it, move it out of {path.parent} first."
                )
        benchmarks = self._in_order(benchmark_directories(self.path))
        rewound = drop_later(self.path, self._log, self._eval_files(), benchmarks, is_later)
        write_json(self.path / "lineage.json", resumed(self.lineage, stage, step, changed))
        return rewound

    # Reading

    def metrics(self) -> list[Row]:
        """All rows in the order of training; half a line at the end (a writer at work, or killed) is left out.

        Raises:
            ValueError: a line is damaged; the message names it.
        """
        return read_rows(self._log.path)[0]

    def stages(self) -> list[str]:
        """The stages that have begun, in the order of training, without birth."""
        return list(dict.fromkeys(row["stage"] for row in self.metrics()))

    def evals(self) -> list[EvalResult]:
        """All evaluations, birth first, then in the order of training."""
        return [EvalResult.from_dict(json.loads(path.read_bytes()), str(path)) for path in self._eval_files()]

    def benchmarks(self) -> list[BenchmarkResult]:
        """What benchmarks found, the first model first, then in the order of training."""
        return [result for path in self._in_order(benchmark_directories(self.path)) for result in read_results(path)]

    def rollouts(self, stage: str, step: int) -> list[dict[str, Any]]:
        """A step's rollouts as they were recorded."""
        return read_rollouts(rollout_file(self.path, stage, step))

    def failures(self) -> list[dict[str, Any]]:
        """The answers that verifiers failed on, oldest first: the newest few hundred (`failures.FAILURES_KEPT`)."""
        return read_failures(self.path / FAILURES_FILE)

    def rollout_files(self) -> list[Path]:
        """The Parquet files of all steps, by stage name and step."""
        return rollout_files(self.path)

    def checkpoints(self) -> list[Path]:
        """All checkpoints in the order of the recipe's stages and of steps, so the newest is last."""
        return self._in_order(step_files(self.path / "checkpoints"))

    def latest_checkpoint(self) -> Path | None:
        return next(reversed(self.checkpoints()), None)

    def _eval_files(self) -> list[Path]:
        return self._in_order(step_files(self.path / "evals", ".json"))

    def _in_order(self, paths: list[Path]) -> list[Path]:
        return in_order(paths, [*planned_stages(self.recipe_text), *self.stages()])
