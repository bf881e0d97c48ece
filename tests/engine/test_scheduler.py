"""Who is let in, in which order and by which budgets: the scheduler alone, without a model."""

import dataclasses

import pytest

from ponder.engine.lanes import bounds_up_to
from ponder.engine.protocol import Completion, Request, SamplingParams
from ponder.engine.scheduler import PREFILL_TOKENS, Scheduler

PARAMS = SamplingParams(max_tokens=10)


def sequence(number: int, tokens: int, max_tokens: int = 10, shared: int | None = None) -> Completion:
    """A prompt of so many tokens, which those with the same `shared` have in common."""
    first = number if shared is None else shared
    prompt = (first, *range(1000, 999 + tokens))
    return Completion(Request(number, prompt, dataclasses.replace(PARAMS, max_tokens=max_tokens), seed=0))


def training(token_budget: int = 10**6, max_rows: int = 100) -> Scheduler:
    return Scheduler([2 * PREFILL_TOKENS], token_budget, max_rows, None, lambda request: 0)


def serving(token_budget: int = 10**6, chunk_tokens: int = 64, kept: int = 0) -> Scheduler:
    return Scheduler(bounds_up_to(4096), token_budget, 100, chunk_tokens, lambda request: kept)


def numbers(completions) -> list[int]:
    return [completion.request.id for completion in completions]


def test_rows_and_tokens_bound_who_is_let_in_and_the_first_is_never_passed():
    scheduler = training(max_rows=3)
    scheduler.add(sequence(n, 5) for n in range(5))
    step = scheduler.next_step([], None)
    assert numbers(step.admitted) == [0, 1, 2] and numbers(scheduler.waiting) == [3, 4] and step.prefill
    full = scheduler.next_step(step.admitted, None)
    assert not full.admitted and not full.prefill, "no row is free: decode"
    assert numbers(scheduler.next_step(step.admitted[1:], None).admitted) == [3]

    scheduler = training(token_budget=3 * 64)  # one rectangle, as long as the longest may become
    scheduler.add([sequence(0, 50), sequence(1, 500), sequence(2, 5)])
    assert numbers(scheduler.next_step([], None).admitted) == [0]
    assert numbers(scheduler.waiting) == [1, 2], "2 would fit, and waits behind 1"
    assert numbers(scheduler.next_step([], None).admitted) == [1], "alone it is let in whatever it needs"


def test_training_prefills_first_and_a_shared_prompt_counts_once():
    scheduler = training(token_budget=10**9)
    scheduler.add(sequence(n, PREFILL_TOKENS // 2, shared=n // 4) for n in range(12))
    first = scheduler.next_step([], None)
    assert numbers(first.admitted) == list(range(8)), "two prompts of half the room, four times each"
    second = scheduler.next_step(first.admitted, None)
    assert numbers(second.admitted) == [8, 9, 10, 11], "prompts go first, though others run"
    assert not scheduler.next_step([*first.admitted, *second.admitted], None).prefill


def test_serving_takes_turns():
    scheduler = serving()
    running = [sequence(100, 5)]
    scheduler.add(sequence(n, 40) for n in range(3))
    turns = []
    for _ in range(6):
        step = scheduler.next_step(running, None)
        turns.append(numbers(step.admitted))
        running += step.admitted
    assert turns == [[0], [], [1], [], [2], []], "a chunk's worth of prompts, then everybody's next token"


def test_a_long_prompt_is_computed_in_what_the_short_ones_leave():
    scheduler = serving()
    long, second = sequence(0, 300), sequence(1, 200)
    scheduler.add([long, second, sequence(2, 20), sequence(3, 30), sequence(4, 30)])
    step = scheduler.next_step([], None)
    assert step.long is long and numbers(step.admitted) == [2, 3] and step.chunk == 64 - 50
    assert numbers(scheduler.waiting) == [1, 4], "one long prompt at a time; the others keep their order"
    assert not scheduler.next_step(step.admitted, long).prefill, "those that run have their turn"
    step = scheduler.next_step(step.admitted, long)
    assert step.long is long and numbers(step.admitted) == [4] and step.chunk == 34
    scheduler.next_step(step.admitted, None)
    assert scheduler.next_step(step.admitted, None).long is second


def test_what_the_prefix_cache_keeps_is_not_computed():
    scheduler = serving(kept=290)
    scheduler.add([sequence(0, 300), sequence(1, 350)])
    step = scheduler.next_step([], None)
    assert numbers(step.admitted) == [0] and step.long is None and step.chunk == 64 - 10


def test_a_long_prompt_counts_among_those_let_in():
    scheduler = serving(token_budget=400)
    long = sequence(0, 300)
    scheduler.add([sequence(1, 50, max_tokens=150)])
    assert not scheduler.next_step([], long).admitted and numbers(scheduler.waiting) == [1]
    assert scheduler.reserved([long]).tokens == 320


def test_who_is_dropped_waits_no_more():
    scheduler = training()
    scheduler.add(sequence(n, 5) for n in range(3))
    scheduler.drop(1)
    assert numbers(scheduler.next_step([], None).admitted) == [0, 2]


@pytest.mark.parametrize(("settings", "message"), [({"max_rows": 0}, "max_rows >= 1"), ({"chunk": 31}, "at least 32")])
def test_budgets_that_hold_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Scheduler([64], 100, settings.get("max_rows", 1), settings.get("chunk"), lambda request: 0)
