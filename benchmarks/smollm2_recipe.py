"""recipes/smollm2.yaml over three seeds: held-out accuracy at the start, after the cold start, along RL and at its end, beside a
control that takes as many more steps of imitation instead. Intervals are over problems.

    python benchmarks/smollm2_recipe.py MODEL --demonstrations RUN/demonstrations/teach.jsonl --to DIR [--seeds 0 1 2]

MODEL is a directory of SmolLM2-135M-Instruct (benchmarks/real_models.py brings it); the demonstrations are those that the recipe's
first stage has made, the same for every seed. A seed is another order of demonstrations, other tasks in RL, other random numbers; the
held-out problems are the same. What DIR holds already is not run again, so that a run may be stopped and gone on with.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

import yaml
from headline import headline
from rich.console import Console
from rich.table import Table

from ponder.chat.renderer import Renderer
from ponder.engine.build import SamplingEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.evals.estimates import Estimate, mean_of_problems
from ponder.model.weights import load_decoder
from ponder.recipe.load import load_recipe
from ponder.runs.results import EvalResult
from ponder.runs.run import Run
from ponder.training.data import load_tasks
from ponder.verifiers.response import split_response
from ponder.verifiers.verification import Verification

RECIPE = Path(__file__).parent.parent / "recipes" / "smollm2.yaml"
ANSWER_ONLY = {"math": "Answer with the number alone.", "code": "Answer with the Python program alone."}


def recipes(model: Path, demonstrations: Path, seed: int, steps: int | None) -> tuple[dict, dict]:
    """Of a seed's run, and of its control, whose model is still to be named."""
    whole = yaml.safe_load(RECIPE.read_text())
    _, cold_start, rl = whole["stages"]
    cold_start["demonstrations"] = {"path": str(demonstrations.resolve())}
    rl |= {} if steps is None else {"steps": steps}
    whole["model"]["path"] = str(model.resolve())
    whole["held_out"]["at_start"] = seed == 0  # the same answers with every seed
    run = whole | {"name": f"seed-{seed}", "seed": seed, "stages": [cold_start, rl]}
    more = cold_start | {"name": "control", "steps": rl["steps"]}
    held_out = whole["held_out"] | {"at_start": False}
    return run, whole | {"name": f"control-{seed}", "seed": seed, "held_out": held_out, "stages": [more]}


def train(recipe: dict, directory: Path) -> Run:
    """The finished run; one that is there goes on."""
    if not (directory / "report.json").exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        path = directory.with_suffix(".yaml")
        path.write_text(yaml.safe_dump(recipe, sort_keys=False))
        command = ["resume", directory] if (directory / "checkpoints").exists() else ["train", path, "--run", directory]
        subprocess.run([sys.executable, "-m", "ponder.cli.main", *map(str, command)], check=True)
    return Run.open(directory)


def unsolved(model: Path, run: Run) -> dict[str, tuple[int, int]]:
    """By domain, how many held-out problems the model does not solve where it is asked for the answer alone (greedily), of
    how many."""
    recipe = load_recipe(run.path / "recipe.yaml")
    tasks = load_tasks(recipe).held_out
    renderer = Renderer.load(model)
    engine = SamplingEngine(load_decoder(model), recipe.engine.model_copy(update={"dtype": "bfloat16"}))
    params = SamplingParams(temperature=0.0, max_tokens=64, stop_ids=frozenset({renderer.turn_end}))
    prompts = []
    for task in tasks:
        last = task.messages[-1]
        asked = {**last, "content": f"{last['content']}\n{ANSWER_ONLY[task.domain]}"}
        prompts.append(renderer.render([*task.messages[:-1], asked]).ids)
    done = engine.generate([Request(i, tuple(ids), params, seed=i) for i, ids in enumerate(prompts)])
    answers = {completion.request.id: renderer.decode(completion.ids, keep_special=False) for completion in done}
    engine.close()
    with Verification(workers=1) as verification:
        verdicts = verification.verify_all((task, split_response(answers[i])) for i, task in enumerate(tasks))
    found: dict[str, tuple[int, int]] = {}
    for task, verdict in zip(tasks, verdicts, strict=True):
        not_solved, of = found.get(task.domain, (0, 0))
        found[task.domain] = (not_solved + (verdict.status != "correct"), of + 1)
    return found


def scores(results: Sequence[EvalResult], domain: str) -> dict[str, float]:
    """Of each problem, the share of runs whose answer was correct."""
    found: dict[str, list[bool]] = {}
    for result in results:
        for sample in result.samples:
            if sample.domain == domain:
                found.setdefault(sample.task_id, []).append(sample.status == "correct")
    return {task: fmean(right) for task, right in found.items()}


def estimate(results: Sequence[EvalResult], domain: str) -> Estimate:
    means = list(scores(results, domain).values())
    found = mean_of_problems(means, len(means) * len(results))
    assert found is not None
    return found


def difference(ours: Sequence[EvalResult], theirs: Sequence[EvalResult], domain: str) -> tuple[float, float]:
    """The mean over problems of the difference, and half of its 95% interval (paired by problem)."""
    mine, other = scores(ours, domain), scores(theirs, domain)
    each = [mine[task] - other[task] for task in mine]
    return fmean(each), 1.96 * stdev(each) / sqrt(len(each))


