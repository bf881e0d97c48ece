"""ponder agent."""

from pathlib import Path
from typing import Annotated

import typer

from ponder.cli.chat import Exact, Seed, Where


def agent(
    where: Where,
    task: Annotated[str, typer.Argument(help="what is to be done")],
    tools: Annotated[
        str,
        typer.Option(
            help="python (in the sandbox), calculator, search:FOLDER, or functions of your own as FILE.py:FUNCTION, with commas "
            "between them. Functions of your own run in this process, with all that you may do"
        ),
    ] = "python,calculator",
    mcp: Annotated[
        Path | None,
        typer.Option(
            help="a JSON file that names MCP servers, whose tools are added. Its programs run with all that you may do"
        ),
    ] = None,
    think: Annotated[bool, typer.Option("--think/--no-think", help="whether to think")] = True,
    budget: Annotated[int | None, typer.Option(min=1, help="most tokens of thought in a turn")] = None,
    system: Annotated[str, typer.Option(help="system prompt")] = "",
    turns: Annotated[int, typer.Option(min=1, help="most turns of the model")] = 16,
    calls: Annotated[int, typer.Option(min=0, help="most calls in all")] = 64,
    call_seconds: Annotated[float, typer.Option(min=0.1, help="that one call may take")] = 30.0,
    max_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="of all turns together, results of tools included; default: what the context leaves"),
    ] = None,
    seed: Seed = None,
    exact: Exact = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON object at the end, instead of what happens")] = False,
) -> None:
    """Let a model work on a task with tools: its thoughts, calls and their results are shown as they come.

    Exits with 1 where it comes to no answer.
    """
    from ponder.agents.calling import CallLimits
    from ponder.agents.episode import EpisodeLimits
    from ponder.clients.agent import AgentOptions, run_agent

    named = tuple(name for name in tools.split(",") if name.strip())
    limits = EpisodeLimits(turns, calls, CallLimits(seconds=call_seconds))
    options = AgentOptions(named, mcp, system, think, budget, max_tokens, seed, exact, json, limits)
    raise typer.Exit(run_agent(where, task, options))
