"""ponder model describe."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Look at models.")


@app.callback()
def root() -> None:
    """Look at models."""


@app.command()
def describe(
    name: Annotated[
        str,
        typer.Argument(metavar="MODEL|qwq-32b", help="a checkpoint, a run, an id of the hub, or a preset's name"),
    ],
    length: Annotated[
        list[int] | None, typer.Option(min=1, help="context length for the memory table (repeatable)")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON instead of tables")] = False,
) -> None:
    """Architecture, exact parameter counts, KV cache per token, and memory to train and serve. Allocates nothing."""
    from ponder.model.describe import describe as describe_model
    from ponder.model.describe import load_described
    from ponder.server.start.checkpoint import find_checkpoint

    config = load_described(name, lambda given: find_checkpoint(given, weights=False).directory)
    about = describe_model(config, tuple(length or ()))
    if json:
        import json as json_module
        from dataclasses import asdict

        flat = asdict(about) | {"parameters_without_embeddings": about.parameters_without_embeddings}
        print(json_module.dumps(flat, indent=2))
        return
    from rich.console import Console

    from ponder.cli.tables import model_tables

    for table in model_tables(name, about):
        Console().print(table)
