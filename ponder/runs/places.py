"""Where the parts of a run lie: the names of its files and directories, and what a directory is by them."""

import re
from collections.abc import Iterable
from pathlib import Path

BIRTH = "birth"  # the "stage" of the first model, before every stage of the recipe
_STAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_STEP_NAME = re.compile(r"(?P<stage>[A-Za-z0-9][A-Za-z0-9_-]*)-(?P<step>\d{6,})(\.json)?")
_STARTED = re.compile(r"\.lock$|lineage\.json$|\.(lineage\.json|recipe\.yaml)\.tmp-")  # left by a start that was killed
_ROLLOUT_NAME = re.compile(r"step-(?P<step>\d{6,})\.parquet")


def place_of(path: Path) -> tuple[str, int]:
    """(stage, step) from the name of a checkpoint or an evaluation file: `math-000060` is ("math", 60)."""
    match = _STEP_NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path} is not named <stage>-<step>, as in math-000060")
    return match["stage"], int(match["step"])


def step_files(directory: Path, ending: str = "/") -> list[Path]:
    """What lies in `directory` and is named <stage>-<step>: directories, or files with the ending ".json"."""
    return [path for path in directory.glob(f"*{ending}") if _STEP_NAME.fullmatch(path.name)]


def planned_stages(recipe_text: str) -> list[str]:
    """The names of a recipe's stages, in their order."""
    import yaml

    recipe = yaml.safe_load(recipe_text)
    planned = recipe.get("stages") if isinstance(recipe, dict) else None
    return [stage["name"] for stage in planned or [] if isinstance(stage, dict) and "name" in stage]


def in_order(paths: Iterable[Path], stages: Iterable[str]) -> list[Path]:
    """What is named <stage>-<step>, the first model's first, then in the order of `stages` and of steps."""
    order = {stage: index for index, stage in enumerate(dict.fromkeys([BIRTH, *stages]))}
    placed = [(place_of(path), path) for path in paths]
    return [path for _, path in sorted(placed, key=lambda p: (order.get(p[0][0], len(order)), p[0]))]


def rollout_file(run: Path, stage: str, step: int) -> Path:
    return run / "rollouts" / checked_stage(stage) / f"step-{step:06d}.parquet"


def rollout_files(run: Path) -> list[Path]:
    """The Parquet files of all steps, by stage name and step."""
    return sorted(path for path in run.glob("rollouts/*/*") if _ROLLOUT_NAME.fullmatch(path.name))


def rollout_place(path: Path) -> tuple[str, int]:
    """(stage, step) of a file of `rollout_files`."""
    return path.parent.name, int(_ROLLOUT_NAME.fullmatch(path.name)["step"])


def checked_stage(stage: str) -> str:
    """The name itself.

    Raises:
        ValueError: it could not name a file.
    """
    if not _STAGE.fullmatch(stage):
        raise ValueError(f"{stage!r} cannot name a stage: use letters, digits, _ and -, as in cold_start")
    return stage


def is_run(path: Path) -> bool:
    return (path / "lineage.json").is_file() and (path / "recipe.yaml").is_file()


def refuse_occupied(path: Path) -> None:
    """
    Raises:
        ValueError: a new run cannot be made at `path`, since something is there.
    """
    if is_run(path):
        raise ValueError(
            f"{path} already holds a run. Resume it with: ponder resume {path}, or name another with --run NAME"
        )
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file. Name a directory for the run with --run NAME")
    held = sorted(child.name for child in path.glob("*") if not _STARTED.match(child.name)) if path.exists() else []
    if held:
        raise ValueError(f"{path} is not empty (it holds {held[0]}). Name another directory with --run NAME")
