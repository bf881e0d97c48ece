"""What a recipe may say about files of chats that are imitated."""

from typing import Literal

from pydantic import Field

from ponder.recipe.strict import Strict


class ChatFiles(Strict):
    """Rows of {"messages": [...]}, of ShareGPT's {"conversations": [...]}, or of {"prompt", "completion"}."""

    path: str | list[str] | None = Field(
        None,
        description="files of chats to imitate: JSON Lines, JSON lists, CSV, Parquet; a file, a pattern, or a list of these",
    )
    fields: dict[str, str] = Field(
        {},
        description="messages:, or prompt: and completion:, and system:, tools:, reasoning: name the fields of a row, or "
        "paths into nested ones",
    )
    system: str | None = Field(None, description="a system prompt, for chats that bring none of their own")
    limit: int | None = Field(None, ge=1, description="only the first so many rows")
    learn: Literal["last", "all"] = Field(
        "last", description="the assistant's last message is learned, or all of its messages"
    )
    too_long: Literal["refuse", "drop"] = Field(
        "refuse", description="what happens to chats that are longer than the model's context; either is said by line"
    )
    validation: float = Field(
        0.0, ge=0, lt=1, description="share of the chats that is never learned, for validation/loss; by content hash"
    )
