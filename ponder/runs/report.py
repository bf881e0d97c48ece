"""The files of a report: report.json, curves.png and report.html."""

import json
from pathlib import Path

from ponder.runs.atomic import write_bytes, write_text
from ponder.runs.run import Run
from ponder.runs.summary import build_report


def write_report(run: Run) -> list[Path]:
    """Write report.json, curves.png and report.html into the run directory and return their paths.

    Raises:
        ValueError: the run has neither an evaluation nor a step.
    """
    from ponder.runs.curves import draw_curves, draw_svgs
    from ponder.runs.html import render_html

    report = build_report(run)
    if not report["stages"]:
        raise ValueError(f"{run.path} has no step and no evaluation yet, so there is nothing to report")
    files = {name: run.path / name for name in ("report.json", "curves.png", "report.html")}
    write_text(files["report.json"], json.dumps(report, indent=1) + "\n")
    write_bytes(files["curves.png"], draw_curves(run, report))
    write_text(files["report.html"], render_html(run, report, draw_svgs(run)))
    return list(files.values())
