"""What came of a release, for people and as JSON."""

import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ponder.evals.release.wanted import Outcome
from ponder.runs.wording import printable

STYLES = {"passed": "green", "failed": "bold red", "not checked": "yellow"}


def print_release(outcome: Outcome, as_json: bool) -> None:
    """The checks, and where it is, on standard output."""
    if as_json:
        print(json.dumps({"released": outcome.at is not None, **asdict(outcome)}, indent=1))
        return
    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("what was seen", overflow="fold")
    for check in outcome.checks:
        # As Text: a path with brackets is no markup.
        table.add_row(check.name, Text(check.status, STYLES[check.status]), Text(printable(check.said)))
    console.print(table)
    if outcome.at is not None:
        size = sum(outcome.files.values())
        console.print(
            f"Released: {printable(outcome.at)} ({len(outcome.files)} files, {size / 2**20:,.1f} MiB)",
            soft_wrap=True,
            markup=False,
        )
