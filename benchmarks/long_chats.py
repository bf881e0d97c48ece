"""Chats without max_tokens, as most clients send them: do all of them stream at a time?

    python benchmarks/long_chats.py DIR [--chats 100] [--memory 12GB] [--dtype bfloat16] [--tokens 20]

DIR is a checkpoint; it is served in `--dtype`. All chats are sent at once, each for as much as the context holds. A client
hangs up after `--tokens` pieces, but no earlier than every other chat has had its first: so that chats which waited
for another's end would wait for ever, and the script would end with exit code 1 after `--patience` seconds.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil
from headline import headline
from memory_at_rest import GB, resident
from rich.console import Console
from served import served

from ponder.model.weights import DTYPES, load_decoder, save_decoder

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")


async def run(url: str, count: int, tokens: int, patience: float) -> list[list[float]]:
    """Of each chat the seconds at which its pieces came."""
    pieces: list[list[float]] = [[] for _ in range(count)]
    all_began, began = asyncio.Event(), time.perf_counter()
    limits = httpx.Limits(max_connections=count)

    async def chat(client: httpx.AsyncClient, number: int) -> None:
        body = {
            "model": "it",
            "messages": [{"role": "user", "content": f"Tell me a long story about the number {number}."}],
            "stream": True,
        }
        async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line[6:])
                if "error" in event:
                    raise SystemExit(f"chat {number}: {event['error']}")
                if event["choices"] and event["choices"][0]["delta"].get("content"):
                    pieces[number].append(time.perf_counter() - began)
                    if all(pieces):
                        all_began.set()
                    if len(pieces[number]) >= tokens and all_began.is_set():
                        return

    async with httpx.AsyncClient(timeout=None, limits=limits) as client:
        async with asyncio.timeout(patience):
            await asyncio.gather(*(chat(client, number) for number in range(count)))
    return pieces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, metavar="DIR")
    parser.add_argument("--chats", type=int, default=100)
    parser.add_argument("--memory", default="12GB")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument("--patience", type=float, default=600.0)
    args = parser.parse_args()
    console = Console(width=120)
    console.print(headline(f"{args.chats} chats without max_tokens, {args.dtype}, --memory {args.memory}"))
    with tempfile.TemporaryDirectory() as directory:
        checkpoint = Path(directory) / args.checkpoint.name
        checkpoint.mkdir()
        save_decoder(load_decoder(args.checkpoint).to(DTYPES[args.dtype]), checkpoint)
        for name in TOKENIZER_FILES:
            if (args.checkpoint / name).is_file():
                shutil.copy(args.checkpoint / name, checkpoint)
        with served(checkpoint, "--memory", args.memory) as (url, pid):
            process = psutil.Process(pid)
            url = f"{url.removesuffix('/v1')}/v1"
            at_rest = resident(process)
            try:
                pieces = asyncio.run(run(url, args.chats, args.tokens, args.patience))
            except TimeoutError:
                console.print(f"after {args.patience:g} s not every chat had streamed: some wait for another's end")
                sys.exit(1)
            loaded, text = resident(process), httpx.get(f"{url.removesuffix('/v1')}/metrics").text
    first, end = sorted(own[0] for own in pieces), max(own[-1] for own in pieces)
    preempted = next(line.split()[-1] for line in text.splitlines() if line.startswith("ponder:num_preemptions_total"))
    earliest_end = min(own[-1] for own in pieces)
    console.print(
        f"all {args.chats} chats streamed, none waited for another's end: the last first token after {first[-1]:.1f} s "
        f"(median {first[len(first) // 2]:.1f}), the first chat to end after {earliest_end:.1f}, the last {end:.1f} s"
    )
    console.print(f"{sum(map(len, pieces)) / end:.0f} pieces/s; {float(preempted):g} preemptions")
    console.print(f"resident: {at_rest / GB:.2f} GB at rest, {loaded / GB:.2f} GB after the load, {args.memory} given")


if __name__ == "__main__":
    main()
