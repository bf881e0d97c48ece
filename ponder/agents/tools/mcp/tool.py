"""A tool of an MCP server as a tool of the agent loop: its schema, and its results as text."""

import asyncio
import json
import re
from typing import Any

from mcp_types import (
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    Tool,
)

from ponder.agents.tools.mcp.bounds import MOST_DESCRIPTION, MOST_SCHEMA
from ponder.agents.tools.mcp.connection import Connection
from ponder.agents.tools.tool import ToolBroken, ToolError
from ponder.chat.json_schema import check_schema
from ponder.runs.wording import printable

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what the APIs take for a function's name


class McpTool:
    """Bound to a connection: when that has ended, the tool is broken for good. `McpServers.tools` makes new ones.

    Raises:
        ValueError: a name that no function has, or a schema that is none, or is too long.
    """

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop, remote: Tool):
        self.name = f"{connection.name}__{remote.name}"
        self._connection, self._loop, self._remote = connection, loop, remote.name
        where = f"tool {printable(remote.name)[:80]!r} of MCP server {connection.name}"
        leave_out = "name the others in its includeTools, so that this one is left out"
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{where} cannot be called: a name has letters, digits, _ and -, and at most {62 - len(connection.name)} of "
                f"them behind {connection.name}__; {leave_out}"
            )
        try:
            self.schema = _schema(self.name, remote)
        except ValueError as error:
            raise ValueError(f"{where} cannot be called: {printable(str(error))}; {leave_out}") from error

    async def call(self, arguments: dict[str, Any]) -> str:
        if self._loop.is_closed():
            raise ToolBroken("the MCP servers are closed")
        future = asyncio.run_coroutine_threadsafe(self._connection.call(self._remote, arguments), self._loop)
        result = await asyncio.wrap_future(future)
        text = text_of_result(result)
        if result.is_error:
            raise ToolError(text)
        return text

    async def close(self) -> None:
        """Nothing is held: the connection serves other episodes, too."""


def text_of_result(result: CallToolResult) -> str:
    """What a model reads of a result. What is no text is named."""
    parts = [_text_of(block) for block in result.content]
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    return "\n".join(parts) or "(the tool answered nothing)"


def _text_of(block: Any) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent():
            return f"[an image ({block.mime_type}), which this model cannot see]"
        case AudioContent():
            return f"[a sound ({block.mime_type}), which this model cannot hear]"
        case ResourceLink():
            return f"[a resource: {block.name}, {block.uri}]"
        case EmbeddedResource(resource=TextResourceContents() as resource):
            return resource.text
        case EmbeddedResource(resource=resource):
            return f"[a resource that is no text: {resource.uri} ({resource.mime_type or 'unknown type'})]"
    return f"[something that is no text: {type(block).__name__}]"


def _schema(name: str, remote: Tool) -> dict[str, Any]:
    description = remote.description or remote.title or remote.name
    if len(description) > MOST_DESCRIPTION:
        description = f"{description[:MOST_DESCRIPTION]} [...]"
    parameters = remote.input_schema
    if parameters.get("type") != "object":
        raise ValueError("its input schema is not of type object")
    written = json.dumps(parameters, ensure_ascii=False)
    if len(written) > MOST_SCHEMA:
        raise ValueError(f"its input schema has {len(written):,} characters; at most {MOST_SCHEMA:,} are taken")
    check_schema(parameters)
    function = {"name": name, "description": description, "parameters": parameters}
    text = json.dumps(function, ensure_ascii=False).encode("utf-8", "replace")  # half a character is no text
    return {"type": "function", "function": json.loads(text)}
