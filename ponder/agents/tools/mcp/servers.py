"""The MCP servers of a file, started together: one connection to each, which serves many episodes."""

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ponder.agents.tools.mcp.library import need_mcp
from ponder.agents.tools.mcp.settings import McpServer
from ponder.tasks.suggest import unknown_name

if TYPE_CHECKING:
    from ponder.agents.tools.mcp.connection import Connection
    from ponder.agents.tools.mcp.tool import McpTool

T = TypeVar("T")


class McpServers:
    """Starts all of them, in an event loop of their own, so that they can be asked from any. Use it as a context manager, or call
    `close`, which ends their programs.

    with McpServers(read_servers("servers.json", os.environ)) as servers:
        tools = servers.tools()

    Raises:
        ValueError: the package mcp is not here, or a server does not start within `start_seconds`, or lacks a tool that its
            `includeTools` names, or has one that cannot be called.
    """

    def __init__(self, settings: Mapping[str, McpServer], start_seconds: float = 60.0):
        need_mcp()
        self._settings, self._start_seconds = settings, start_seconds
        self._connections: dict[str, Connection] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="ponder-mcp", daemon=True)
        self._thread.start()
        try:
            self.tools()
        except BaseException:  # Ctrl+C while they start, too
            self.close()
            raise

    def tools(self) -> "list[McpTool]":
        """The tools for an episode. A server that has ended since the last one is started again. Raises as the class does."""
        self._now(self._open())
        return [
            tool for name, server in self._settings.items() for tool in self._tools_of(self._connections[name], server)
        ]

    def told(self) -> str:
        """For people: each server with the tools that a model may call, of those that it has."""
        parts = []
        for name, server in self._settings.items():
            has = [tool.name for tool in self._connections[name].tools]
            allowed = [tool for tool in has if server.includeTools is None or tool in server.includeTools]
            of = f" of {len(has)}" if len(allowed) < len(has) else ""
            parts.append(f"MCP server {name}: {len(allowed)}{of} tools ({', '.join(allowed)})")
        return "\n".join(parts)

    def close(self) -> None:
        if self._loop.is_closed():
            return
        try:
            self._now(self._close())
        except BaseException:  # Ctrl+C again: no time for an orderly end
            for connection in self._connections.values():
                connection.kill()
            raise
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> "McpServers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _now(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> None:
        from ponder.agents.tools.mcp.connection import Connection

        gone = [
            name
            for name in self._settings
            if name not in self._connections or self._connections[name].failure is not None
        ]
        for name in gone:
            self._connections[name] = Connection(name, self._settings[name])
        opened = (self._connections[name].open(self._start_seconds) for name in gone)
        failed = [done for done in await asyncio.gather(*opened, return_exceptions=True) if done is not None]
        if failed:
            raise failed[0]

    async def _close(self) -> None:
        await asyncio.gather(*(connection.close() for connection in self._connections.values()))
        calls = asyncio.all_tasks() - {asyncio.current_task()}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def _tools_of(self, connection: "Connection", server: McpServer) -> "list[McpTool]":
        from ponder.agents.tools.mcp.tool import McpTool

        has = {tool.name: tool for tool in connection.tools}
        if len(has) < len(connection.tools):
            raise ValueError(f"MCP server {connection.name} has two tools of one name")
        for name in server.includeTools or ():
            if name not in has:
                raise ValueError(f"mcpServers.{connection.name}.includeTools: {unknown_name('tool', name, has)}")
        allowed = [tool for tool in connection.tools if server.includeTools is None or tool.name in server.includeTools]
        if not allowed:
            raise ValueError(f"MCP server {connection.name} has no tools: leave it out")
        return [McpTool(connection, self._loop, tool) for tool in allowed]
