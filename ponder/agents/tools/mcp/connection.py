"""One MCP server, from its start to its end, in one event loop."""

import asyncio
import logging
from contextlib import AsyncExitStack

from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_PARAMS,
    URL_ELICITATION_REQUIRED,
    CallToolResult,
    Implementation,
    Tool,
)
from pydantic import ValidationError

from ponder import __version__
from ponder.agents.tools.mcp.bounds import MOST_BYTES, MOST_PAGES, MOST_TOOLS
from ponder.agents.tools.mcp.http import bounded_client, overlong
from ponder.agents.tools.mcp.settings import McpServer
from ponder.agents.tools.mcp.stdio import StdioTransport
from ponder.agents.tools.tool import ToolBroken, ToolError
from ponder.runs.wording import printable

LAST_WORDS_SECONDS = 1.0  # that a call waits to hear how its server ended
_RESERVED = range(-32768, -31999)  # codes that JSON-RPC and MCP give a meaning; all others are the server's own
_OF_THE_CALL = (INVALID_PARAMS, URL_ELICITATION_REQUIRED, -32002)  # the last: a resource that there is not

# The package logs with tracebacks what is told here in a sentence; who wants to see it configures logging.
logging.getLogger("mcp").addHandler(logging.NullHandler())


class Connection:
    """
    Attributes:
        name: of the server
        tools: all that it has; from `open` on
        failure: why it is no longer there; None while it is
    """

    def __init__(self, name: str, server: McpServer):
        self.name, self._server = name, server
        self.tools: list[Tool] = []
        self.failure: str | None = "it has not been started"
        self._stdio = StdioTransport(server) if server.url is None else None
        self._client: Client | None = None
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self, seconds: float) -> None:
        """Start the server, or reach it, and ask for its tools.

        Raises:
            ValueError: it cannot be started or reached, is no MCP server, or takes longer than that.
        """
        ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(ready))
        await asyncio.wait([self._task, ready], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            return
        failure = self.failure if self._task.done() else f"nothing was heard of it for {seconds:g} s"
        await self.close()
        where = (
            "does not start" if self._server.url is None else f"cannot be reached at {self._server.url.split('?')[0]}"
        )
        raise ValueError(f"MCP server {self.name} {where}: {failure}")

    async def call(self, tool: str, arguments: dict) -> CallToolResult:
        """Cancelling gives the call up, and the server is told so.

        Raises:
            ToolError: the server says that the call is wrong, or its answer is too long.
            ToolBroken: the server is gone, or what it says is no answer.
        """
        if self._client is None:
            raise ToolBroken(self._gone())
        noted: list[str] = []
        overlong.set(noted)
        try:
            return await self._client.call_tool(tool, arguments)
        except MCPError as error:
            if noted:
                raise ToolError(noted[0]) from error
            if error.code in _OF_THE_CALL or error.code not in _RESERVED:
                raise ToolError(error.message) from error
            if error.code == CONNECTION_CLOSED and self._task is not None:
                await asyncio.wait([self._task], timeout=LAST_WORDS_SECONDS)
            raise ToolBroken(self._gone() if self._client is None else f"{self.name}: {error.message}") from error
        except Exception as error:  # a result of another form, or none that its own schema allows
            raise ToolBroken(f"{self.name}: {_in_words(error)}") from error

    async def close(self) -> None:
        """End the server, or part from it. What is asked of it meanwhile is ToolBroken."""
        self._closing.set()
        if self._task is not None:
            if self._client is None and not self._task.done():
                self._task.cancel()  # it is still being started
            await asyncio.wait([self._task])

    def kill(self) -> None:
        """End its program at once, from any thread."""
        if self._stdio is not None:
            self._stdio.kill()

    def _gone(self) -> str:
        return f"MCP server {self.name} is gone: {self.failure}"

    async def _hold(self, ready: asyncio.Future[None]) -> None:
        """The package's context managers must be entered and left by one task: this one."""
        failure = "it was closed"
        try:
            async with AsyncExitStack() as stack:
                client = await self._entered(stack)
                self.tools = await _tools_of(client)
                self._client, self.failure = client, None
                ready.set_result(None)
                await self._until_end()
                self._client = None
        except Exception as error:  # an ExceptionGroup, where the package's own tasks have failed
            failure = _in_words(error)
        except asyncio.CancelledError:
            failure = "it was given up"
        finally:
            self._client = None
            if self._stdio is not None and self._stdio.ended_itself:
                failure = self._stdio.how_it_ended()
            self.failure = printable(failure)

    async def _entered(self, stack: AsyncExitStack) -> Client:
        if self._stdio is not None:
            transport = self._stdio
        else:
            assert self._server.url is not None
            http = await stack.enter_async_context(bounded_client(self._server.headers))
            transport = streamable_http_client(self._server.url, http_client=http, max_sse_event_size=MOST_BYTES)
        about = Implementation(name="ponder", version=__version__)
        return await stack.enter_async_context(Client(transport, client_info=about, cache=None))

    async def _until_end(self) -> None:
        events = [self._closing, *([self._stdio.ended] if self._stdio is not None else [])]
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


async def _tools_of(client: Client) -> list[Tool]:
    tools, cursor = [], None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if len(tools) > MOST_TOOLS:
            break
        if cursor is None:
            return tools
    raise ValueError(f"it has more than {MOST_TOOLS:,} tools, or a list of them without an end")


def _in_words(error: BaseException) -> str:
    """The first thing that went wrong, without the groups around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"there is no {error.filename}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or type(error).__name__}: {error.strerror}"
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"it does not speak the protocol: {'.'.join(map(str, first['loc']))}: {first['msg']}"[:500]
    words = " ".join(str(error).split())[:500]
    return words if isinstance(error, MCPError | ValueError) and words else f"{type(error).__name__}: {words}"
