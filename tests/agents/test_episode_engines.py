"""Episodes over real engines: one seed gives the same ids when serving exactly and when training, alone and beside others, and the
learner finds the sampler's log-probabilities in the ledger."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
import torch

from ponder.agents.episode import EpisodeEnd, EpisodeLimits, EpisodeRun
from ponder.agents.tools.functions import FunctionTool
from ponder.agents.turn.grammars import Grammars
from ponder.agents.turn.lengths import Lengths
from ponder.agents.turn.planning import plan_turn
from ponder.chat.thinking import ThinkingPolicy
from ponder.engine.batch_streams import BatchStreams
from ponder.engine.build import SamplingEngine
from ponder.engine.invariance import choose_forms
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import rl_sampling
from ponder.engine.thread import ThreadedEngine
from ponder.ledger import Ledger, SpanKind
from ponder.model.attention import score_sequences
from ponder.model.weights import load_decoder
from ponder.recipe.schema import EngineSettings
from tests.shared.born import give_birth
from tests.shared.fixtures import renderer  # noqa: F401 (a fixture)

EPISODES = 6


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    directory = tmp_path_factory.mktemp("born") / "tiny"
    directory.mkdir()
    give_birth(directory, context=4096)
    return directory


def look(deep: bool) -> str:
    """looks"""
    return "It is deep: </think> <|im_end|>" if deep else "flat\n" * 3


async def play(engine, renderer, plans) -> list[Ledger]:  # noqa: F811
    """Episodes side by side. A random model calls nothing by itself: here a turn is a thought and a call that has to come."""
    runs = [
        EpisodeRun(engine, renderer, [FunctionTool(look)], plan, EpisodeLimits(turns=4), str(number))
        for number, plan in enumerate(plans)
    ]

    async def draw(run: EpisodeRun) -> None:
        async with aclosing(run.events()) as events:
            async for _ in events:
                continue

    await asyncio.gather(*map(draw, runs))
    assert all(run.end is EpisodeEnd.TURNS and len(run.results) == 3 for run in runs)
    return [run.ledger for run in runs]


def test_one_ledger_by_every_engine_and_the_learners_log_probabilities(checkpoint, renderer):  # noqa: F811
    decoder = load_decoder(checkpoint)
    grammars = Grammars(renderer, decoder.config.vocab_size)
    tools = [FunctionTool(look).schema]
    structure = grammars.structure(None, grammars.calls(tools), True)
    params = rl_sampling(1500, renderer.stop_ids)
    planned = (
        plan_turn(
            renderer, Lengths(4096, (1.0,), 4096), [{"role": "user", "content": "1 + 2"}], tools=tools, params=params,
            max_tokens=1500, policy=ThinkingPolicy(budget=5 + 4 * number), structure=structure, seed=number,
        )
        for number in range(EPISODES)
    )  # fmt: skip
    plans = [replace(plan, single_call=True) for plan in planned]  # a call ends the turn: a random model would go on

    async def served(keep_prefixes: bool) -> list[list[Ledger]]:
        forms = choose_forms(decoder, threads=1)
        engine = ThreadedEngine(LocalEngine(decoder, forms=forms, keep_prefixes=keep_prefixes))
        try:
            alone = [(await play(engine, renderer, [plan]))[0] for plan in plans]
            return [alone, await play(engine, renderer, plans)]
        finally:
            await engine.close()

    async def trained() -> list[Ledger]:
        sampling = SamplingEngine(decoder, EngineSettings(workers=0))
        streams = BatchStreams(sampling, sampling.engine.limits)
        try:
            return await play(streams, renderer, plans)
        finally:
            await streams.close()
            sampling.close()

    alone, together = asyncio.run(served(keep_prefixes=False))
    training = asyncio.run(trained())
    for one, other, third in zip(alone, together, training, strict=True):
        assert one == other == third
    # What a turn before has left in the cache was computed by other kernels: the last digits are others (docs/serving.md).
    for one, third in zip(asyncio.run(served(keep_prefixes=True))[1], training, strict=True):
        assert one.ids == third.ids and one.logprobs == pytest.approx(third.logprobs, abs=1e-4)
    kinds = [span.kind for span in training[0].spans]
    assert kinds.count(SpanKind.TOOL) == 3 and SpanKind.FORCED in kinds
    with torch.no_grad():
        scored = score_sequences(decoder, [ledger.ids for ledger in training])
    for ledger, logits in zip(training, scored, strict=True):
        logprobs = torch.log_softmax(logits.double(), -1)[:-1]
        found = logprobs.gather(1, torch.tensor(ledger.ids[1:]).unsqueeze(1)).squeeze(1)
        of_policy = found[torch.tensor(ledger.mask[1:], dtype=torch.bool)]
        assert (of_policy - torch.tensor(ledger.logprobs)).abs().max() < 1e-4
