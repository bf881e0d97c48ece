"""Which of YaRN's factors a turn is given, and how long its answer may be."""

import pytest

from ponder.agents.turn.lengths import Lengths, TooLong


@pytest.mark.parametrize(
    ("longest", "prompt", "asked", "fits"),
    [
        (400, 10, None, (1, 90)),  # a quarter of the context is left at factor 1
        (400, 80, None, (2, 120)),
        (400, 180, None, (4, 220)),
        (400, 390, None, (4, 10)),
        (400, 390, 10, (4, 10)),
        (150, 10, None, (1, 90)),
        (150, 80, None, (2, 70)),  # 105 are wanted
        (150, 140, None, (2, 10)),  # factor 4 would not give more
        (150, 140, 10, (2, 10)),
        (100, 99, None, (1, 1)),
    ],
)
def test_factor_and_room(longest, prompt, asked, fits):
    lengths = Lengths(100, (1.0, 2.0, 4.0), longest)
    assert lengths.fit(prompt, asked, None) == fits


def test_what_is_longer_than_memory():
    lengths = Lengths(100, (1.0, 2.0, 4.0), 150)
    for prompt, asked, factor in ((150, None, None), (140, 11, None), (150, 1, 4.0), (100, 1, 1.0), (90, 11, 1.0)):
        with pytest.raises(TooLong) as refused:
            lengths.fit(prompt, asked, factor)
        assert "maximum context length" in str(refused.value)
        assert refused.value.context == (100 if factor == 1.0 else 150)


def test_a_factor_that_is_not_offered():
    with pytest.raises(ValueError, match="rope_factor 3 is not offered; there are: 1, 2"):
        Lengths(100, (1.0, 2.0), 200).fit(10, None, 3.0)
