"""The package mcp, which is an extra."""

from importlib.metadata import PackageNotFoundError, version

from ponder.extras import how_to_install


def need_mcp() -> None:
    """Raises ValueError where the package is not here, or is of the generation before, whose interface is another."""
    try:
        found = version("mcp")
    except PackageNotFoundError:
        raise ValueError(f"MCP servers need the package mcp: {how_to_install('tools')}") from None
    if int(found.split(".")[0]) < 2:
        raise ValueError(
            f"MCP servers need version 2 of the package mcp, and {found} is here: {how_to_install('tools')}"
        )
