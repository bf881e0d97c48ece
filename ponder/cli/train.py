"""ponder train, ponder resume."""

from pathlib import Path
from typing import Annotated

import typer

PAUSED = 3  # the exit code of a run that has paused itself


def train(
    recipe: Annotated[Path, typer.Argument(help="a recipe, such as recipes/tiny.yaml")],
    run: Annotated[Path | None, typer.Option(help="run directory; default runs/<name of the recipe>")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="change a field: --set stages.math.steps=40 (repeatable)")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option(help="check the recipe, print it with every field resolved and described, and stop")
    ] = False,
) -> None:
    """Train a recipe: its stages in order, with evaluations, checkpoints and a report. Ctrl+C saves and stops.

    Exits with 3 where the run has paused itself: it is saved, and says what happened and how to go on.
    """
    from ponder.recipe.explain import explain_recipe
    from ponder.recipe.load import load_recipe

    loaded = load_recipe(recipe, set_)
    if dry_run:
        print(explain_recipe(loaded), end="")
        return
    path = run or Path("runs") / loaded.name
    if (path / "recipe.yaml").exists():  # said before torch is imported; Run.create says it again, under its lock
        raise ValueError(
            f"{path} already holds a run. Resume it with: ponder resume {path}, or name another with --run NAME"
        )
    from ponder.training import start

    _follow(lambda view: start.start(loaded, path, view))


def resume(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="a run directory")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="change the run's recipe from here on: --set stages.math.error_budget=0.05"),
    ] = None,
) -> None:
    """Go on with a stopped, paused or killed run from its latest checkpoint.

    --set may change error_budget, verify_timeout and optimizer of a stage, and the sandbox; the run keeps note of it.
    """
    from ponder.training import start

    _follow(lambda view: start.resume(path, view, set_ or ()))


def _follow(work) -> None:
    from rich.console import Console

    from ponder.training.pause import Paused
    from ponder.training.stages.runner import Stopped
    from ponder.training.view import View

    console = Console()
    view = View(console)
    try:
        work(view)
    except Paused as paused:
        view.paused(paused)
        raise typer.Exit(PAUSED) from None
    except Stopped as stopped:
        console.print(f"Stopped. {stopped}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(130) from None
