"""Python in the sandbox, whose variables stay from call to call: one session for an episode, opened at its first call."""

import asyncio
from typing import Any

from ponder.agents.tools.tool import ToolBroken, ToolError
from ponder.sandbox.client import Sandbox, Session
from ponder.sandbox.job import Cell, Refused
from ponder.sandbox.levels import IsolationError

SCHEMA = {
    "type": "function",
    "function": {
        "name": "python",
        "description": "Runs Python code and returns what it prints and the value of its last line. Variables stay for the next call. "
        "There is no network.",
        "parameters": {
            "type": "object",
            "properties": {"code": {"type": "string", "description": "Python source"}},
            "required": ["code"],
        },
    },
}


class PythonTool:
    """`seconds`: that a cell may take before it is interrupted; its session goes on."""

    name, schema = "python", SCHEMA

    def __init__(self, sandbox: Sandbox, seconds: float = 20.0):
        self._sandbox, self._seconds = sandbox, seconds
        self._session: Session | None = None

    async def call(self, arguments: dict[str, Any]) -> str:
        code = arguments.get("code")
        if not isinstance(code, str):
            raise ToolError("argument code: give Python source as a text")
        try:
            if self._session is None:
                self._session = await asyncio.to_thread(self._sandbox.open_session)
            cell = await asyncio.wrap_future(self._session.submit(code, self._seconds))
        except KeyError:
            self._session = None
            raise ToolError(
                "the session has ended, since nothing ran in it for long: variables are gone; call again"
            ) from None
        except (IsolationError, Refused, OSError, RuntimeError) as error:
            raise ToolBroken(f"the sandbox: {error}") from error
        if not cell.alive:
            self._session = None
        if cell.outcome == "infrastructure_error":
            raise ToolBroken(f"the sandbox: {cell.error}")
        return _told(cell, self._seconds)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await asyncio.to_thread(session.close)


def _told(cell: Cell, seconds: float) -> str:
    """As a person would see it at a prompt."""
    parts = [cell.stdout, cell.stderr, cell.result or "", cell.error or ""]
    if cell.outcome == "timeout":
        parts.append(f"The code was interrupted: it took longer than {seconds:g} s.")
    if not cell.alive:
        parts.append("The session has ended: variables are gone.")
    return "\n".join(part.rstrip("\n") for part in parts if part.strip()) or "(nothing was printed)"
