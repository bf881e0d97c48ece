"""Who is let in, in which order and by what they hold, and who has to go: the scheduler alone, without a model."""

import dataclasses
from collections.abc import Iterable

import pytest

from ponder.engine.blocks import Blocks
from ponder.engine.kernels import BLOCK
from ponder.engine.protocol import Completion, Request, SamplingParams
from ponder.engine.scheduler import PART_TOKENS, PREFILL_TOKENS, Scheduler, Step
from ponder.engine.sequence import SequenceState

PARAMS = SamplingParams(max_tokens=1000)


def asked(number: int, tokens: int, max_tokens: int = 1000, shared: int | None = None) -> Completion:
    """A prompt of so many tokens, which those with the same `shared` have in common."""
    first = number if shared is None else shared
    prompt = (first, *range(1000, 999 + tokens))
    return Completion(Request(number, prompt, dataclasses.replace(PARAMS, max_tokens=max_tokens), seed=0))


def training(blocks: int = 10**5, max_rows: int = 100, exact: bool = True) -> Scheduler:
    return Scheduler(Blocks(blocks), max_rows, None, exact)


def serving(blocks: int = 10**5, chunk_tokens: int = 64, exact: bool = True) -> Scheduler:
    return Scheduler(Blocks(blocks, keep=True), 100, chunk_tokens, exact)


def numbers(sequences: Iterable[SequenceState]) -> list[int]:
    return [sequence.completion.request.id for sequence in sequences]


def compute(scheduler: Scheduler, step: Step) -> None:
    """What the engine does with a step: all of it is cached, and each sequence that is whole gets a token."""
    for sequence in step.decode:
        sequence.cached += 1
    for prompt in step.prompts:
        for sequence in (prompt.sequence, *prompt.followers):
            sequence.cached = prompt.parts[-1][1]
            scheduler.filled(sequence)
    for sequence in scheduler.running[:]:
        if sequence.cached == sequence.length:
            sequence.completion.take(7, 0.0)
            if sequence.completion.finish_reason:
                scheduler.leave(sequence)


def next_step(scheduler: Scheduler) -> Step:
    step = scheduler.next_step()
    compute(scheduler, step)
    return step


def let_in(step: Step) -> list[int]:
    return [n for prompt in step.prompts for n in numbers((prompt.sequence, *prompt.followers))]


def test_rows_and_blocks_bound_who_is_let_in_and_the_first_is_never_passed():
    scheduler = training(max_rows=3)
    scheduler.add(asked(n, 5, max_tokens=3 if n == 1 else 100) for n in range(5))
    assert let_in(next_step(scheduler)) == [0, 1, 2] and numbers(scheduler.waiting) == [3, 4]
    second = next_step(scheduler)
    assert not second.prompts and numbers(second.decode) == [0, 1, 2], "no row is free"
    next_step(scheduler)
    assert let_in(next_step(scheduler)) == [3], "1 has left"

    scheduler = training(blocks=12)
    scheduler.add([asked(0, 50, 64), asked(1, 300, 2), asked(2, 5, 2)])
    assert let_in(next_step(scheduler)) == [0]
    assert numbers(scheduler.waiting) == [1, 2], "2 would fit, and waits behind 1"
    assert scheduler.running[0].table.tolist() == [0, 1], "what its prompt takes, not what it may become"


