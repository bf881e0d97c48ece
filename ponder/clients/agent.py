"""`ponder agent`: a task, a model of this machine, and tools; thoughts, calls and results are shown as they come."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ponder.agents.calling import CallResult
from ponder.agents.episode import EpisodeEnd, EpisodeLimits, EpisodeRun
from ponder.agents.tools.choice import choose_tools, refuse_twins
from ponder.agents.tools.mcp.servers import McpServers
from ponder.agents.tools.mcp.settings import read_servers
from ponder.agents.tools.search import SearchTool
from ponder.agents.tools.tool import Tool
from ponder.agents.turn.plan import Piece
from ponder.agents.turn.planning import plan_turn
from ponder.chat.thinking import ThinkingPolicy
from ponder.clients.terminal.screen import Screen
from ponder.engine.model_defaults import sampling_defaults
from ponder.sandbox.client import Sandbox
from ponder.server.answer.gateway import Gateway
from ponder.server.start.checkpoint import find_checkpoint
from ponder.server.start.engine_choice import EngineChoice
from ponder.server.start.gateway_for import open_gateway

SHOWN = 500  # characters of a call or a result; the model sees all of it


@dataclass(frozen=True)
class AgentOptions:
    """What `ponder agent` is told. `mcp`: the file of MCP servers. `max_tokens`: of the whole episode, results included; None: what the
    context leaves."""

    tools: tuple[str, ...] = ("python", "calculator")
    mcp: Path | None = None
    system: str = ""
    thinking: bool = True
    budget: int | None = None
    max_tokens: int | None = None
    seed: int | None = None
    exact: bool = False
    as_json: bool = False
    limits: EpisodeLimits = field(default_factory=EpisodeLimits)


def run_agent(where: str | Path, task: str, options: AgentOptions) -> int:
    """The exit code: 0 where the model answered, else 1.

    Raises:
        ValueError: a model, a tool or an MCP server that there is not, a task that the context does not hold.
        OSError: the hub's model could not be fetched.
    """
    screen = Screen(sys.stdout, sys.stderr)
    with ExitStack() as open_tools:
        tools = _tools(options, open_tools, screen)  # before minutes of loading
        checkpoint = find_checkpoint(where).directory
        screen.live(f"Loading {where}...")
        gateway = open_gateway(checkpoint, "it", EngineChoice(exact=options.exact))
        params = sampling_defaults(checkpoint)

        async def run() -> EpisodeRun:
            try:
                episode = _episode(gateway, task, tools, params, options)
                async with aclosing(episode.events()) as events:
                    async for event in events:
                        if not options.as_json:
                            _show(screen, event)
                return episode
            finally:
                for tool in tools:
                    await tool.close()
                await gateway.engine.close()

        episode = asyncio.run(run())
    if options.as_json:
        print(json.dumps(_record(task, episode), ensure_ascii=False))
    else:
        _show_end(screen, episode)
    return 0 if episode.end is EpisodeEnd.ANSWERED else 1


def _tools(options: AgentOptions, stack: ExitStack, screen: Screen) -> list[Tool]:
    """What holds processes is closed with the stack."""
    seconds = options.limits.call.seconds
    settings = read_servers(options.mcp, os.environ) if options.mcp is not None else {}
    tools = choose_tools(options.tools, stack.enter_context(Sandbox(timeout_s=seconds)), seconds)
    notes = [tool.folder.told() for tool in tools if isinstance(tool, SearchTool)]
    if settings:
        screen.live("Starting MCP servers...")
        servers = stack.enter_context(McpServers(settings))
        tools += servers.tools()
        notes += servers.told().splitlines()
    refuse_twins(tools)
    if not options.as_json:
        for note in notes:
            screen.notice(note)
    return tools


def _episode(gateway: Gateway, task: str, tools: Sequence[Tool], params: Any, options: AgentOptions) -> EpisodeRun:
    messages = [{"role": "system", "content": options.system}] if options.system else []
    plan = plan_turn(
        gateway.renderer,
        gateway.lengths,
        [*messages, {"role": "user", "content": task}],
        tools=[tool.schema for tool in tools],
        policy=ThinkingPolicy(enabled=options.thinking, budget=options.budget),
        params=replace(params, stop_ids=gateway.renderer.stop_ids),
        max_tokens=options.max_tokens,
        cut=True,
        seed=secrets.randbits(32) if options.seed is None else options.seed,
    )
    return EpisodeRun(gateway.engine, gateway.renderer, tools, plan, options.limits, "agent")


def _show(screen: Screen, event: Piece | CallResult) -> None:
    if isinstance(event, CallResult):
        screen.notice(f"<- {_short(event.text)}  ({event.seconds:.1f} s)")
        return
    for delta in event.deltas:
        if delta.kind in ("reasoning", "content"):
            screen.text(delta.text, dim=delta.kind == "reasoning")
        elif delta.tool_call is not None:
            call = delta.tool_call
            given = (
                call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False)
            )
            screen.end_line()
            screen.notice(f"-> {call.name} {_short(given)}")


def _show_end(screen: Screen, episode: EpisodeRun) -> None:
    screen.end_line()
    counted = f"{episode.turns} turns, {len(episode.results)} calls, {episode.ledger.sampled:,} tokens sampled"
    if episode.end is EpisodeEnd.ANSWERED:
        screen.notice(counted)
        return
    assert episode.end is not None
    why = f" ({episode.failure})" if episode.failure else ""
    screen.error(f"No answer: {episode.end.meaning}{why} {counted}")


def _record(task: str, episode: EpisodeRun) -> dict[str, Any]:
    calls = [
        {
            "name": result.call.name,
            "arguments": result.call.arguments,
            "result": result.text,
            "is_error": result.is_error,
            "seconds": round(result.seconds, 3),
        }
        for result in episode.results
    ]
    return {
        "task": task,
        "end": episode.end,
        "failure": episode.failure,
        "reasoning": episode.reasoning,
        "content": episode.content,
        "turns": episode.turns,
        "calls": calls,
        "tokens": episode.ledger.sampled,
    }


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} ... ({len(text):,} characters)"
