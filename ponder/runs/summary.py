"""What a run achieved, as plain data."""

import math
from typing import Any

from ponder.runs.benchmarks import by_benchmark, trained_on
from ponder.runs.lineage import born_here
from ponder.runs.metrics import Row
from ponder.runs.places import BIRTH, place_of
from ponder.runs.preferences import judged_in_a_line, judged_pairs
from ponder.runs.results import EvalResult
from ponder.runs.rollouts import count_rollouts
from ponder.runs.run import Run
from ponder.runs.wording import moment, percent, printable, title


def build_report(run: Run) -> dict[str, Any]:
    """Summarise a run, finished or not: its stages (the first model first, if it was evaluated) and totals.

    A stage's accuracy is that of its last evaluation, None before the first; `missing` of its answers have no verdict, and
    `bounds` says where the accuracy would lie whatever these were. Seconds exclude the first model's evaluation.
    `training` of an RL stage has what its last steps were like: means over the last tenth of them. `born` says whether the
    first model was born in this run, and each stage's `title` what to call it accordingly.
    `paused` says where and why, of a run that has paused itself. `failures` lists the verifiers that failed on answers,
    by stage: of how many verdicts, and how often with an error and a timeout. `best` is the checkpoint with the best
    evaluation of those that are kept, by mean score where parts of a score were given; None where none was evaluated.
    `trained_on`: sentences on problems of benchmarks that training rows hold, as they were found at the start. `benchmarks` has
    each benchmark with its results by stage (`runs.benchmarks.by_benchmark`); `reward_models` those that are kept
    (`runs.preferences.judged_pairs`).
    """
    rows, evals, benchmarks = run.metrics(), run.evals(), run.benchmarks()
    names = list(dict.fromkeys([*(result.stage for result in evals if result.stage == BIRTH), *run.stages()]))
    names += [result.stage for result in evals if result.stage not in names]
    born = born_here(run.lineage)
    names += [result.stage for result in benchmarks if result.stage not in names and result.stage != BIRTH]
    stages = [_stage(name, rows, evals, born) for name in dict.fromkeys(names)]
    measured = [stage for stage in stages if stage["accuracy"] is not None]
    return {
        "run": str(run.path),
        "recipe_name": recipe_name(run),
        "born": born,
        "stages": stages,
        "benchmarks": by_benchmark(benchmarks, list(dict.fromkeys([BIRTH, *names])), born),
        "trained_on": trained_on(run.lineage),
        "reward_models": judged_pairs(run),
        "rows": {printable(str(name)): count for name, count in run.lineage.get("rows", {}).items()},
        "best": _best(run, evals),
        "paused": run.lineage.get("paused"),
        "failures": _failures(rows, evals),
        "totals": {
            "steps": sum(stage["steps"] for stage in stages),
            "seconds": sum(stage["seconds"] for stage in stages),
            "gain": measured[-1]["accuracy"] - measured[0]["accuracy"] if len(measured) > 1 else None,
            "rollouts": sum(count_rollouts(path) for path in run.rollout_files()),
            "sampled_tokens": round(
                sum(_number(row, "tokens_per_s/sample") * _number(row, "time/sample_s") for row in rows)
            ),
            "peak_rss_gb": max((_number(row, "memory/rss_gb") for row in rows), default=0.0) or None,
            "phase_seconds": {
                phase: sum(_number(row, f"time/{phase}_s") for row in rows) for phase in ("sample", "verify", "learn")
            },
        },
    }


def recipe_name(run: Run) -> str:
    """The recipe's `name`, else the name of the run directory."""
    import yaml

    recipe = yaml.safe_load(run.recipe_text)
    name = recipe.get("name") if isinstance(recipe, dict) else None
    return printable(str(name or run.name))


def headline(report: dict[str, Any]) -> str:
    """One line that says what training did: "Held-out accuracy: 2% at birth, 41% after cold start, 93% after math"."""
    measured = [stage for stage in report["stages"] if stage["accuracy"] is not None]
    if not measured and report.get("reward_models"):
        return judged_in_a_line(report["reward_models"][-1])
    if not measured:
        return f"{report['totals']['steps']} steps, no evaluation yet"
    parts = [f"{percent(stage['accuracy'])} {moment(stage['name'], report['born'])}" for stage in measured]
    return f"Held-out accuracy: {', '.join(parts)}"


def best_line(report: dict[str, Any]) -> str | None:
    """The best checkpoint that is kept, for people; None where there is none."""
    if (best := report["best"]) is None:
        return None
    return f"Best checkpoint of those kept: {best['checkpoint']} (held-out {best['measure']} {best['value']:.3f}, {best['count']:,} answers)"


def _best(run: Run, evals: list[EvalResult]) -> dict[str, Any] | None:
    kept = {place_of(checkpoint): checkpoint for checkpoint in run.checkpoints()}
    candidates = [result for result in evals if (result.stage, result.step) in kept]
    by_score = any(result.partly for result in candidates)
    measure = "mean score" if by_score else "accuracy"
    values = [
        result.mean_score if by_score and result.mean_score is not None else result.accuracy for result in candidates
    ]
    known = [(value, at) for at, value in enumerate(values) if value is not None]
    if not known:
        return None
    value, at = max(known)  # of equals the later
    best = candidates[at]
    path = str(kept[best.stage, best.step])
    return {
        "checkpoint": path,
        "stage": best.stage,
        "step": best.step,
        "measure": measure,
        "value": value,
        "count": best.count,
    }