def test_a_prompt_of_many_counts_once_and_prompts_stand_beside_who_runs():
    scheduler = training()
    scheduler.add(asked(n, PREFILL_TOKENS // 2, shared=n // 4) for n in range(12))
    first = next_step(scheduler)
    assert [numbers(prompt.followers) for prompt in first.prompts] == [[1, 2, 3], [5, 6, 7]]
    assert all(prompt.whole for prompt in first.prompts)
    second = next_step(scheduler)
    assert let_in(second) == [8, 9, 10, 11] and numbers(second.decode) == list(range(8)), "in one step"
    assert not next_step(scheduler).prompts


def test_a_step_has_a_chunk_of_prompts_beside_who_runs():
    scheduler = serving()
    scheduler.add(asked(n, 40) for n in range(3))
    steps = [next_step(scheduler) for _ in range(4)]
    assert [let_in(step) for step in steps] == [[0], [1], [2], []]
    assert [numbers(step.decode) for step in steps] == [[], [0], [0, 1], [0, 1, 2]]


def test_a_long_prompt_is_computed_in_what_the_short_ones_leave():
    scheduler = serving(chunk_tokens=512)
    scheduler.add([asked(0, 1500), asked(1, 1000), asked(2, 20), asked(3, 150), asked(4, 400)])
    step = next_step(scheduler)
    assert let_in(step) == [2, 3, 0], "one long prompt at a time"
    assert step.prompts[-1].parts == [(0, PART_TOKENS)], "of 342 tokens that are left: whole parts"
    assert numbers(scheduler.waiting) == [1, 4], "the others keep their order"
    step = next_step(scheduler)
    assert let_in(step) == [4, 0] and step.prompts[-1].parts == [(256, 512)], "one part at least"
    assert numbers(step.decode) == [2, 3]
    step = next_step(scheduler)
    assert step.prompts[-1].parts == [(512, 768), (768, 1024)]
    assert next_step(scheduler).prompts[-1].parts == [(1024, 1280), (1280, 1500)]
    assert numbers([next_step(scheduler).prompts[0].sequence]) == [1]


def test_what_is_kept_is_not_computed_and_blocks_are_shared():
    scheduler = serving(chunk_tokens=64)
    scheduler.add([asked(0, 300, max_tokens=1, shared=5)])
    while scheduler.waiting or scheduler.running:
        next_step(scheduler)
    scheduler.add([asked(1, 300, shared=5), asked(2, 340, shared=5)])
    step = scheduler.next_step()
    assert [prompt.parts for prompt in step.prompts] == [[(288, 300)], [(288, 340)]]
    one, two = scheduler.running
    assert one.table[:9] == two.table[:9] and one.table[9] != two.table[9]
    assert (one.completion.cached_tokens, scheduler.blocks.hits) == (288, 576)


def test_the_youngest_is_preempted_and_waits_in_front():
    scheduler = training(blocks=7)
    scheduler.add([asked(0, 60, 150), asked(1, 60, 150), asked(2, 60, 150), asked(3, 2, 9)])
    next_step(scheduler)
    assert numbers(scheduler.running) == [0, 1] and numbers(scheduler.waiting) == [2, 3], "room to grow by one each"
    seen = []
    while scheduler.waiting or scheduler.running:
        next_step(scheduler)
        seen.append((numbers(scheduler.running), numbers(scheduler.waiting)))
    assert ([0], [1, 2, 3]) in seen and scheduler.preemptions >= 1
    assert scheduler.blocks.used == 0


@pytest.mark.parametrize("exact", [True, False])
def test_who_was_preempted_is_computed_again(exact):
    scheduler = training(blocks=8, exact=exact)
    scheduler.add([asked(0, 100, 120), asked(1, 60, 120)])
    while not scheduler.preemptions:
        next_step(scheduler)
    (waits,) = scheduler.waiting
    sampled = len(waits.completion.ids)
    assert sampled > 20 and (waits.cached, len(waits.table)) == (0, 0)
    while scheduler.waiting:
        step = next_step(scheduler)
    parts = [(0, 60)] if exact else [(0, 60 + sampled)]
    assert step.prompts[0].parts == parts, "as at first, then token by token; or as one prompt"
    assert len(waits.completion.ids) == sampled + (not exact)


def test_the_first_that_finds_no_room_is_not_passed_for_ever():
    """A request that needs nearly all of the blocks, among short ones that never stop coming."""
    scheduler = serving(blocks=20)
    scheduler.add(asked(n, 9, 40) for n in range(8))
    next_step(scheduler)
    big = asked(99, 400, 100)
    scheduler.add([big])
    for number in range(100, 700):
        scheduler.add([asked(number, 9, 40)])
        next_step(scheduler)
    assert big.finish_reason == "length"


def test_who_is_dropped_waits_and_runs_no_more():
    scheduler = training(max_rows=2)
    scheduler.add(asked(n, 5) for n in range(4))
    next_step(scheduler)
    for number in (0, 3):
        scheduler.drop(number)
    assert (numbers(scheduler.running), numbers(scheduler.waiting)) == ([1], [2])
    assert scheduler.blocks.used == 1


def test_new_weights_find_nothing_of_the_old():
    scheduler = serving()
    scheduler.add([asked(0, 60, max_tokens=1, shared=0), asked(1, 60, max_tokens=100, shared=0)])
    next_step(scheduler)
    scheduler.new_weights()
    scheduler.add([asked(2, 60, shared=0)])
    assert next_step(scheduler).prompts[0].parts == [(0, 60)]
    scheduler.drop(1)
    scheduler.add([asked(3, 60, shared=0)])
    assert next_step(scheduler).prompts[0].parts == [(BLOCK, 60)], "what the second computed, of the new weights"


@pytest.mark.parametrize(("settings", "message"), [({"max_rows": 0}, "max_rows >= 1"), ({"chunk": 31}, "at least 32")])
def test_budgets_that_hold_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Scheduler(Blocks(9), settings.get("max_rows", 1), settings.get("chunk"))
