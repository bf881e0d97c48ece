"""What a tool is, and the two ways in which it can fail."""

from typing import Any, Protocol


class ToolError(Exception):
    """The call was at fault, or what it asked for cannot be done: the model is told so, in these words."""


class ToolBroken(Exception):
    """The tool itself is broken (its server is gone, its sandbox does not start): no fault of the model's, so an episode in which
    it happens says nothing of the model."""


class Tool(Protocol):
    """
    Attributes:
        name: by which the model calls it
        schema: the function's JSON schema, as in the OpenAI API: {"type": "function", "function": {name, description, parameters}}
    """

    name: str
    schema: dict[str, Any]

    async def call(self, arguments: dict[str, Any]) -> Any:
        """What it answers: a text, or something that JSON can say. Cancelling gives the call up.

        Raises:
            ToolError: the model is to hear of it.
            ToolBroken: it is not the model's fault.
        """
        ...

    async def close(self) -> None: ...
