"""The ledger: whatever is appended in whatever order, ids, spans, mask and log-probabilities stay of one mind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.ledger import Ledger, Span, SpanKind, StopReason

PIECES = st.lists(st.tuples(st.sampled_from(SpanKind), st.lists(st.integers(0, 99), max_size=5)), max_size=12)


@given(PIECES)
def test_spans_cover_the_ids_and_mask_says_what_the_policy_wrote(pieces):
    ledger, expected, writers = Ledger(), [], []
    for kind, ids in pieces:
        ledger.append(kind, ids, [-0.5] * len(ids) if kind is SpanKind.POLICY else [])
        expected += ids
        writers += [kind] * len(ids)
    assert ledger.ids == expected
    assert ledger.mask == [int(kind is SpanKind.POLICY) for kind in writers]
    assert ledger.sampled == len(ledger.logprobs) == sum(ledger.mask)
    assert [kind for span in ledger.spans for kind in [span.kind] * (span.end - span.start)] == writers
    assert [span.start for span in ledger.spans] == [0, *(span.end for span in ledger.spans)][: len(ledger.spans)]
    assert all(a.kind is not b.kind for a, b in zip(ledger.spans, ledger.spans[1:], strict=False))
    assert ledger.prompt_ids + ledger.response_ids == ledger.ids


def test_one_turn():
    ledger = Ledger.of_turn([1, 2], [3, 4, 5], [-0.1, -0.2, -0.3], "length")
    assert ledger.spans == [Span(SpanKind.PROMPT, 0, 2), Span(SpanKind.POLICY, 2, 5)]
    assert ledger.truncated and ledger.stop is StopReason.LENGTH
    assert ledger.prompt_ids == [1, 2] and ledger.response_ids == [3, 4, 5]


def test_only_the_policy_brings_log_probabilities():
    with pytest.raises(AssertionError, match="0 log-probabilities for 2 tokens"):
        Ledger().append(SpanKind.POLICY, [1, 2])
    with pytest.raises(AssertionError, match="1 log-probabilities for 1 tokens of kind tool"):
        Ledger().append(SpanKind.TOOL, [1], [-0.5])


def test_every_value_has_its_sentence():
    assert all(value.meaning.endswith(".") for value in [*SpanKind, *StopReason])
