"""Weights & Biases and MLflow. Their packages are loaded only where a recipe asks for them."""

import importlib.util
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from ponder.extras import how_to_install
from ponder.recipe.trackers import Mlflow, Wandb
from ponder.recipe.trackers import Tracker as Settings
from ponder.runs.run import Run
from ponder.runs.tracking import Tracker

_LONGEST_PARAM = 500  # characters; what all MLflow servers take
_PARAMS_AT_ONCE = 100
_NOT_MLFLOW = re.compile(r"[^\w .:/-]|\.\.")


def check_trackers(settings: Sequence[Settings]) -> None:
    """
    Raises:
        ValueError: the package of one is not installed; the message says how to get it.
    """
    for index, tracker in enumerate(settings):
        if importlib.util.find_spec(tracker.kind) is None:
            raise ValueError(
                f"trackers.{index}: {tracker.kind} is not installed; get it with: {how_to_install(tracker.kind)}, or leave "
                f"it out: --set trackers=[]. (TensorBoard files are written without it.)"
            )


def open_trackers(settings: Sequence[Settings], run: Run) -> list[Tracker]:
    """Trackers for `Run.follow`. A run that is resumed appears where it did before.

    Raises:
        ValueError: a package is not installed, or does not let this run in (no key, no server).
    """
    check_trackers(settings)
    opened: list[Tracker] = []
    for index, tracker in enumerate(settings):
        try:
            opened.append(_OPEN[tracker.kind](tracker, run))
        except Exception as error:  # each package has its own; what they say is for the user
            for other in opened:
                other.close()
            raise ValueError(
                f"trackers.{index}: {tracker.kind} does not start: {error}. Mend it, or go on without: "
                "--set trackers=[]"
            ) from error
    return opened


class WandbTracker:
    name = "wandb"

    def __init__(self, settings: Wandb, run: Run):
        import wandb

        self._run = wandb.init(
            project=settings.project,
            entity=settings.entity,
            group=settings.group,
            tags=settings.tags,
            mode=settings.mode,
            name=run.name,
            id=run.lineage["id"],
            resume="allow",
            dir=str(run.path),
            config=yaml.safe_load(run.recipe_text),
            settings=wandb.Settings(console="off"),  # the terminal is the live line's
        )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        self._run.finish()


class MlflowTracker:
    name = "mlflow"

    def __init__(self, settings: Mlflow, run: Run):
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=settings.uri)
        experiment = self._client.get_experiment_by_name(settings.experiment)
        number = experiment.experiment_id if experiment else self._client.create_experiment(settings.experiment)
        own = run.lineage["id"]
        before = self._client.search_runs([number], f"tags.`ponder.run` = '{own}'", max_results=1)
        if before:
            self._id = before[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
        else:
            self._id = self._client.create_run(number, tags={"ponder.run": own}, run_name=run.name).info.run_id
            self._log_recipe(yaml.safe_load(run.recipe_text))

    def _log_recipe(self, recipe: dict[str, Any]) -> None:
        from mlflow.entities import Param

        params = [Param(mlflow_name(path), str(value)[:_LONGEST_PARAM]) for path, value in flat(recipe).items()]
        for start in range(0, len(params), _PARAMS_AT_ONCE):
            self._client.log_batch(self._id, params=params[start : start + _PARAMS_AT_ONCE])

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(
            self._id, metrics=[Metric(mlflow_name(name), value, now, step) for name, value in metrics.items()]
        )

    def close(self) -> None:
        self._client.set_terminated(self._id)


_OPEN: dict[str, Callable[[Any, Run], Tracker]] = {"wandb": WandbTracker, "mlflow": MlflowTracker}


def mlflow_name(name: str) -> str:
    """A name as MLflow takes it: letters, digits, `_ - . : /` and spaces, and no path that leads elsewhere."""
    return re.sub("/+", "/", _NOT_MLFLOW.sub("_", name)).strip("/")


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """{path of a field: value} of everything in nested mappings and lists; items with a name go by it."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        value = {str(item.get("name", index)): item for index, item in enumerate(value)}
    if not isinstance(value, dict) or not value:
        return {path: value}
    return {
        inner: leaf
        for key, child in value.items()
        for inner, leaf in flat(child, f"{path}.{key}" if path else str(key)).items()
    }
