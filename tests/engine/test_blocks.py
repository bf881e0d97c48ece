"""Which block holds what: nothing is lost, nothing given twice, and what is found is what was filled."""

import random
from array import array

from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.engine.blocks import Blocks
from ponder.engine.kernels import BLOCK
from ponder.engine.protocol import Completion, Request, SamplingParams
from ponder.engine.sequence import SequenceState

COUNT = 24


def sequence(tokens, factor: float = 1.0, version: int = 0) -> SequenceState:
    return SequenceState(Completion(Request(0, tuple(tokens), SamplingParams(), 0, factor)), 0, version)


def whole(blocks: Blocks, running: list[SequenceState]) -> None:
    """Every block is of running sequences, kept, or free, and of one kind alone."""
    used = {number for one in running for number in one.table}
    fresh = set(range(blocks.untouched, blocks.count))
    kinds = [used, set(blocks.kept), set(blocks.returned), fresh]
    assert sum(map(len, kinds)) == blocks.count and set().union(*kinds) == set(range(blocks.count))
    assert (blocks.used, blocks.available) == (len(used), blocks.count - len(used))
    assert dict(blocks.users) == {n: sum(list(one.table).count(n) for one in running) for n in used}
    assert {blocks.named[name]: name for name in blocks.named} == blocks.name_of
    assert set(blocks.kept) <= set(blocks.name_of)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_nothing_is_lost_and_what_is_found_is_what_was_filled(rng, keep):
    """Sequences that begin alike come, are shared, grow and go, more than there is room for."""
    blocks, running = Blocks(COUNT, keep), []
    content: dict[int, tuple] = {}  # of each block: the tokens up to its end, as whoever filled it had them
    trunk = [rng.randrange(3) for _ in range(8 * BLOCK)]
    for _ in range(80):
        if running and rng.random() < 0.45:
            gone = running.pop(rng.randrange(len(running)))
            gone.cached = gone.length - 1
            blocks.name(gone.names(gone.cached), gone.table)
            blocks.release(gone.table)
        else:
            one = sequence([*trunk[: rng.randrange(1, 8 * BLOCK)], rng.randrange(9)])
            found = blocks.find(one.names(one.length - 1))
            need = -(-one.length // BLOCK) - len(found)
            if need + blocks.unused(found) > blocks.available:
                continue
            tokens = one.tokens(0, one.length)
            for place, number in enumerate(found):
                assert content[number] == tuple(tokens[: (place + 1) * BLOCK])
            assert len(found) * BLOCK < one.length
            blocks.share(found)
            one.table = array("q", [*found, *blocks.take(need)])
            for place, number in enumerate(one.table):
                content[number] = tuple(tokens[: (place + 1) * BLOCK])
            running.append(one)
        whole(blocks, running)
    for one in running:
        blocks.release(one.table)
    assert blocks.used == 0 and (keep or not blocks.kept)
    blocks.forget()
    assert (blocks.untouched, blocks.available) == (0, COUNT)


def fill(blocks: Blocks, one: SequenceState) -> None:
    one.table.extend(blocks.take(-(-one.length // BLOCK)))
    one.cached = one.length
    blocks.name(one.names(one.cached), one.table)
    blocks.release(one.table)


def test_the_least_recently_used_goes_first_ends_before_beginnings():
    blocks = Blocks(4, keep=True)
    a, b, c = (sequence([digit] * 2 * BLOCK) for digit in (1, 2, 3))
    fill(blocks, a)
    fill(blocks, b)
    again = blocks.find(a.names(a.length))
    blocks.share(again)
    blocks.release(again)
    fill(blocks, sequence([3] * BLOCK))
    assert [len(blocks.find(one.names(one.length))) for one in (a, b, c)] == [2, 1, 1]


def test_low_numbers_are_used_first_and_a_beginning_of_another_kind_is_not_found():
    blocks = Blocks(10, keep=True)
    taken = [blocks.take(2) for _ in range(3)]
    blocks.release(taken[0])
    assert blocks.take(3) == [0, 1, 6]
    one = sequence(range(40))
    fill(blocks, one)
    assert len(blocks.find(one.names(40))) == 1
    for other in (sequence(range(40), factor=2.0), sequence(range(40), version=1), sequence(range(1, 41))):
        assert not blocks.find(other.names(40)), "another YaRN factor, other weights, other tokens"


def test_names_are_the_same_however_a_sequence_came_to_its_tokens():
    rng = random.Random(0)
    tokens = [rng.randrange(1000) for _ in range(100)]
    grown = sequence(tokens[:10])
    for token in tokens[10:]:
        grown.completion.ids.append(token)
        grown.names(grown.length)
    assert grown.names(100) == sequence(tokens).names(100) and len(grown.names(100)) == 100 // BLOCK
    assert grown.tokens(5, 60) == tokens[5:60] and [grown.token(n) for n in (3, 9, 10, 99)] == [
        tokens[n] for n in (3, 9, 10, 99)
    ]