def last(run: Run, stage: str) -> EvalResult:
    return [result for result in run.evals() if result.stage == stage][-1]


def shown(value: Estimate) -> str:
    return f"{value.value:.1%} ({value.low * 100:.0f}-{value.high * 100:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--demonstrations", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True, help="the runs' directory")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="of RL and of the control; the recipe's own where not given")
    parser.add_argument("--picture", type=Path, help="a PNG of the curves")
    arguments = parser.parse_args()
    runs, controls = [], []
    for seed in arguments.seeds:
        recipe, control = recipes(arguments.model, arguments.demonstrations, seed, arguments.steps)
        run = train(recipe, arguments.to / f"seed-{seed}")
        cold = next(path for path in run.checkpoints() if path.name.startswith("cold_start"))
        control["model"] = control["model"] | {"path": str(cold.resolve())}
        controls.append(train(control, arguments.to / f"control-{seed}"))
        runs.append(run)
    console = Console(width=150)
    console.print(headline())
    console.print(table_of(runs, controls))
    console.print(costs(runs))
    for domain, (count, of) in unsolved(arguments.model, runs[0]).items():
        console.print(f"{domain}: {count} of {of} held-out problems are not solved where the answer alone is asked for")
    if arguments.picture:
        draw(runs, controls, arguments.picture)


def table_of(runs: Sequence[Run], controls: Sequence[Run]) -> Table:
    table = Table(
        title="held-out accuracy (95% interval over problems; differences paired by problem)", title_justify="left"
    )
    for column in ("seed", "domain", "start", "cold start", "control", "RL", "RL - cold start", "RL - control"):
        table.add_column(column, justify="right")
    start = [run.evals()[0] for run in runs if run.evals()[0].stage == "birth"]
    groups = [(str(number), [run], [control]) for number, (run, control) in enumerate(zip(runs, controls, strict=True))]
    for name, some, others in [*groups, ("all", runs, controls)]:
        cold = [last(run, "cold_start") for run in some]
        rl = [last(run, "math_and_code") for run in some]
        imitation = [last(run, "control") for run in others]
        for domain in sorted(rl[0].by_domain):
            cells = [shown(estimate(results, domain)) for results in (start, cold, imitation, rl)]
            for others_results in (cold, imitation):
                mean, half = difference(rl, others_results, domain)
                cells.append(f"{mean * 100:+.1f} +- {half * 100:.1f}")
            table.add_row(name, domain, *cells)
    return table


def costs(runs: Sequence[Run]) -> Table:
    table = Table(title="cost and form", title_justify="left")
    for column in (
        "seed",
        "cold start",
        "RL",
        "step of RL",
        "tokens of an answer",
        "cut off",
        "mean gap to the sampler",
        "memory",
    ):
        table.add_column(column, justify="right")
    for number, run in enumerate(runs):
        stages = {stage["name"]: stage for stage in json.loads((run.path / "report.json").read_text())["stages"]}
        rows = [row for row in run.metrics() if row["stage"] == "math_and_code"]
        first, end = last(run, "cold_start"), last(run, "math_and_code")
        table.add_row(
            str(number),
            f"{stages['cold_start']['seconds'] / 60:.1f} min",
            f"{stages['math_and_code']['seconds'] / 60:.1f} min",
            f"{fmean(row['time/step_s'] for row in rows):.1f} s",
            f"{first.mean_tokens:.0f} -> {end.mean_tokens:.0f}",
            f"{first.truncated_share:.1%} -> {end.truncated_share:.1%}",
            f"{fmean(row['mismatch/mean'] for row in rows):.3f}",
            f"{max(row['memory/rss_gb'] for row in rows):.1f} GB",
        )
    return table


def draw(runs: Sequence[Run], controls: Sequence[Run], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    domains = sorted(last(runs[0], "math_and_code").by_domain)
    figure, axes = plt.subplots(1, len(domains), figsize=(10, 3.8), sharey=True)
    words = {"math": "word problems", "code": "small programs"}
    for axis, domain in zip(axes, domains, strict=True):
        for run in runs:
            along = [result for result in run.evals() if result.stage in ("cold_start", "math_and_code")]
            steps = [0 if result.stage == "cold_start" else result.step for result in along]
            values = [result.by_domain[domain].accuracy for result in along]
            axis.plot(steps, values, color="#2a6fbb", alpha=0.8, marker="o", markersize=3)
        control = estimate([last(run, "control") for run in controls], domain)
        axis.axhspan(control.low, control.high, color="#bb6a2a", alpha=0.25)
        axis.axhline(control.value, color="#bb6a2a")
        axis.set_title(
            f"{words.get(domain, domain)} ({last(runs[0], 'math_and_code').by_domain[domain].count} held out)"
        )
        axis.set_xlabel("steps of RL after the cold start")
        axis.set_ylim(0, 1)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("held-out accuracy")
    axes[-1].plot(
        [], [], color="#2a6fbb", marker="o", markersize=3, label="RL" if len(runs) == 1 else f"RL, {len(runs)} seeds"
    )
    axes[-1].plot([], [], color="#bb6a2a", label="as many more steps of imitation (95%)")
    axes[-1].legend(loc="upper left", fontsize=8)
    figure.suptitle("SmolLM2-135M-Instruct under recipes/smollm2.yaml")
    figure.tight_layout()
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
