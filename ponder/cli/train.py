"""ponder train, ponder resume."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ponder.training.view import View

PAUSED = 3  # the exit code of a run that has paused itself
ShowRollouts = Annotated[int, typer.Option(min=0, metavar="N", help="show N answers of each RL step as they come")]


def train(
    recipe: Annotated[Path, typer.Argument(help="a recipe, such as recipes/tiny.yaml")],
    run: Annotated[Path | None, typer.Option(help="run directory; default runs/<name of the recipe>")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="change a field: --set stages.math.steps=40 (repeatable)")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            help="check the recipe, print it with every field resolved and described, and stop; fetches no weights"
        ),
    ] = False,
    show_rollouts: ShowRollouts = 0,
) -> None:
    """Train a recipe: its stages in order, with evaluations, checkpoints and a report. Ctrl+C saves and stops.

    Exits with 3 where the run has paused itself: it is saved, and says what happened and how to go on.
    """
    from ponder.model.hub import hub_id
    from ponder.recipe.explain import explain_recipe
    from ponder.recipe.load import load_recipe, with_model
    from ponder.server.start.checkpoint import find_checkpoint

    loaded = load_recipe(recipe, set_)
    if dry_run:
        if loaded.model.path and hub_id(loaded.model.path):  # of the hub's model all but the weights is fetched
            loaded = with_model(loaded, find_checkpoint(loaded.model.path, weights=False).lasting)
        print(explain_recipe(loaded), end="")
        if loaded.benchmarks:
            from ponder.training.benchmarks import load_benchmarks, remarks

            for remark in remarks(load_benchmarks(loaded)):  # refused here as they would be at the start
                print(remark, file=sys.stderr)
        return
    path = run or Path("runs") / loaded.name
    if (path / "recipe.yaml").exists():  # said before torch is imported; Run.create says it again, under its lock
        raise ValueError(
            f"{path} already holds a run. Resume it with: ponder resume {path}, or name another with --run NAME"
        )
    from ponder.training import start

    _follow(lambda view: start.start(loaded, path, view), show_rollouts)


def resume(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="a run directory")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="change the run's recipe from here on: --set stages.math.error_budget=0.05"),
    ] = None,
    show_rollouts: ShowRollouts = 0,
) -> None:
    """Go on with a stopped, paused or killed run from its latest checkpoint.

    --set may change whatever nothing learned so far depends on: steps of the stage at hand (a run is made longer so), all
    of a stage that has not begun, the learning rate, saving, evaluating, memory, device. The run keeps note of it.
    """
    from ponder.training import start

    _follow(lambda view: start.resume(path, view, set_ or ()), show_rollouts)


def _follow(work: Callable[["View"], object], show_rollouts: int) -> None:
    from rich.console import Console

    from ponder.training.pause import Paused
    from ponder.training.stages.runner import Stopped
    from ponder.training.view import View

    console = Console()
    view = View(console, show_rollouts)
    try:
        work(view)
    except Paused as paused:
        view.paused(paused)
        raise typer.Exit(PAUSED) from None
    except Stopped as stopped:
        console.print(f"Stopped. {stopped}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(130) from None
