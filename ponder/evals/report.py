"""Showing what an evaluation found: in the terminal or as JSON, and as files beside what was stored."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from ponder.evals.contamination import Hit
from ponder.evals.diff import diff
from ponder.evals.report_chart import bar_chart
from ponder.evals.report_curves import budget_pictures, scaling_pictures
from ponder.evals.report_html import render_html
from ponder.evals.report_markdown import markdown
from ponder.evals.report_svg import stacked
from ponder.evals.report_terminal import diff_table, score_table
from ponder.evals.scores import BenchmarkScore, scores, scores_json
from ponder.evals.store import Evaluation
from ponder.runs.atomic import write_json, write_text
from ponder.runs.wording import printable

HTML, MARKDOWN, SCORES, CHART = "report.html", "report.md", "scores.json", "chart.svg"
SCALING, BUDGET = "scaling.svg", "budget.svg"  # where there is something to draw
HITS_SHOWN, HIT_LETTERS = 20, 160


def write_reports(directory: Path, evaluation: Evaluation, as_json: bool) -> None:
    """All reports into the directory, and the scores onto standard output. Raises SaveError where the disk is full."""
    found = write_files(directory, evaluation)
    if as_json:
        print(json.dumps(scores_json(evaluation, found), indent=1))
        return
    console = Console(highlight=False)
    console.print(score_table(found, console.width))
    console.print(f"Each answer with its verdict: {directory / HTML}", soft_wrap=True, markup=False)


def write_files(directory: Path, evaluation: Evaluation) -> list[BenchmarkScore]:
    """All reports into the directory; returns the scores. Raises SaveError where the disk is full."""
    found = scores(evaluation)
    write_text(directory / HTML, render_html(evaluation, found))
    write_text(directory / MARKDOWN, markdown(evaluation, found))
    write_json(directory / SCORES, scores_json(evaluation, found))
    write_text(directory / CHART, bar_chart(evaluation.manifest, found))
    for name, pictures in ((SCALING, scaling_pictures(found)), (BUDGET, budget_pictures(found))):
        if pictures:
            write_text(directory / name, stacked(pictures))
    return found


def print_diff(before: Evaluation, after: Evaluation, as_json: bool) -> None:
    """Raises ValueError where the two cannot be compared."""
    found = diff(before, after)
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=1))
    else:
        console = Console(highlight=False)
        console.print(diff_table(found, console.width))


def print_hits(hits: list[Hit], bench: str) -> bool:
    """Whether there are any."""
    if not hits:
        print(f"none of the problems of {bench} was found among the tasks that were looked at")
        return False
    print(
        f"{len({hit.problem for hit in hits})} problems of {bench} were found in {len({hit.training for hit in hits})} tasks:"
    )
    for hit in hits[:HITS_SHOWN]:
        text = printable(" ".join(hit.text.split()))
        shown = text if len(text) <= HIT_LETTERS else text[: HIT_LETTERS - 3] + "..."
        print(f"  {hit.how}: {hit.training_place} has {hit.problem_place}: {shown}")
    if len(hits) > HITS_SHOWN:
        print(f"  and {len(hits) - HITS_SHOWN} more")
    return True
