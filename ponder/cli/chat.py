"""ponder chat, ponder generate."""

from pathlib import Path
from typing import Annotated

import typer

MODEL = "a checkpoint, a run, or an id of the Hugging Face hub, such as Qwen/Qwen3-8B[@REVISION]"
Where = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL)]
Temperature = Annotated[
    float | None,
    typer.Option(
        help="0 is greedy, which makes thinking models repeat themselves. This and the two below are, where nothing is "
        "said, those of the model's generation_config.json, else 0.6, 0.95 and 40"
    ),
]
TopP = Annotated[float | None, typer.Option(help="1 is off")]
TopK = Annotated[int | None, typer.Option(help="0 is off")]
MaxTokens = Annotated[int, typer.Option(help="longest answer, thinking included")]
Seed = Annotated[int | None, typer.Option(help="the same seed gives the same answers")]

Exact = Annotated[
    bool, typer.Option("--exact", help="a seed gives the same answer, bit for bit, whatever else is answered; slower")
]


def chat(
    where: Annotated[str | None, typer.Argument(metavar="MODEL", help=MODEL)] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="instead: an OpenAI-compatible server, such as http://127.0.0.1:8000/v1"),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="the server's name for it; not needed where it has only one")
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="holds the server's key; else OPENAI_API_KEY is taken"),
    ] = None,
    think: Annotated[
        bool | None, typer.Option("--think/--no-think", help="whether to think; default: as the server likes it")
    ] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="most tokens of thought")] = None,
    hide_thinking: Annotated[bool, typer.Option("--hide-thinking", help="fold thoughts to one line")] = False,
    system: Annotated[str, typer.Option(help="system prompt")] = "",
    temperature: Annotated[
        float | None, typer.Option(min=0, help="these are the server's where nothing is said")
    ] = None,
    top_p: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    top_k: Annotated[int | None, typer.Option(min=0)] = None,
    min_p: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="longest answer, thinking included")] = None,
    seed: Seed = None,
    exact: Exact = False,
) -> None:
    """Talk to a model in the terminal: one of this machine, or one behind a server. /help lists the commands.

    Where nobody sits at a terminal, lines of the input are questions, and answers are plain text.
    """
    from ponder.clients.talk.asking import Settings
    from ponder.clients.terminal.start import ChatOptions, chat_with_checkpoint, chat_with_server

    settings = Settings(system, temperature, top_p, top_k, min_p, max_tokens, seed)
    options = ChatOptions(model, api_key_file, think, budget, hide_thinking, settings, exact)
    if (where is None) == (server is None):
        raise ValueError("say whom to talk to: either MODEL or --server URL" + (", not both" if server else ""))
    if where is not None and (model or api_key_file):
        raise ValueError("--model and --api-key-file belong to --server; a checkpoint needs none of them")
    if server and exact:
        raise ValueError("--exact belongs to a model of this machine: a server is started with it")
    raise typer.Exit(chat_with_server(server, options) if server else chat_with_checkpoint(where, options))


def generate(
    where: Where,
    prompt: Annotated[list[str], typer.Argument(help="questions, each answered by itself")],
    samples: Annotated[int, typer.Option(min=1, help="answers to each question")] = 1,
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = None,
    max_tokens: MaxTokens = 4096,
    seed: Seed = None,
    exact: Exact = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON object a line: reasoning, content, tokens")] = False,
) -> None:
    """Answer questions for a script: the content alone, or with --json all there is to know."""
    import secrets
    from dataclasses import replace

    from ponder.clients.generate import generate_answers, print_answers
    from ponder.engine.model_defaults import sampling_defaults
    from ponder.server.start.checkpoint import find_checkpoint

    checkpoint = find_checkpoint(where).directory
    given = {"temperature": temperature, "top_p": top_p, "top_k": top_k, "max_tokens": max_tokens}
    params = replace(
        sampling_defaults(checkpoint), **{name: value for name, value in given.items() if value is not None}
    )
    seed = secrets.randbits(32) if seed is None else seed
    print_answers(generate_answers(checkpoint, prompt, samples, params, seed, exact), as_json=json)
