"""Many episodes at a time, each with equipment of its own: how training and evaluation play them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from ponder.agents.calling import CallLimits
from ponder.agents.episode import EpisodeEnd, EpisodeLimits, EpisodeRun
from ponder.agents.equipment import Outfitter
from ponder.agents.tools.tool import ToolBroken
from ponder.agents.turn.plan import Plan
from ponder.chat.parser import ParsedOutput, parse_output
from ponder.chat.renderer import Prompt, Renderer
from ponder.engine.protocol import SamplingParams
from ponder.engine.stream import StreamEngine
from ponder.ledger import Ledger, SpanKind, StopReason
from ponder.recipe.episodes import Episodes
from ponder.tasks.task import Task
from ponder.verifiers.verdict import Verdict


@dataclass(frozen=True)
class EpisodeFacts:
    """How an episode went. `failed_calls`: those that the model was told to be wrong."""

    end: EpisodeEnd
    turns: int
    calls: int
    failed_calls: int


@dataclass(frozen=True)
class Played:
    """A whole episode. `parsed`: its last turn. `outcome`: what its environment says, an error where a tool or the environment
    was broken, None where there is nothing to say."""

    ledger: Ledger
    parsed: ParsedOutput
    facts: EpisodeFacts
    outcome: Verdict | None


@dataclass(frozen=True)
class ToPlay:
    """`seed`: of all its random numbers, as a request's."""

    task: Task
    prompt: Prompt
    seed: int


async def play_all(
    engine: StreamEngine,
    renderer: Renderer,
    outfitter: Outfitter,
    asked: Sequence[ToPlay],
    params: SamplingParams,
    told: Callable[[int, Played], None],
) -> None:
    """Plays all of them, `at_a_time` at a time; `told` hears of each as it ends, by its number.

    Raises:
        ValueError: a prompt that does not fit, an environment or tool that there is not.
        RuntimeError: the engine has failed. Whatever `told` raises ends all others, too.
    """
    places = asyncio.Semaphore(outfitter.settings.at_a_time)

    async def one(number: int) -> None:
        async with places:
            told(number, await play(engine, renderer, outfitter, asked[number], params, str(number)))

    running = [asyncio.create_task(one(number)) for number in range(len(asked))]
    try:
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def play(
    engine: StreamEngine, renderer: Renderer, outfitter: Outfitter, asked: ToPlay, params: SamplingParams, name: str
) -> Played:
    """One episode, from its start state to its outcome."""
    equipment = outfitter.equip(asked.task)
    try:
        try:
            equipment.begin(asked.task)
        except ToolBroken as error:
            return _never_begun(asked, renderer, str(error))
        # No rescues: what repeats itself is the policy's, and is learned from.
        plan = Plan(asked.prompt, params, asked.seed, thinking=True, rescues=False)
        run = EpisodeRun(engine, renderer, equipment.tools, plan, limits_of(outfitter.settings), name)
        async with aclosing(run.events()) as events:
            async for _ in events:
                continue
        broken = None if run.failure is None else Verdict("error", None, run.failure)
        return _played(run, renderer, broken or await equipment.outcome())
    finally:
        await equipment.close()


def limits_of(settings: Episodes) -> EpisodeLimits:
    call = CallLimits(settings.call_seconds, settings.turn_seconds, settings.result_tokens)
    return EpisodeLimits(settings.turns, settings.calls, call)


def _played(run: EpisodeRun, renderer: Renderer, outcome: Verdict | None) -> Played:
    assert run.end is not None
    start, thinking_open = run.last_turn
    parsed = parse_output(run.ledger.ids[start:], renderer, thinking_open)
    facts = EpisodeFacts(run.end, run.turns, len(run.results), sum(result.is_error for result in run.results))
    return Played(run.ledger, parsed, facts, outcome)


def _never_begun(asked: ToPlay, renderer: Renderer, why: str) -> Played:
    ledger = Ledger(stop=StopReason.ABORTED)
    ledger.append(SpanKind.PROMPT, asked.prompt.ids)
    parsed = parse_output([], renderer, asked.prompt.thinking_open)
    return Played(ledger, parsed, EpisodeFacts(EpisodeEnd.BROKEN, 0, 0, 0), Verdict("error", None, why))
