"""What a run's benchmarks found at the ends of its stages, as it lies in `evals/<stage>-<step>/`, each an evaluation in the form
of `ponder eval`. Here its scores are read, which that has computed (scores.json)."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.runs.places import checked_stage, place_of, step_files
from ponder.runs.wording import printable, title

SCORES = "scores.json"


@dataclass(frozen=True)
class BenchmarkResult:
    """One benchmark after one stage. `name` has all that must stand beside the number; `average` is what the number is
    (pass@1, avg@4). `value`, `low`, `high`: in [0, 1], with the 95% interval; None where no answer has a score. `thin`: one
    answer to each of few problems, which is an interval and no score. `missing` of the `answers` have no verdict."""

    stage: str
    step: int
    bench: str
    name: str
    protocol: str
    average: str
    value: float | None
    low: float | None
    high: float | None
    thin: bool
    problems: int
    answers: int
    missing: int
    directory: Path

    def metrics(self) -> dict[str, float]:
        """Under the names of `meanings`; a thin one has none."""
        return {} if self.value is None or self.thin else {f"bench/{printable(self.bench)}": self.value}


def benchmark_directory(run: Path, stage: str, step: int) -> Path:
    return run / "evals" / f"{checked_stage(stage)}-{step:06d}"


def benchmark_directories(run: Path) -> list[Path]:
    """Those of all places, in no order."""
    return [path for path in step_files(run / "evals") if path.is_dir()]


def read_results(directory: Path) -> list[BenchmarkResult]:
    """[] of an evaluation that has not come to its end yet.

    Raises:
        ValueError: the file of the scores is damaged.
    """
    path, (stage, step) = directory / SCORES, place_of(directory)
    try:
        return [_result(score, stage, step, directory) for score in json.loads(path.read_bytes())["scores"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}. Make it anew: ponder eval report {directory}") from None


def _result(score: dict[str, Any], stage: str, step: int, directory: Path) -> BenchmarkResult:
    average = score["avg"] or {"value": None, "low": None, "high": None}
    samples = int(score["samples"])
    return BenchmarkResult(
        stage=stage,
        step=step,
        bench=str(score["bench"]),
        name=str(score["name"]),
        protocol=str(score["asked"]["protocol"]["variant"]),
        average="pass@1" if samples == 1 else f"avg@{samples}",
        value=average["value"],
        low=average["low"],
        high=average["high"],
        thin=bool(score["thin"]),
        problems=int(score["problems"]),
        answers=sum(score["kinds"].values()),
        missing=int(score["missing"]),
        directory=directory,
    )


def by_benchmark(results: Iterable[BenchmarkResult], stages: Sequence[str], born: bool) -> list[dict[str, Any]]:
    """For a report: each benchmark, asked in one way, with its last result of each stage, in the order of `stages`."""
    last = {(r.name, r.protocol, r.average, r.stage): r for r in sorted(results, key=lambda r: r.step)}
    asked = dict.fromkeys(key[:3] for key in last)
    return [
        {
            "name": printable(name),
            "protocol": printable(protocol),
            "average": average,
            "stages": [
                {
                    "stage": stage,
                    "order": order,
                    "title": title(stage, born),
                    "step": r.step,
                    "value": r.value,
                    "interval": None if r.value is None else [r.low, r.high],
                    "thin": r.thin,
                    "problems": r.problems,
                    "answers": r.answers,
                    "missing": r.missing,
                    "directory": str(r.directory),
                }
                for order, stage in enumerate(stages)
                if (r := last.get((name, protocol, average, stage)))
            ],
        }
        for name, protocol, average in asked
    ]


def trained_on(lineage: dict[str, Any]) -> list[str]:
    """A sentence for each benchmark of which problems are trained on, with the same text."""
    return [
        f"{printable(one['bench'])}: {one['same_text']:,} of its {one['problems']:,} problems {'is' if one['same_text'] == 1 else 'are'} "
        "trained on, so a score on it says little about others."
        for one in lineage.get("contamination", {}).get("found", [])
        if one["same_text"]
    ]


def stage_titles(benchmarks: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The columns of a table, by the stage's name: the stages after which any was asked, in the order of training."""
    placed = {s["stage"]: (s["order"], s["title"]) for bench in benchmarks for s in bench["stages"]}
    return {stage: name for stage, (_, name) in sorted(placed.items(), key=lambda item: item[1])}


def cell(stage: dict[str, Any] | None) -> str:
    """A result in points of a hundred: "53.3 (36.1-69.8)"; of a thin one the interval alone."""
    if stage is None or stage["value"] is None:
        return "-"
    low, high = (100 * end for end in stage["interval"])
    return f"{low:.1f}-{high:.1f}" if stage["thin"] else f"{100 * stage['value']:.1f} ({low:.1f}-{high:.1f})"


def notes(benchmarks: Sequence[dict[str, Any]]) -> list[str]:
    """What must be said beside the table, in sentences."""
    said = []
    for bench in benchmarks:
        if thin := [stage for stage in bench["stages"] if stage["thin"]]:
            said.append(
                f"{bench['name']}: one answer to each of {thin[-1]['problems']:,} problems is too little for a score; where it lies "
                "is all that is shown."
            )
        said += [
            f"{bench['name']}, {stage['title']}: {stage['missing']:,} of {stage['answers']:,} answers have no verdict; they are in "
            "no score."
            for stage in bench["stages"]
            if stage["missing"]
        ]
    return said


def comparison(benchmarks: Sequence[dict[str, Any]]) -> str | None:
    """The command that compares the first and the last evaluation of a benchmark, problem by problem; None where there is but
    one."""
    for bench in benchmarks:
        first, last = bench["stages"][0]["directory"], bench["stages"][-1]["directory"]
        if first != last:
            return f"ponder eval diff {first} {last}"
    return None
