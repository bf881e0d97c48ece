"""A server with OpenAI's API that does what a test says, byte for byte."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Act = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: dict = field(default_factory=dict)
    number: int = 0  # of the request, from 0


class FakeOpenAi:
    """The server, in a thread. `act` writes the whole response; the connection ends after it."""

    def __init__(self, act: Act):
        self.act, self.asked = act, []
        self.running = self.most = 0
        self._loop, self._up = asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._up.wait()
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._ending.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = head[0].split()
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            content = await reader.readexactly(int(headers.get("content-length", 0)))
            asked = Asked(method, path, headers, json.loads(content or b"{}"), len(self.asked))
            self.asked.append(asked)
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await self.act(asked, writer)
                await writer.drain()
            finally:
                self.running -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client has gone
        finally:
            writer.close()


def response(body: bytes | dict, status: int = 200, kind: str = "application/json", **headers: str) -> bytes:
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    told = {"Content-Type": kind, "Content-Length": str(len(content)), "Connection": "close"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def chat(content, reason: str | None = "stop", **message) -> dict:
    told = {"role": "assistant", "content": content} | message
    return {"model": "m", "choices": [{"index": 0, "message": told, "finish_reason": reason}]}


def delta(reason: str | None = None, **fields) -> bytes:
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": reason}]})


def event(content: dict) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def in_turn(*each: bytes) -> Act:
    """A response for each request; the last one for all further."""

    async def act(asked, writer):
        writer.write(each[min(asked.number, len(each) - 1)])

    return act
