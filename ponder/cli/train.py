"""ponder train, ponder resume."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[Path, typer.Argument(help="a recipe, such as recipes/tiny.yaml")],
    run: Annotated[Path | None, typer.Option(help="run directory; default runs/<name of the recipe>")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="change a field: --set stages.math.steps=40 (repeatable)")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="check the recipe, print it resolved, and stop")] = False,
) -> None:
    """Train a recipe: its stages in order, with evaluations, checkpoints and a report. Ctrl+C saves and stops."""
    from ponder.recipe.load import dump_recipe, load_recipe

    loaded = load_recipe(recipe, set_)
    if dry_run:
        print(dump_recipe(loaded), end="")
        return
    path = run or Path("runs") / loaded.name
    if (path / "recipe.yaml").exists():  # said before torch is imported; Run.create says it again, under its lock
        raise ValueError(
            f"{path} already holds a run. Resume it with: ponder resume {path}, or name another with --run NAME"
        )
    from ponder.training import stages

    _follow(lambda view: stages.start(loaded, path, view))


def resume(path: Annotated[Path, typer.Argument(metavar="RUN", help="a run directory")]) -> None:
    """Go on with a stopped or killed run from its latest checkpoint."""
    from ponder.training import stages

    _follow(lambda view: stages.resume(path, view))


def _follow(work) -> None:
    from rich.console import Console

    from ponder.training.stages import Stopped
    from ponder.training.view import View

    console = Console()
    try:
        work(View(console))
    except Stopped as stopped:
        console.print(f"Stopped. {stopped}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(130) from None
