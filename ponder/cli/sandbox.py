"""ponder sandbox serve, ponder sandbox audit."""

import os
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Run programs that nobody trusts: the code execution server.")


class Isolation(StrEnum):
    strict = "strict"
    standard = "standard"
    none = "none"


@app.callback()
def root() -> None:
    """Run programs that nobody trusts: the code execution server."""


Level = Annotated[
    Isolation,
    typer.Option(
        help="strict: all layers, control groups too (root); standard: without those; none: for trusted programs"
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, help="jobs at a time; default two for each core")]
MemoryMb = Annotated[int, typer.Option(min=16, help="most memory of a job, all its processes together")]
Timeout = Annotated[float, typer.Option(min=0.01, help="most seconds of a test or cell, by the clock")]


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="other than loopback needs PONDER_SANDBOX_TOKEN in the environment")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8080,
    workers: Workers = None,
    memory_mb: MemoryMb = 1024,
    timeout: Timeout = 10.0,
    queue: Annotated[int, typer.Option(min=0, help="most jobs that wait; more are told to come again")] = 1000,
    sessions: Annotated[int, typer.Option(min=0, help="most sessions that are open at a time, a worker each")] = 16,
    isolation: Level = Isolation.standard,
) -> None:
    """Serve jobs, sessions and SandboxFusion's /run_code over HTTP. Ctrl+C finishes what has been taken on."""
    from ponder.sandbox.serve import serve as serve_http
    from ponder.sandbox.settings import Settings

    settings = Settings(
        workers=workers,
        memory_mb=memory_mb,
        timeout_s=timeout,
        isolation=isolation.value,
        queue_limit=queue,
        sessions=sessions,
    )
    serve_http(settings, host, port, os.environ.get("PONDER_SANDBOX_TOKEN"))


@app.command()
def audit(
    url: Annotated[str | None, typer.Option(help="a running server; empty: a sandbox started here")] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(help="only this group of cases: forgery, exhaustion, escape, leak, honest, session"),
    ] = None,
    isolation: Level = Isolation.standard,
    json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Attack a sandbox, and judge honest programs with it: prints how many cases come out right. Exit code 1 if not all."""
    from ponder.sandbox.audit.command import audit as audit_sandbox

    token = os.environ.get("PONDER_SANDBOX_TOKEN")
    if not audit_sandbox(url, group or (), isolation.value, token, json):
        raise typer.Exit(1)
