"""Steps in shards: who computes what, and the same answers as in one piece."""

import dataclasses
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ponder.engine.kernels import BLOCK, FAST
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Completion, Request, SamplingParams
from ponder.engine.scheduler import Prompt, Step
from ponder.engine.sequence import SequenceState
from ponder.engine.shards import LEAST_TOKENS, ROW_TOKENS, Shards, split
from ponder.model.decoder import build_random
from tests.engine.test_decode import shape

SHARDED = dataclasses.replace(FAST, shards=2)
PARAMS = SamplingParams(temperature=1.0, max_tokens=24)


def sequence(number: int, length: int = 3) -> SequenceState:
    return SequenceState(Completion(Request(number, tuple(range(1, length + 1)), PARAMS, seed=number)), number)


def test_every_row_and_prompt_is_in_one_shard_and_shards_are_alike():
    step = Step([sequence(n) for n in range(41)], [Prompt(sequence(100 + n), [(0, 60 - 7 * n)]) for n in range(5)])
    shards = split(step, 3)
    rows = Counter(one.arrival for shard in shards for one in shard.decode)
    assert rows == Counter(range(41))
    assert sorted(p.sequence.arrival for shard in shards for p in shard.prompts) == list(range(100, 105))
    loads = [ROW_TOKENS * len(s.decode) + sum(b - a for p in s.prompts for a, b in p.parts) for s in shards]
    assert len(shards) == 3 and max(loads) - min(loads) <= ROW_TOKENS
    assert sum(loads) == ROW_TOKENS * 41 + 60 + 53 + 46 + 39 + 32


def test_rows_fill_up_what_a_long_prompt_leaves():
    step = Step([sequence(n) for n in range(100)], [Prompt(sequence(100, 500), [(0, 100)])])
    long, rest = split(step, 2)
    assert len(long.prompts) == 1 and len(long.decode) == 25 and len(rest.decode) == 75


def test_few_tokens_and_a_single_prompt_stay_together():
    few = Step([sequence(n) for n in range(2 * LEAST_TOKENS - 1)], [])
    assert split(few, 2) == [few]
    assert len(split(Step([], [Prompt(sequence(0, 500), [(0, 256), (256, 500)])]), 2)) == 1
    assert split(Step([sequence(n) for n in range(200)], []), 1)[0].decode[-1].arrival == 199


def requests() -> list[Request]:
    """Some with one beginning, some with penalties and top_logprobs."""
    params = [PARAMS, dataclasses.replace(PARAMS, presence_penalty=0.5, top_logprobs=3)]
    shared = tuple(1 + n % 40 for n in range(2 * BLOCK))
    return [
        Request(n, (*shared, *((7 * n + k) % 40 + 1 for k in range(5 + 9 * n % 50))), params[n % 2], seed=n)
        for n in range(60)
    ]


def answers(forms, decoder, **options) -> dict[int, Completion]:
    engine = LocalEngine(decoder, forms=forms, chunk_tokens=256, keep_prefixes=True, **options)
    found = {completion.request.id: completion for completion in engine.generate(requests())}
    assert engine.blocks.used == 0
    engine.close()
    return found


@pytest.mark.parametrize("options", [{}, {"token_budget": 40 * BLOCK}], ids=["room", "preempted"])
def test_shards_answer_as_one_piece_does(options):
    decoder = build_random(shape(2, 16), seed=1)
    whole, sharded = answers(FAST, decoder, **options), answers(SHARDED, decoder, **options)
    assert {n: c.ids for n, c in whole.items()} == {n: c.ids for n, c in sharded.items()}
    for n, completion in sharded.items():
        torch.testing.assert_close(completion.logprobs, whole[n].logprobs, atol=1e-4, rtol=0)
        assert len(completion.top) == (len(completion.ids) if n % 2 else 0)


def test_a_fault_in_a_shard_is_the_steps():
    decoder = build_random(shape(2, 16), seed=1)
    engine = LocalEngine(decoder, forms=SHARDED)
    engine.submit(requests())
    engine.step()
    threads_before = torch.get_num_threads()
    decoder.layers[0].mlp.down_proj.weight.data = torch.zeros(3, 3)
    with pytest.raises(RuntimeError):
        engine.step()
    engine.close()
    assert torch.get_num_threads() == threads_before


def test_each_shard_computes_alone_and_others_as_before():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    shards = Shards(2)
    try:
        for _ in range(3):
            assert shards.map(lambda number, _: [number, torch.get_num_threads()], [None, None]) == [[0, 1], [1, 1]]
        with ThreadPoolExecutor(1) as other:
            assert other.submit(torch.get_num_threads).result() == torch.get_num_threads() == 2
    finally:
        shards.close()
        torch.set_num_threads(before)
