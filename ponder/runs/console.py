"""The report for a terminal."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ponder.runs.benchmarks import cell, notes, stage_titles
from ponder.runs.preferences import sentences, table_rows
from ponder.runs.summary import further_figures, missing_lines
from ponder.runs.wording import duration, percent, printable, span, title

_FIXED_WIDTH = 7 + 12 + 16 + 8  # of the columns steps, time, accuracy and tokens
_LONGEST_CELL = 120  # characters of a text in a table


def stage_table(report: dict[str, Any], width: int = 80) -> Table:
    """A rich table: a row per stage with held-out accuracy, its 95% interval and mean tokens per answer.

    Domains have columns of their own where there are several and they fit a terminal `width` characters wide.
    """
    stages = report["stages"]
    domains = list(dict.fromkeys(domain for stage in stages for domain in stage["by_domain"]))
    names = max((len(stage["title"]) for stage in stages), default=0) + 2
    further = further_figures(report)
    fit = names + _FIXED_WIDTH + 8 * len(further) + sum(max(len(domain), 4) + 2 for domain in domains) <= width
    domains = domains if fit and len(domains) > 1 else []
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("after", overflow="fold", min_width=8)
    for heading in ["steps", "time", "accuracy (95%)", *further, "tokens", *domains]:
        table.add_column(Text(heading), justify="right", no_wrap=True)
    best = max((stage["accuracy"] for stage in stages if stage["accuracy"] is not None), default=None)
    for index, stage in enumerate(stages):
        accuracy = Text(percent(stage["accuracy"]), style="bold" if stage["accuracy"] == best else "")
        if stage["interval"]:
            accuracy.append(f" ({span(stage['interval'])})", style="not bold")
        table.add_row(
            Text(stage["title"]),
            f"{stage['steps']:,}",
            duration(stage["seconds"]),
            accuracy,
            *(column[index] for column in further.values()),
            "-" if stage["mean_tokens"] is None else f"{stage['mean_tokens']:,.0f}",
            *(percent(stage["by_domain"].get(domain, {}).get("accuracy")) for domain in domains),
        )
    return table


def training_table(report: dict[str, Any]) -> Table | None:
    """A rich table: a row per RL stage with what its last steps were like, each number under its name; None without one."""
    stages = [stage for stage in report["stages"] if stage["training"]]
    if not stages:
        return None
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("at the end of", overflow="fold", min_width=8)
    for heading in ["pass rate", "cut off", "reward", "over steps"]:
        table.add_column(heading, justify="right", no_wrap=True)
    for stage in stages:
        last = stage["training"]
        reward = "-" if last["reward"] is None else f"{last['reward']:.2f}"
        shares = [percent(last["pass_rate"]), percent(last["truncated_share"])]
        table.add_row(Text(stage["title"]), *shares, reward, f"{last['steps']:,}")
    return table


def run_tables(report: dict[str, Any], width: int = 80) -> Group:
    """What a terminal shows of a run: `stage_table`, and `training_table` where there is one."""
    training = training_table(report)
    missing = [Text(line) for line in missing_lines(report)]
    benchmarks = [] if not report["benchmarks"] else ["", *benchmark_lines(report)]
    preferences = [part for model in report["reward_models"] for part in preference_lines(model)]
    training = [] if training is None else ["", training]
    return Group(stage_table(report, width), *missing, *training, *benchmarks, *preferences)


def preference_lines(model: dict[str, Any]) -> list[Table | Text | str]:
    """A rich table of how a reward model judged held-out pairs, and its calibration and length bias in words."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(Text(f"reward model {title(model['stage'])}"), overflow="fold", min_width=8)
    for heading in ("accuracy", "95%", "pairs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cells in table_rows(model):
        table.add_row(*map(Text, cells))
    said = [Text(line, style="dim") for line in [*sentences(model), f"It lies in {model['directory']}"]]
    return ["", table, *said]


def benchmark_lines(report: dict[str, Any]) -> list[Table | Text]:
    """A rich table: a row per benchmark with its scores by stage, and what must be said beside it."""
    titles = stage_titles(report["benchmarks"])
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("benchmark (95%)", overflow="fold", min_width=8)
    for heading in titles.values():
        table.add_column(Text(heading), justify="right", overflow="fold")
    for bench in report["benchmarks"]:
        by_stage = {stage["stage"]: stage for stage in bench["stages"]}
        label = f"{bench['name']}, {bench['average']} ({bench['protocol']})"
        table.add_row(Text(label), *(cell(by_stage.get(name)) for name in titles))
    said = [Text(line, style="dim") for line in [*notes(report["benchmarks"]), *report["trained_on"]]]
    return [table, *said]


def answer_figures(metrics: dict[str, float]) -> str:
    """The three numbers of an RL step that only say something together, for a line: "pass 33%  cut off 56%  reward 0.76"."""
    shares = f"pass {percent(metrics['pass_rate'])}  cut off {percent(metrics['truncated_share'])}"
    return f"{shares}  reward {metrics['reward/mean']:.2f}"


def failure_table(rows: list[dict[str, Any]]) -> Table:
    """A rich table of rows of verifier_errors.jsonl: what each verifier said, of which question, on which answer."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for heading, ratio in [("verifier", 2), ("why", 5), ("question", 4), ("end of the answer", 4)]:
        table.add_column(heading, ratio=ratio, overflow="fold")
    for row in rows:
        why = f"{row['status']}: {row['reason']}"
        cells = [row["verifier"], _brief(why), _brief(row["question"]), _brief(row["answer"], from_end=True)]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _brief(text: str, from_end: bool = False) -> str:
    """Text for a cell, in one line."""
    line = printable(" ".join(text.split()))
    if len(line) <= _LONGEST_CELL:
        return line
    return f"...{line[-_LONGEST_CELL:]}" if from_end else f"{line[:_LONGEST_CELL]}..."
