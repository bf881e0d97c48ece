"""ponder chat, ponder generate."""

from pathlib import Path
from typing import Annotated

import typer

Where = Annotated[Path, typer.Argument(metavar="RUN|CHECKPOINT", help="a run directory, or a checkpoint")]
Temperature = Annotated[float, typer.Option(help="0 is greedy, which makes thinking models repeat themselves")]
TopP = Annotated[float, typer.Option(help="1 is off")]
TopK = Annotated[int, typer.Option(help="0 is off")]
MaxTokens = Annotated[int, typer.Option(help="longest answer, thinking included")]
Seed = Annotated[int | None, typer.Option(help="the same seed gives the same answers")]


def chat(
    where: Where,
    hide_thinking: Annotated[bool, typer.Option("--hide-thinking", help="fold the thinking to one line")] = False,
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    top_k: TopK = 40,
    max_tokens: MaxTokens = 4096,
    seed: Seed = None,
) -> None:
    """Talk to a model in the terminal. Thinking is dimmed; Ctrl+C stops an answer; /help lists the commands."""
    from ponder.server.answer import Responder, find_checkpoint
    from ponder.server.terminal import HELP, Terminal

    params = _params(temperature, top_p, top_k, max_tokens)
    checkpoint = find_checkpoint(where)
    terminal = Terminal(Responder(checkpoint), params, _seed(seed), not hide_thinking)
    print(f"{checkpoint}. {HELP}")
    terminal.run()


def generate(
    where: Where,
    prompt: Annotated[list[str], typer.Argument(help="questions, each answered by itself")],
    samples: Annotated[int, typer.Option(min=1, help="answers to each question")] = 1,
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    top_k: TopK = 40,
    max_tokens: MaxTokens = 4096,
    seed: Seed = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object a line: reasoning, content, tokens")] = False,
) -> None:
    """Answer questions for a script: the content alone, or with --json all there is to know."""
    from ponder.server.answer import find_checkpoint
    from ponder.server.generate import generate_answers, print_answers

    params = _params(temperature, top_p, top_k, max_tokens)
    print_answers(generate_answers(find_checkpoint(where), prompt, samples, params, _seed(seed)), as_json=json)


def _params(temperature: float, top_p: float, top_k: int, max_tokens: int):
    from ponder.engine.protocol import SamplingParams

    return SamplingParams(temperature=temperature, top_p=top_p, top_k=top_k, max_tokens=max_tokens)


def _seed(seed: int | None) -> int:
    import secrets

    return secrets.randbits(32) if seed is None else seed