def _stage(name: str, rows: list[Row], evals: list[EvalResult], born: bool) -> dict[str, Any]:
    own_rows = [row for row in rows if row["stage"] == name]
    own_evals = [result for result in evals if result.stage == name]
    last = own_evals[-1] if own_evals else None
    measured_until = last.step if last else 0
    after_last = sum(_number(row, "time/step_s") for row in own_rows if row["step"] > measured_until)
    return {
        "name": name,
        "title": title(name, born),
        "accuracy": last.accuracy if last else None,
        "interval": list(last.interval) if last and last.accuracy is not None else None,
        "missing": last.failed if last else 0,
        "bounds": list(last.bounds) if last and last.bounds else None,
        "by_domain": {
            printable(domain): {"accuracy": part.accuracy, "interval": list(part.interval), "count": part.count}
            for domain, part in (last.by_domain.items() if last else ())
        },
        "steps": max([measured_until, *(row["step"] for row in own_rows)]),
        "seconds": (last.seconds if last else 0.0) + after_last,
        "mean_score": last.mean_score if last else None,
        "pass_at_k": last.pass_at_k if last else None,
        "samples_per_problem": last.samples_per_problem if last else 1,
        "count": last.count if last else 0,
        "mean_tokens": last.mean_tokens if last else None,
        "truncated_share": last.truncated_share if last else None,
        "training": _training([row for row in own_rows if "pass_rate" in row]),
        "kind": _kind(name, own_rows),
    }


def _kind(name: str, rows: list[Row]) -> str:
    """ "birth", "rl", "sft", "reward_model", or "demonstrating" of a stage that makes demonstrations; by what its rows hold."""
    if name == BIRTH:
        return "birth"
    told = {metric for row in rows for metric in row}
    if "preference/accuracy" in told:
        return "reward_model"
    return "rl" if "reward/mean" in told else "demonstrating" if "demonstrations/kept" in told else "sft"


def further_figures(report: dict[str, Any]) -> dict[str, list[str]]:
    """What tables show beside accuracy where it says more, by heading, an entry for each stage: the mean score where a part
    of a score counts, and pass@k where each problem is answered k times."""
    stages = report["stages"]
    columns: dict[str, list[str]] = {}
    if any(stage["mean_score"] is not None and abs(stage["mean_score"] - stage["accuracy"]) > 5e-4 for stage in stages):
        columns["score"] = ["-" if stage["mean_score"] is None else f"{stage['mean_score']:.2f}" for stage in stages]
    if (k := max((stage["samples_per_problem"] for stage in stages), default=1)) > 1:
        columns[f"pass@{k}"] = [percent(stage["pass_at_k"]) for stage in stages]
    return columns


def missing_lines(report: dict[str, Any]) -> list[str]:
    """A sentence for each stage whose last evaluation lacks verdicts."""
    return [
        f"{stage['title']}: on {stage['missing']:,} of {stage['count']:,} held-out answers the verifier failed; whatever these "
        f"were, the accuracy is {percent(stage['bounds'][0])} to {percent(stage['bounds'][1])}."
        for stage in report["stages"]
        if stage["bounds"]
    ]


def _training(rows: list[Row]) -> dict[str, Any] | None:
    """What the answers of a stage's last steps were like; None of a stage without."""
    last = rows[-math.ceil(len(rows) / 10) :]
    if not last:
        return None

    def mean(name: str) -> float | None:
        values = [row[name] for row in last if row.get(name) is not None]
        return sum(values) / len(values) if values else None

    return {
        "steps": len(last),
        "pass_rate": mean("pass_rate"),
        "truncated_share": mean("truncated_share"),
        "reward": mean("reward/mean"),
    }


def _failures(rows: list[Row], evals: list[EvalResult]) -> list[dict[str, Any]]:
    counts: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        for verifier in [name.split("/")[1] for name in row if name.startswith("verifier/") and "/verdicts" in name]:
            of_row = counts.setdefault((row["stage"], verifier), {"verdicts": 0, "error": 0, "timeout": 0})
            verdicts = _number(row, f"verifier/{verifier}/verdicts")
            of_row["verdicts"] += verdicts
            for status in ("error", "timeout"):
                of_row[status] += verdicts * _number(row, f"verifier/{verifier}/{status}")
    training = [
        {"stage": stage, "during": "training", "verifier": verifier} | {name: round(n) for name, n in of_pair.items()}
        for (stage, verifier), of_pair in counts.items()
    ]
    last = {result.stage: result for result in evals}
    evaluations = [
        {"stage": stage, "during": "evaluation", "verifier": None, "verdicts": len(result.samples)}
        | {status: sum(s.status == status for s in result.samples) for status in ("error", "timeout")}
        for stage, result in last.items()
    ]
    return [entry for entry in [*training, *evaluations] if entry["error"] or entry["timeout"]]


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    return 0.0 if value is None else value
