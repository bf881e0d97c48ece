"""Where a run's metrics go beside its directory: `trackers: [wandb]`, or with settings, `trackers: [{kind: wandb, ...}]`."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator

from ponder.recipe.strict import Strict


class Wandb(Strict):
    """Weights & Biases. The key is read from where `wandb login` puts it, or from the variable WANDB_API_KEY."""

    kind: Literal["wandb"] = Field("wandb", description="this tracker")
    project: str = Field("ponder", min_length=1, description="the project that the run appears in")
    entity: str | None = Field(None, description="the user or team that the project is of; empty: your default")
    group: str | None = Field(None, description="runs of one group are shown together")
    tags: list[str] = Field([], description="of the run")
    mode: Literal["online", "offline"] | None = Field(
        None, description="offline: kept in the run directory, for `wandb sync`; empty: as WANDB_MODE says, else online"
    )


class Mlflow(Strict):
    """MLflow. Name and password are read from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."""

    kind: Literal["mlflow"] = Field("mlflow", description="this tracker")
    uri: str | None = Field(
        None,
        description="of the tracking server or store; empty: as MLFLOW_TRACKING_URI says, else MLflow's own default",
    )
    experiment: str = Field("ponder", min_length=1, description="the experiment that the run appears in")

    @field_validator("uri")
    @classmethod
    def without_secrets(cls, uri: str | None) -> str | None:
        if uri is not None and urlsplit(uri).password:
            raise ValueError(
                "a password does not belong in a recipe, which every run keeps a copy of: set the variables "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return uri


def _by_name(value: Any) -> Any:
    """`wandb` for {kind: wandb}, and one tracker for a list of one."""
    items = value if isinstance(value, list) else [value]
    return [{"kind": item} if isinstance(item, str) else item for item in items]


Tracker = Annotated[Wandb | Mlflow, Field(discriminator="kind")]
Trackers = Annotated[list[Tracker], BeforeValidator(_by_name)]
