"""ponder report."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="a run directory")],
    json: Annotated[bool, typer.Option("--json", help="print the report as JSON instead of a table")] = False,
) -> None:
    """Held-out accuracy after each stage with 95% intervals; writes report.json, curves.png and report.html."""
    from ponder.runs.report import write_report
    from ponder.runs.run import Run
    from ponder.runs.summary import build_report

    run = Run.open(path)
    paths = write_report(run)
    built = build_report(run)
    if json:
        import json as json_module

        print(json_module.dumps(built, ensure_ascii=False, indent=2))
        return
    from rich.console import Console

    from ponder.runs.console import stage_table

    console = Console()
    console.print(stage_table(built))
    if built["paused"]:
        said = f"Paused. {built['paused']['reason']} When that is mended: ponder resume {path}"
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    for file in paths:
        console.print(f"  {file}", style="dim", highlight=False, markup=False, soft_wrap=True)
