"""What may be changed in a run on its way: ponder resume RUN --set stages.math.steps=200"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ponder.recipe.schema import Recipe
from ponder.runs.places import BIRTH
from ponder.training.checkpoint import Progress
from ponder.training.exits import reached_exit

# Settings that what has been learned so far does not depend on, or that one changes because training went wrong.
CHANGEABLE = (
    "sandbox.*",
    "judges.*",
    "engine.*",
    "trackers",
    "benchmarks",
    "benchmarks.*",
    "model.device",
    "model.save_dtype",
    *(
        f"held_out.{name}"
        for name in ("problems", "samples", "at_start", "temperature", "top_p", "top_k", "max_tokens")
    ),
    "stages.*.error_budget",
    "stages.*.verify_timeout",
    "stages.*.optimizer.*",
    "stages.*.objective.*",
    "stages.*.micro_batch_tokens",
    "stages.*.eval_every",
    "stages.*.eval_problems",
    "stages.*.save_every",
    "stages.*.keep_checkpoints",
    "stages.*.keep_best",
    "stages.*.measure",
)
ENDS = ("steps", "target", "plateau")  # of a stage; as long as no later one has begun


def changed_fields(before: Recipe, after: Recipe, progress: Progress) -> dict[str, list[Any]]:
    """{path of a field: [value before, value after]} for those that differ. A stage that has not begun may be changed as
    one likes, the one that the run is in may be made longer.

    Raises:
        ValueError: one of them cannot be changed any more.
    """
    old, new = dict(_fields(before.model_dump(mode="json"))), dict(_fields(after.model_dump(mode="json")))
    changed = {path: [old.get(path), new.get(path)] for path in {**old, **new} if old.get(path) != new.get(path)}
    names = [stage.name for stage in before.stages]
    begun = 0 if progress.stage == BIRTH else names.index(progress.stage) + 1
    free = [f"stages.{name}.*" for name in names[begun:]]
    if begun:
        free += [f"stages.{names[begun - 1]}.{end}{rest}" for end in ENDS for rest in ("", ".*")]
    for path in changed:
        if not any(fnmatchcase(path, pattern) for pattern in (*CHANGEABLE, *free)):
            raise ValueError(f"--set {path}: {_why_not(path, names[:begun])}. For anything else start another run")
    for stage in after.stages:
        if stage.name == progress.stage and stage.steps < progress.step:
            raise ValueError(
                f"--set stages.{stage.name}.steps={stage.steps}: the stage has taken {progress.step} steps already; "
                "it can be made longer, or end here with that number"
            )
    return changed


def reopens(recipe: Recipe, progress: Progress) -> bool:
    """Whether the stage that the run is in had ended, and by what the recipe says now has not. One that its guard has ended stays so."""
    stage = next((stage for stage in recipe.stages if stage.name == progress.stage), None)
    if stage is None or not progress.done or progress.step >= stage.steps or progress.rolled_back is not None:
        return False
    return not progress.accuracies or reached_exit(stage, progress.accuracies) is None


def forget_other_evaluations(progress: Progress, changed: Mapping[str, Any]) -> None:
    """Accuracies that were measured in another way are not compared with those to come."""
    protocol = [f"held_out.{name}" for name in ("problems", "samples", "temperature", "top_p", "top_k", "max_tokens")]
    own = [f"stages.{progress.stage}.{name}" for name in ("eval_problems", "measure")]
    if any(path in changed for path in (*protocol, *own)):
        forget_evaluations(progress)


def forget_evaluations(progress: Progress) -> None:
    progress.accuracies, progress.best, progress.best_step = [], None, None


def _why_not(path: str, begun: list[str]) -> str:
    parts = path.split(".")
    if parts[0] == "stages" and len(parts) > 2 and parts[1] in begun and parts[2] in ENDS:
        return f"stage {parts[1]} has ended, and what came after it was learned from there"
    return (
        "what has been learned depends on it. What can be changed: stages that have not begun, the end of the one that "
        f"has, and {', '.join(CHANGEABLE)}"
    )


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of everything that is no mapping, nor a list of things with names."""
    if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        value = {item["name"]: item for item in value}
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    for key, inner in value.items():
        yield from _fields(inner, f"{path}.{key}" if path else str(key))
