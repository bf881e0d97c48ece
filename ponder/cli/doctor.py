"""ponder doctor."""

from typing import Annotated

import typer


def doctor(json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False) -> None:
    """What this machine has (cores, memory, GPU, torch, optional parts) and what Ponder can do with it."""
    from ponder.runs.machine import examine

    checks = [*examine(), *_sandbox()]
    if json:
        import json as json_module
        from dataclasses import asdict

        print(json_module.dumps([asdict(check) for check in checks], indent=2))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for check in checks:
        table.add_row("ok" if check.good else "--", check.name, escape(check.found), escape(check.means))
    Console().print(table)


def _sandbox() -> list:
    """Whether this machine can isolate programs, found out by doing it."""
    from ponder.runs.machine import Check
    from ponder.sandbox import IsolationError, Sandbox

    try:
        with Sandbox(workers=1) as sandbox:
            told = sandbox.describe()
    except IsolationError as error:
        return [Check("sandbox", "no isolation", False, str(error))]
    layers = [name for name, here in told["layers"].items() if here]
    strict = told["layers"]["memory control group"] and told["layers"]["process control group"]
    languages = ", ".join(name for name, here in told["languages"].items() if here)
    return [Check("sandbox", "strict" if strict else "standard", True, f"{', '.join(layers)}; runs {languages}")]
