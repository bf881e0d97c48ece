"""The base of every model of a recipe: unknown fields are errors, and nothing changes after it was read."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
