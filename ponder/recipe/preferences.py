"""What a recipe may say about preference pairs: two answers to one prompt, of which one is preferred."""

from typing import Literal

from pydantic import Field, model_validator

from ponder.recipe.strict import Strict


class Preferences(Strict):
    """Rows of {"prompt", "chosen", "rejected"}, of ShareGPT's {"conversations", "chosen", "rejected"}, of two whole conversations
    {"chosen", "rejected"}, or of LLMBar's {"input", "output_1", "output_2", "label"} (docs/reward_models.md)."""

    path: str | list[str] | None = Field(
        None, description="files of pairs: JSON Lines, JSON lists, CSV, Parquet; a file, a pattern, or a list of these"
    )
    hub: str | None = Field(None, description="or a data set of the Hugging Face hub, or a local directory of one")
    config: str | None = Field(None, description="with hub: one of its configurations, where it has several")
    split: str = Field("train", description="with hub: the split of the data set whose rows are taken")
    fields: dict[str, str] = Field(
        {},
        description="prompt:, chosen:, rejected:, system:, tools:, category: name the fields of a row, or paths into nested ones",
    )
    limit: int | None = Field(None, ge=1, description="only the first so many rows")
    unusable: Literal["refuse", "drop"] = Field(
        "refuse",
        description="what happens to rows whose sides are missing, equal, or look swapped; either is said by line",
    )
    max_tokens: int | None = Field(
        None, ge=1, description="longest sequence, prompt and answer together; empty: the model's context"
    )
    too_long: Literal["refuse", "drop"] = Field(
        "refuse", description="what happens to pairs with a longer one; either is said by line"
    )
    validation: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="share of the prompts whose pairs are never learned, and judged at the end; by content hash",
    )
    test: str | list[str] | None = Field(
        None, description="files of pairs that are judged at the end too, and never learned; by default a category each"
    )

    @model_validator(mode="after")
    def one_way(self):
        if (self.path is None) == (self.hub is None):
            raise ValueError("name exactly one of: path (files of pairs) or hub (a data set of the hub)")
        if self.hub is None and (self.config is not None or self.split != "train"):
            raise ValueError("config and split are about a data set of the hub, and files have none: leave them out")
        return self
