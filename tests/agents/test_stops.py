"""Stop strings, wherever the pieces of a text are cut."""

from hypothesis import given
from hypothesis import strategies as st

from ponder.agents.turn.stops import StopText

ALPHABET = st.text("abc", max_size=40)
STOPS = st.lists(st.text("abc", min_size=1, max_size=5), max_size=4)


def until_stop(text: str, stops: list[str], keep: bool) -> tuple[str, bool]:
    """What the whole text says, letter by letter: the stop that is complete first, the longest of those."""
    for end in range(1, len(text) + 1):
        here = [stop for stop in stops if text[:end].endswith(stop)]
        if here:
            return text[: end if keep else end - len(max(here, key=len))], True
    return text, False


@given(ALPHABET, STOPS, st.booleans(), st.data())
def test_pieces_say_what_the_whole_says(text, stops, keep, data):
    reader, shown, left = StopText(stops, keep), "", text
    wanted, stopped = until_stop(text, stops, keep)
    while left:
        size = data.draw(st.integers(1, len(left)))
        shown += reader.push(left[:size])
        assert wanted.startswith(shown), "what has been shown can never be taken back"
        left = left[size:]
    assert (shown + reader.flush(), reader.found is not None) == (wanted, stopped)


def test_only_what_may_become_a_stop_is_held_back():
    reader = StopText(["END"])
    assert reader.push("so E") == "so "
    assert reader.push("N") == ""
    assert reader.push("Dless") == "" and reader.found == "END"
    other = StopText(["END"])
    assert other.push("so EN") + other.push("T") == "so ENT"
