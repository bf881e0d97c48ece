"""A server as a program of this machine: a message is a line on its standard input or output.

The package mcp has such a transport, too. This one holds a line that is too long to no more than its ends, knows what the program
said last and how it ended, and leaves nothing of its processes behind.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter

from ponder.agents.tools.mcp.bounds import MOST_BYTES, TOO_LONG, told_too_long
from ponder.agents.tools.mcp.settings import McpServer

CHUNK = 65_536
GRACE_SECONDS = 2.0  # to end after its input has ended; as much again after SIGTERM
_ENDS = 1_000  # bytes of a long line's beginning and end, and of what is kept of standard error
# The id of an answer, which stands before its result or behind it, by the library that wrote it.
_ID_FIRST = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*,')
_ID_LAST = re.compile(
    rb',\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$'
)

Messages = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


class StdioTransport:
    """An `mcp.client.Transport`: entering starts the program, leaving ends it and all that it has started.

    Attributes:
        ended: set when its output has ended
        ended_itself: before it was told to
    """

    def __init__(self, server: McpServer):
        self._server = server
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._said = b""
        self.ended = asyncio.Event()
        self.ended_itself = False

    async def __aenter__(self) -> Messages:
        """Raises OSError and ValueError for a program that cannot be started."""
        assert self._server.command is not None
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            self._server.command,
            *self._server.args,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=get_default_environment() | self._server.env,
            cwd=self._server.cwd and os.path.expanduser(self._server.cwd),
            start_new_session=True,  # Ctrl+C is for Ponder, which then ends it in order
        )
        answers, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write, requests = anyio.create_memory_object_stream[SessionMessage](0)
        self._streams = (answers, read, write, requests)
        work = (self._hear(self._process, answers), self._tell(self._process, requests), self._keep(self._process))
        self._tasks = [asyncio.create_task(each) for each in work]
        return read, write

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        self.ended_itself = self.ended.is_set()
        with anyio.CancelScope(shield=True):
            if self._process.stdin is not None:
                self._process.stdin.close()
            await self._end(self._process)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for stream in self._streams:
                stream.close()

    def how_it_ended(self) -> str:
        """In words, with what it said last on standard error."""
        code = self._process.returncode if self._process is not None else None
        if code is None:
            how = "it has closed its output"
        else:
            how = f"it ended with exit code {code}" if code >= 0 else f"signal {-code} ended it"
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        return f"{how}; its last words: {lines[-1].strip()[:300]}" if lines else how

    def kill(self) -> None:
        """At once, from any thread."""
        if self._process is not None:
            _signal(self._process.pid, signal.SIGKILL)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        for ending in (signal.SIGTERM, signal.SIGKILL):
            if await _has_ended(process):
                break
            _signal(process.pid, ending)
        _signal(process.pid, signal.SIGKILL)  # what it has left behind
        await _has_ended(process)

    async def _hear(self, process: asyncio.subprocess.Process, answers: MemoryObjectSendStream) -> None:
        assert process.stdout is not None
        try:
            with answers:
                async for line in _lines(process.stdout):
                    if (message := _message(line)) is not None:
                        await answers.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # nobody listens any more
        finally:
            self.ended.set()
        while await process.stdout.read(CHUNK):  # a full pipe would keep it from ending
            continue

    async def _tell(self, process: asyncio.subprocess.Process, requests: MemoryObjectReceiveStream) -> None:
        assert process.stdin is not None
        try:
            async for request in requests:
                line = request.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(line.encode() + b"\n")
                await process.stdin.drain()
        except (ConnectionError, anyio.ClosedResourceError):
            self.ended.set()

    async def _keep(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while chunk := await process.stderr.read(CHUNK):
            self._said = (self._said + chunk)[-_ENDS:]


@dataclass(frozen=True)
class Line:
    """`length`: of all of it, in bytes. `head`, `tail`: the whole line and nothing, or the ends of one that is too long."""

    length: int
    head: bytes
    tail: bytes = b""


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[Line]:
    held, tail, length = bytearray(), b"", 0
    while chunk := await stream.read(CHUNK):
        *ended, begun = chunk.split(b"\n")
        for part, is_end in [*((part, True) for part in ended), (begun, False)]:
            length += len(part)
            if length > MOST_BYTES:
                tail = (tail + bytes(held[-_ENDS:]) + part if not tail else tail + part)[-_ENDS:]
                held += part[: max(_ENDS - len(held), 0)]
                del held[_ENDS:]
            else:
                held += part
            if is_end:
                yield Line(length, bytes(held), tail)
                held, tail, length = bytearray(), b"", 0


def _message(line: Line) -> SessionMessage | None:
    """None for what is no message: some servers print other things, too."""
    found = _ID_FIRST.match(line.head) or _ID_LAST.search(line.tail or line.head[-_ENDS:])
    if line.length > MOST_BYTES:
        return _failed(found, TOO_LONG, told_too_long())
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line.head, by_name=False))
    except ValueError:
        return _failed(found, PARSE_ERROR, "its answer is no JSON-RPC message")


def _failed(found: re.Match[bytes] | None, code: int, message: str) -> SessionMessage | None:
    """An answer in place of one that cannot be read, so that nobody waits for it."""
    if found is None:
        return None
    error = ErrorData(code=code, message=message)
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=int(found[1]), error=error))


async def _has_ended(process: asyncio.subprocess.Process) -> bool:
    """Whether it does within GRACE_SECONDS. `process.wait` would also wait for all others that hold its pipes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + GRACE_SECONDS
    while process.returncode is None and loop.time() < end:
        await asyncio.sleep(0.01)
    return process.returncode is not None


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
