"""An MCP server in the words of the package mcp, over standard input and output, or HTTP where a port is given."""

import os
import sys

import anyio
from mcp.server.mcpserver import Image, MCPServer

server = MCPServer("trial")
given_up = 0


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def mirror(text: str) -> str:
    """Says it again."""
    return text


@server.tool()
def fail(text: str) -> str:
    """Fails."""
    raise ValueError(text)


@server.tool()
def die(code: int) -> str:
    """Ends the server in the middle of the call."""
    print("no memory left", file=sys.stderr, flush=True)
    os._exit(code)


@server.tool()
async def hang() -> str:
    """Never answers."""
    global given_up
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        given_up += 1
        raise
    return ""


@server.tool()
def calls_given_up() -> int:
    """How many."""
    return given_up


@server.tool()
def repeat(text: str, times: int) -> str:
    """Says it many times."""
    return text * times


@server.tool()
def process() -> str:
    """The number of the server's process."""
    return str(os.getpid())


@server.tool()
def environment(name: str) -> str:
    """A variable."""
    return os.environ.get(name, "(not set)")


@server.tool()
def picture() -> Image:
    """A picture."""
    return Image(data=b"123", format="png")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
