"""ponder model describe, import and export."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Look at models, and bring them in and out.")


class TensorType(StrEnum):
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class GgufType(StrEnum):
    float32 = "float32"
    float16 = "float16"
    q8_0 = "q8_0"


@app.callback()
def root() -> None:
    """Look at models, and bring them in and out."""


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


@app.command("import")
def import_model(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.gguf", help="a Qwen2, Qwen3 or Llama model of llama.cpp's format")
    ],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="where the model's directory will be; not there yet")],
    dtype: Annotated[TensorType, typer.Option(help="of the weights that are written")] = TensorType.float32,
) -> None:
    """Make a model's directory of a GGUF file: weights, config, tokenizer, chat template, generation config."""
    from ponder.model.gguf.importing import plan_import, write_import
    from ponder.runs.atomic import replacing_directory

    to = to.expanduser()
    plan = plan_import(file)
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise ValueError(f"{to} is there already; give another --to, or remove it")
    for remark in plan.remarks:
        typer.echo(remark, err=True)
    with replacing_directory(to) as aside, _progress(f"{file.name} -> {to.name}") as told:
        write_import(plan, aside, dtype.value, told)


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="a checkpoint directory")],
    gguf: Annotated[Path, typer.Option("--gguf", metavar="FILE", help="the file to write; not there yet")],
    dtype: Annotated[GgufType, typer.Option(help="of the matrices; norms and biases are float32")] = GgufType.float32,
) -> None:
    """Write a model as one GGUF file for llama.cpp and what is made of it."""
    from ponder.model.gguf.exporting import plan_export, write_export
    from ponder.runs.atomic import replacing_file

    gguf = gguf.expanduser()
    plan = plan_export(directory)
    if gguf.exists():
        raise ValueError(f"{gguf} is there already; give another --gguf, or remove it")
    for remark in plan.remarks(dtype.value):
        typer.echo(remark, err=True)
    with replacing_file(gguf) as aside, _progress(f"writing {gguf.name}") as told:
        write_export(plan, aside, dtype.value, told)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes on stderr; yields what moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(what, total=None)
        yield lambda done, whole: progress.update(bar, completed=done, total=whole)
