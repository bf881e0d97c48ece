"""What the tests of MCP share."""

import asyncio
import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from ponder.agents.tools.mcp.settings import McpServer

HERE = Path(__file__).parent
OBJECT = {"type": "object", "properties": {}}


def needs_mcp() -> None:
    """Skips a module where the package is not here."""
    try:
        found = version("mcp")
    except PackageNotFoundError:
        found = "0"
    if int(found.split(".")[0]) < 2:
        pytest.skip("needs the package mcp, version 2: the extra `tools`", allow_module_level=True)


def sdk_server(**fields: Any) -> McpServer:
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    script = str(HERE / "mcp_sdk_server.py")
    return McpServer(command=sys.executable, args=(script,), env=path | fields.pop("env", {}), **fields)


def bare_server(*tools: dict[str, Any], **script: Any) -> McpServer:
    settings = json.dumps({"tools": [{"inputSchema": OBJECT, **tool} for tool in tools], **script})
    includes = {"includeTools": script.pop("includeTools")} if "includeTools" in script else {}
    return McpServer(command=sys.executable, args=(str(HERE / "mcp_bare_server.py"), settings), **includes)


def call(tool: Any, seconds: float = 60.0, **arguments: Any) -> str:
    """What a tool answers, from an event loop of its own."""

    async def run() -> str:
        async with asyncio.timeout(seconds):
            return await tool.call(arguments)

    return asyncio.run(run())
