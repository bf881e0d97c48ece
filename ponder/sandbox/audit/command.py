"""The audit as a command: attacks and judges a sandbox here, or a server, with progress, a table and the failures."""

import sys
from collections.abc import Collection
from contextlib import ExitStack
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ponder.sandbox.audit.cases import load_cases
from ponder.sandbox.audit.host import Host
from ponder.sandbox.audit.result import AuditResult
from ponder.sandbox.audit.run import run_audit, select
from ponder.sandbox.client import Sandbox
from ponder.sandbox.levels import Level

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def audit(url: str | None, groups: Collection[str], isolation: Level, token: str | None, as_json: bool) -> bool:
    """Whether all cases came out right. Raises ValueError for an unknown group, IsolationError."""
    count = len(select(load_cases(), (), groups))
    on_host = url is None or urlsplit(url).hostname in LOOPBACK
    bar = Progress(
        TextColumn("auditing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with ExitStack() as stack:
        host = stack.enter_context(Host())  # before the workers start, so that they could inherit its secrets
        sandbox = stack.enter_context(Sandbox([url] if url else [], isolation=isolation, token=token))
        shown = stack.enter_context(bar).add_task("", total=count)
        result = run_audit(
            sandbox,
            groups=groups,
            host=host,
            on_host=on_host,
            progress=lambda verdict: bar.update(shown, advance=1, description=verdict.group),
        )
    _print(result, as_json)
    return result.all_good


def _print(result: AuditResult, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(result.to_json() + "\n")
        return
    console = Console()
    console.print(result.table())
    for failure in result.failures:
        console.print(f"{failure.group} / {failure.name}: {failure.containment}", highlight=False, markup=False)
        for problem in failure.problems:
            console.print(f"    {problem}", highlight=False, markup=False)
    console.print(f"{len(result.verdicts)} cases in {result.seconds:.0f} s", highlight=False)
