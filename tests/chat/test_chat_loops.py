import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.chat.loops import MAX_PERIOD, Repeat, RepeatDetector, loop_length


def found_at(ids: list[int]) -> int | None:
    repeat = RepeatDetector().push(ids)
    return repeat and repeat.at


def smallest_period(ids: list[int]) -> int:
    return next(p for p in range(1, len(ids) + 1) if all(ids[i] == ids[i - p] for i in range(p, len(ids))))


@st.composite
def loops(draw) -> tuple[list[int], list[int]]:
    """Some text, and one turn of the loop that it runs into."""
    rng = random.Random(draw(st.integers(0, 10_000)))
    words = draw(st.sampled_from([2, 5, 100, 50_000]))
    text = [rng.randrange(words) for _ in range(draw(st.integers(0, 600)))]
    return text, [rng.randrange(words) for _ in range(draw(st.integers(1, MAX_PERIOD)))]


@settings(max_examples=200, deadline=None)
@given(loop=loops(), size=st.integers(1, 50))
def test_a_planted_loop_is_found_within_the_promised_tokens(loop, size):
    text, turn = loop
    period = smallest_period(turn * 2)
    planted = text + turn * (loop_length(period) // len(turn) + 1)
    promised = len(text) + loop_length(period)
    detector, repeats = RepeatDetector(), []
    for at in range(0, len(planted), size):
        repeats.append(detector.push(planted[at : at + size]))
    repeat = next(filter(None, repeats))
    assert repeat.period == period
    # The text before it may end like the loop.
    assert promised - MAX_PERIOD <= repeat.at <= promised
    assert repeat.covered == loop_length(period)
    assert repeat == RepeatDetector().push(planted)


@pytest.mark.parametrize("period", [1, 2, 7, 25, 26, 63, 64, 65, 127, 128, 129, 255, 256])
def test_exactly_at_the_bound(period):
    turn = list(range(period))
    planted = turn * (loop_length(period) // period + 1)
    assert found_at([-1, *planted[: loop_length(period) - 1], -2, *planted[: loop_length(period) - 1]]) is None
    assert found_at([-1, *planted]) == loop_length(period) + 1
    assert loop_length(period) >= max(200, 4 * period)


def test_a_period_over_the_longest_is_no_loop():
    assert found_at(list(range(MAX_PERIOD + 1)) * 40) is None


def test_a_loop_goes_on_being_found_until_it_ends():
    detector = RepeatDetector()
    assert detector.push([7] * 199) is None
    assert detector.push([7]) == Repeat(1, 200, 200)
    assert detector.push([7]) == Repeat(1, 201, 201)
    assert detector.push([8]) is None


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), words=st.sampled_from([3, 10, 1000]), length=st.integers(0, 4000))
def test_random_text_is_no_loop(seed, words, length):
    rng = random.Random(seed)
    assert found_at([rng.randrange(words) for _ in range(length)]) is None


LEGITIMATE = {
    "table": "".join(f"| {n} | {n * n} | {'even' if n % 2 == 0 else 'odd'} |\n" for n in range(400)),
    "table of equal rows": "| 0 | 0 | 0 |\n" * 10,
    "list": "".join(f"{n}. Item number {n}: add it to the sum and go on.\n" for n in range(1, 200)),
    "code": "".join(f"    if x == {n}:\n        return values[{n}]\n" for n in range(200)),
    "matrix": "\n".join("[" + ", ".join(str(int(i == j)) for j in range(20)) + "]," for i in range(20)),
    "checking cases": "".join(f"For n = {n}, n^2 + n = {n * n + n}, which is even. OK.\n" for n in range(200)),
    "a rule": "-" * 150 + "\n" + "=" * 150,
    "a sentence said five times": "So the answer must be 42, since nothing else fits here. " * 5,
    "decimals of 1/7": "0." + "142857" * 30,
}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_legitimate_repetition_is_no_loop(renderer, name):
    ids = renderer.encode(LEGITIMATE[name])
    assert found_at(ids) is None
    assert found_at(renderer.encode("So.\n") + ids) is None


def test_memory_and_time_stay_bounded():
    detector = RepeatDetector()
    rng = random.Random(1)
    detector.push(rng.randrange(5000) for _ in range(50_000))
    for kept in (detector._recent, detector._runs, detector._places, [n for p in detector._places.values() for n in p]):
        assert len(kept) <= MAX_PERIOD
