"""Many sessions at a time against one `ponder serve`: clients that set no limit, agents with loops of tools, and nobody at all.

    python benchmarks/many_sessions.py [--parts flood agents idle soak] [--minutes 30] [--vllm-python PATH]

- flood: 200 chat streams begin at once, without max_tokens, so that each may fill the context, in room for a few whole ones.
- agents: 20 agents share a long system prompt with tools; each runs a loop of calls and results, so its prompt grows. What of the
  prompts was found in the cache is shown, by what the replies say.
- idle: the share of a core that the server takes when nobody asks, over 30 s.
- soak: streams, agents and clients that hang up, over minutes; with --vllm-python the server is Ponder over vLLM, and vLLM is killed
  every fifth of the time.

A model with random weights answers: calls are forced by tool_choice. The exit code is 1 where a request failed that should not have.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from headline import headline
from rich.console import Console
from rich.table import Table
from served import served
from serving import cpu_seconds, write_checkpoint

from ponder.model.config import load_config
from ponder.model.describe import describe

MODEL, CONTEXT = "6 layers x 256", 2048
FLOOD, AGENTS, ROUNDS = 200, 20, 6
FLOOD_ROOM = 16  # whole contexts that fit
IDLE_S = 30.0
TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "looks something up",
        "parameters": {"type": "object", "properties": {"deep": {"type": "boolean"}}, "required": ["deep"]},
    },
}
FORCED = {"type": "function", "function": {"name": "look"}}


@dataclass
class Seen:
    """What the clients of one part saw."""

    finished: Counter = field(default_factory=Counter)  # by finish reason
    failed: Counter = field(default_factory=Counter)  # by message
    first_s: list[float] = field(default_factory=list)
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0


async def ask(client: httpx.AsyncClient, body: dict, seen: Seen, hang_up_after: int | None = None) -> dict | None:
    """One streamed reply as a message, or None where it failed or was hung up on."""
    began, first, pieces, reason, usage = time.perf_counter(), None, 0, None, {}
    message: dict = {"role": "assistant", "content": ""}
    calls: dict[int, dict] = {}
    body = {"model": "it", "stream": True, "stream_options": {"include_usage": True}, **body}
    try:
        async with client.stream("POST", "/chat/completions", json=body) as response:
            if response.status_code != 200:
                raise RuntimeError(json.loads(await response.aread())["error"]["message"])
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line[6:])
                if "error" in event:
                    raise RuntimeError(event["error"]["message"])
                usage = event.get("usage") or usage
                for choice in event["choices"]:
                    reason = choice["finish_reason"] or reason
                    delta = choice["delta"]
                    if first is None and set(delta) & {"content", "reasoning_content", "tool_calls"}:
                        first = time.perf_counter() - began
                    message["content"] += delta.get("content") or ""
                    for piece in delta.get("tool_calls") or []:
                        call = calls.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
                        call["id"] += piece.get("id") or ""
                        call["name"] += piece["function"].get("name") or ""
                        call["arguments"] += piece["function"].get("arguments") or ""
                pieces += 1
                if hang_up_after is not None and pieces >= hang_up_after:
                    seen.finished["hung up"] += 1
                    return None
    except (RuntimeError, httpx.HTTPError) as error:
        seen.failed[str(error) or type(error).__name__] += 1
        return None
    seen.finished[reason] += 1
    seen.first_s.append(first if first is not None else time.perf_counter() - began)
    seen.tokens += usage["completion_tokens"]
    seen.prompt_tokens += usage["prompt_tokens"]
    seen.cached_tokens += (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    if calls:
        message["tool_calls"] = [
            {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}}
            for c in calls.values()
        ]
    return message


def prose(words: list[str], count: int, seed: int) -> str:
    return " ".join(random.Random(seed).choices(words, k=count))


async def agent(client: httpx.AsyncClient, words: list[str], number: int, seen: Seen, rounds: int = ROUNDS) -> None:
    """A loop of calls with results, behind a system prompt that all agents share."""
    messages = [
        {"role": "system", "content": prose(words, 250, 0)},
        {"role": "user", "content": prose(words, 20, 1 + number)},
    ]
    for turn in range(rounds):
        reply = await ask(
            client,
            {"messages": messages, "tools": [TOOL], "tool_choice": FORCED, "enable_thinking": False, "max_tokens": 200},
            seen,
        )
        if reply is None:
            return
        messages.append(reply)
        for call in reply.get("tool_calls", []):
            result = prose(words, 30, 1000 * number + turn)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})


async def flood(client: httpx.AsyncClient, words: list[str]) -> Seen:
    seen = Seen()
    asked = [{"messages": [{"role": "user", "content": prose(words, 10, n)}], "seed": n} for n in range(FLOOD)]
    await asyncio.gather(*(ask(client, body, seen) for body in asked))
    return seen


async def agents(client: httpx.AsyncClient, words: list[str]) -> Seen:
    seen = Seen()
    await asyncio.gather(*(agent(client, words, number, seen) for number in range(AGENTS)))
    return seen


async def soak(client: httpx.AsyncClient, words: list[str], seconds: float, pid: int, kills: bool) -> tuple[Seen, int]:
    """Returns what was seen, and how often vLLM was killed."""
    seen, end, killed = Seen(), time.monotonic() + seconds, 0

    async def session(number: int) -> None:
        rng, turn = random.Random(number), 0
        while time.monotonic() < end:
            turn += 1
            if number % 3 == 0:
                await agent(client, words, 1000 * number + turn, seen, rounds=3)
                continue
            body = {"messages": [{"role": "user", "content": prose(words, rng.randint(5, 200), rng.randrange(10**6))}]}
            body |= {"max_tokens": rng.randint(10, 300), "seed": turn}
            await ask(client, body, seen, hang_up_after=rng.choice((None, None, None, 5)))

    async def killer() -> None:
        nonlocal killed
        while kills and time.monotonic() + seconds / 5 < end:
            await asyncio.sleep(seconds / 5)
            for process in psutil.Process(pid).children(recursive=True):
                if "vllm.entrypoints" in " ".join(process.cmdline()) and "keeper" not in " ".join(process.cmdline()):
                    process.kill()
                    killed += 1
                    break

    await asyncio.gather(killer(), *(session(number) for number in range(30)))
    return seen, killed


def metrics(url: str) -> dict[str, float]:
    text = httpx.get(f"{url.removesuffix('/v1')}/metrics").text
    lines = (line.split() for line in text.splitlines() if line.startswith("ponder:") and "_bucket" not in line)
    return {line[0].split("{")[0].removeprefix("ponder:"): float(line[-1]) for line in lines}


def show(console: Console, title: str, seen: Seen, seconds: float, before: dict, after: dict) -> None:
    table = Table(title=title, title_justify="left", show_header=False)
    ended = ", ".join(f"{count} {reason}" for reason, count in sorted(seen.finished.items(), key=str))
    table.add_row("answers, by how they ended", ended)
    table.add_row("failed", ", ".join(f"{n} x {what}" for what, n in seen.failed.items()) or "0")
    table.add_row("tokens/s", f"{seen.tokens / seconds:,.0f} over {seconds:.0f} s")
    if len(seen.first_s) > 1:
        *_, p99 = statistics.quantiles(seen.first_s, n=100)
        table.add_row("first token, p50 / p99", f"{statistics.median(seen.first_s):.2f} / {p99:.2f} s")
    share = seen.cached_tokens / max(seen.prompt_tokens, 1)
    table.add_row("prompt tokens found in the cache", f"{seen.cached_tokens:,} of {seen.prompt_tokens:,} ({share:.0%})")
    table.add_row("preempted", f"{after['num_preemptions_total'] - before['num_preemptions_total']:.0f}")
    queue, count = "request_queue_time_seconds_sum", "request_queue_time_seconds_count"
    waited = (after[queue] - before[queue]) / max(after[count] - before[count], 1)
    table.add_row("waited for the first step, mean", f"{waited:.2f} s")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("flood", "agents", "idle", "soak")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--minutes", type=float, default=30.0, help="of the soak")
    parser.add_argument("--vllm-python", type=Path)
    arguments = parser.parse_args()
    console = Console(width=110)
    console.print(headline(f"{MODEL}, float32"))
    failed = False
    with tempfile.TemporaryDirectory() as directory:
        checkpoint = Path(directory) / "model"
        words = json.loads(write_checkpoint(MODEL, "float32", checkpoint).read_text())
        about = describe(load_config(checkpoint))
        memory = about.packed_weight_bytes + FLOOD_ROOM * CONTEXT * about.kv_bytes_per_token
        room = ("--memory", f"{memory / 1e6:.1f}MB")
        engine = ("--engine", "vllm", "--vllm-python", arguments.vllm_python, "--vllm-arg=--dtype=float32")
        with served(checkpoint, *(map(str, engine) if arguments.vllm_python else room)) as (url, pid):

            def run(part, *more):
                async def within():
                    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
                    async with httpx.AsyncClient(base_url=url, timeout=None, limits=limits) as client:
                        return await part(client, words, *more)

                began, before = time.perf_counter(), metrics(url)
                result = asyncio.run(within())
                return result, time.perf_counter() - began, before, metrics(url)

            if "flood" in arguments.parts:
                seen, *rest = run(flood)
                show(console, f"{FLOOD} clients without max_tokens", seen, *rest)
                failed |= bool(seen.failed)
            if "agents" in arguments.parts:
                seen, *rest = run(agents)
                show(console, f"{AGENTS} agents, {ROUNDS} calls each, one system prompt", seen, *rest)
                failed |= bool(seen.failed)
            if "idle" in arguments.parts:
                time.sleep(2.0)
                before, began = cpu_seconds(pid), time.perf_counter()
                time.sleep(IDLE_S)
                share = (cpu_seconds(pid) - before) / (time.perf_counter() - began)
                console.print(f"at rest the server takes {share:.2%} of a core")
            if "soak" in arguments.parts:
                memory = psutil.Process(pid).memory_info().rss
                (seen, killed), *rest = run(soak, 60 * arguments.minutes, pid, arguments.vllm_python is not None)
                show(console, f"{arguments.minutes:g} minutes of 30 sessions, vLLM killed {killed} times", seen, *rest)
                grown = psutil.Process(pid).memory_info().rss / memory
                console.print(f"memory at the end: {grown:.2f} of that at the beginning")
                failed |= any("vLLM" not in what for what in seen.failed)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
