"""ponder report."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def report(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="a run directory")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="where the files go; default: the run directory")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the report as JSON instead of tables")] = False,
) -> None:
    """Held-out accuracy after each stage with 95% intervals; writes report.json, curves.png and report.html."""
    from ponder.runs.benchmarks import comparison
    from ponder.runs.report import NotWritable, write_report
    from ponder.runs.run import Run
    from ponder.runs.summary import best_line, build_report

    run = Run.open(path)
    built = build_report(run)
    try:
        files = write_report(run, out)
    except NotWritable as error:
        if out is not None:
            raise
        print(f"ponder: {error.strerror}. Name another: ponder report {path} --out DIR", file=sys.stderr)
        files = []
    if json:
        import json as json_module

        print(json_module.dumps(built, ensure_ascii=False, indent=2))
        return
    from rich.console import Console

    from ponder.runs.console import run_tables

    console = Console()
    console.print(run_tables(built, console.width))
    if best := best_line(built):
        console.print(best, highlight=False, markup=False, soft_wrap=True)
    if compared := comparison(built["benchmarks"]):
        console.print(f"Problem by problem: {compared}", highlight=False, markup=False, soft_wrap=True)
    if built["paused"]:
        how = run.read_only_because() or f"When that is mended: ponder resume {path}"
        said = f"Paused. {built['paused']['reason']} {how}"
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    for file in files:
        console.print(f"  {file}", style="dim", highlight=False, markup=False, soft_wrap=True)
