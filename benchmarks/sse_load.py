"""Many chat streams at a time against one server, in a process of its own: prints what its clients saw, as JSON.

Each client sends a request, reads it to its end or hangs up midway, and sends the next. Every request has a connection
of its own. Written over bare asyncio protocols, since an HTTP library at 200 streams needs more of a core than some of
the servers; the share of a core that this process used is part of what it prints.
"""

import argparse
import asyncio
import json
import random
import time
from collections import Counter
from pathlib import Path

RAMP_S = 3.0  # in which the clients begin
HURRY_S = 60.0  # answers that still run so long after the end are given up


class Stream(asyncio.Protocol):
    """One request. `cut_after`: hang up when so many pieces have come; None reads to the end."""

    def __init__(self, request: bytes, cut_after: int | None, by_reset: bool):
        self.request, self.cut_after, self.by_reset = request, cut_after, by_reset
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.times: list[float] = []  # of the pieces
        self.tokens, self.problem = 0, ""
        self._head, self._rest = True, b""

    def connection_made(self, transport) -> None:
        self.transport, self.begun = transport, time.perf_counter()
        transport.write(self.request)
        if self.cut_after == 0:
            self._hang_up()

    def data_received(self, data: bytes) -> None:
        now, data = time.perf_counter(), self._rest + data
        if self._head:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            self._head = False
            if head.split(b" ", 2)[1] != b"200":
                self._fail(f"{head.splitlines()[0].decode()}: {data[:300].decode(errors='replace')}")
                return
        # Chunks hold whole events, so the lines between events are sizes of chunks or empty.
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            if line.startswith(b"data: ") and not self.over.done():
                self._event(line[6:], now)

    def connection_lost(self, error) -> None:
        self._fail(f"the connection ended after {len(self.times)} pieces: {error}")

    def _event(self, data: bytes, now: float) -> None:
        if data.strip() == b"[DONE]":
            self.transport.close()
            self.over.set_result("finished")
            return
        event = json.loads(data)
        if "error" in event:
            self._fail(str(event["error"]))
            return
        if usage := event.get("usage"):
            self.tokens = usage["completion_tokens"]
        if not event["choices"]:
            return
        delta = event["choices"][0]["delta"]
        if delta.get("content") or delta.get("reasoning_content") or delta.get("tool_calls"):
            self.times.append(now)
            if len(self.times) == self.cut_after:
                self._hang_up()

    def _hang_up(self) -> None:
        self.tokens = len(self.times)
        self.over.set_result("hung up")
        self.transport.abort() if self.by_reset else self.transport.close()

    def _fail(self, problem: str) -> None:
        if not self.over.done():
            self.problem = problem
            self.over.set_result("failed")
            self.transport.abort()


class Load:
    def __init__(self, args: argparse.Namespace):
        self.args, self.words = args, json.loads(args.words.read_text())
        self.first: list[float] = []
        self.between: list[float] = []
        self.outcomes: Counter[str] = Counter()
        self.problems: list[str] = []
        self.tokens = self.last_end = 0

    async def run(self) -> dict:
        self.started = self.last_end = time.perf_counter()
        cpu = time.process_time()
        await asyncio.gather(*(self._client(number) for number in range(self.args.streams)))
        wall = self.last_end - self.started
        return {
            "seconds": round(wall, 2),
            "tokens_per_s": self.tokens / wall,
            "first_token_p50_ms": percentile(self.first, 50),
            "first_token_p99_ms": percentile(self.first, 99),
            "between_tokens_p50_ms": percentile(self.between, 50),
            "between_tokens_p99_ms": percentile(self.between, 99),
            **{name: self.outcomes[name] for name in ("finished", "hung up", "failed")},
            "client_cores": (time.process_time() - cpu) / wall,
            "problems": self.problems[:3],
        }

    async def _client(self, number: int) -> None:
        rng = random.Random(f"{self.args.seed} {number}")
        await asyncio.sleep(rng.uniform(0, RAMP_S))
        loop, until = asyncio.get_running_loop(), self.started + self.args.seconds
        while time.perf_counter() < until:
            request, cut_after, by_reset = self._request(rng)
            _, stream = await loop.create_connection(
                lambda cut=(request, cut_after, by_reset): Stream(*cut), self.args.host, self.args.port
            )
            try:
                outcome = await asyncio.wait_for(asyncio.shield(stream.over), self.args.seconds + HURRY_S)
            except TimeoutError:
                stream._fail(f"no end after {self.args.seconds + HURRY_S:g} s")
                outcome = await stream.over
            self._note(stream, outcome)

    def _request(self, rng: random.Random) -> tuple[bytes, int | None, bool]:
        """Prompts of 8 to 400 words (their logarithm is uniform) and answers of up to 16 to 160 tokens."""
        words = round(8 * 50 ** rng.random())
        most = rng.randint(16, 160)
        cut_after = rng.randint(0, most) if rng.random() < self.args.hang_ups else None
        body = json.dumps(
            {
                "model": self.args.model,
                "messages": [{"role": "user", "content": " ".join(rng.choices(self.words, k=words))}],
                "max_tokens": most,
                "temperature": 1.0,
                "top_p": 1.0,
                "top_k": -1,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
        ).encode()
        key = f"authorization: Bearer {self.args.key}\r\n" if self.args.key else ""
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {self.args.host}\r\n{key}content-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        return head.encode() + body, cut_after, rng.random() < 0.5

    def _note(self, stream: Stream, outcome: str) -> None:
        self.outcomes[outcome] += 1
        self.last_end = time.perf_counter()
        if stream.problem:
            self.problems.append(stream.problem)
        self.tokens += stream.tokens
        if stream.times:
            self.first.append(stream.times[0] - stream.begun)
            self.between += [after - before for before, after in zip(stream.times, stream.times[1:], strict=False)]


def percentile(seconds: list[float], percent: int) -> float | None:
    """In milliseconds."""
    return 1e3 * sorted(seconds)[min(len(seconds) - 1, len(seconds) * percent // 100)] if seconds else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", required=True, help="its name at the server")
    parser.add_argument("--words", type=Path, required=True, help="JSON list of words for prompts")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--hang-ups", type=float, default=0.2, help="share of the requests that are given up midway")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--key", help="API key")
    print(json.dumps(asyncio.run(Load(parser.parse_args()).run())))
