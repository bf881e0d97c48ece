"""Preference pairs from rows of every form; rows that are none, or whose sides cannot be right, are faults with a place."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.tasks.files import read_file
from ponder.tasks.preferences import pair_of, read_pairs

USER, YES, NO = (
    {"role": role, "content": text} for role, text in (("user", "q"), ("assistant", "y"), ("assistant", "n"))
)
PLAIN = {"prompt": "q", "chosen": "y", "rejected": "n"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "row",
    [
        PLAIN,
        {"prompt": [USER], "chosen": YES, "rejected": [NO]},
        {"prompt": "q", "chosen": [USER, YES], "rejected": [USER, NO]},  # as UltraFeedback has it
        {"chosen": [USER, YES], "rejected": [USER, NO]},
        {"messages": [USER], "chosen": YES, "rejected": NO},
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "y"},
            "rejected": {"from": "gpt", "value": "n"},
        },
        {"input": "q", "output_1": "n", "output_2": "y", "label": 2},
        {"input": "q", "output_1": "y", "output_2": "n", "label": 1},
    ],
)
def test_every_form_is_the_same_pair(row):
    pair = pair_of(row, "here")
    assert (pair.messages, pair.chosen, pair.rejected) == ((USER,), YES, NO)


def test_fields_may_have_other_names_and_lie_deeper():
    row = {"data": {"q": "q"}, "good": "y", "bad": "n", "kind": "maths"}
    pair = pair_of(row, "here", {"prompt": "data.q", "chosen": "good", "rejected": "bad", "category": "kind"})
    assert (pair.messages, pair.chosen["content"], pair.category) == ((USER,), "y", "maths")


def test_system_and_tools_are_part_of_what_is_answered():
    pair = pair_of(PLAIN | {"system": "s", "tools": json.dumps([{"name": "f"}]), "subset": "chat"}, "here")
    assert pair.messages[0] == {"role": "system", "content": "s"} and pair.category == "chat"
    assert pair.tools == ({"type": "function", "function": {"name": "f"}},)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "q", "chosen": "y"}, "there is no rejected side: the row has chosen, prompt"),
        (PLAIN | {"chosen": None}, "field 'chosen' is empty"),
        (PLAIN | {"rejected": "  "}, "rejected is empty"),
        (PLAIN | {"rejected": " y\n"}, "the same answer"),
        (PLAIN | {"prompt": ""}, "prompt is empty"),
        ({"chosen": "y", "rejected": "n"}, "nothing is answered"),
        (PLAIN | {"chosen": 3}, "must be text, a message or messages, not int"),
        (
            {"chosen": [USER, YES], "rejected": [USER, {"role": "user", "content": "n"}]},
            "rejected ends with a message from",
        ),
        ({"chosen": [USER, YES], "rejected": [NO]}, "different conversations"),
        (PLAIN | {"prompt": [USER, YES]}, "the prompt ends with the assistant's message"),
        (PLAIN | {"score_chosen": 2.0, "score_rejected": 7.5}, "look swapped: score_chosen is 2, score_rejected 7.5"),
        ({"input": "q", "output_1": "y", "output_2": "n", "label": 0}, "label is 0"),
        (PLAIN | {"category": 3}, "category must be text"),
    ],
)
def test_a_row_that_is_no_pair_is_a_sentence_with_its_place(row, said):
    with pytest.raises(ValueError, match=r"^rows, line 3: ") as error:
        pair_of(row, "rows, line 3")
    assert said in str(error.value)


def test_pairs_that_prefer_both_sides_are_left_out_both():
    rows = [PLAIN, PLAIN | {"prompt": "other"}, PLAIN | {"chosen": "n", "rejected": "y"}]
    read = read_pairs((f"f, line {n}", row) for n, row in enumerate(rows, 1))
    assert [pair.place for pair in read.pairs] == ["f, line 2"]
    assert read.faults == [
        "f, line 1: the sides look swapped here or elsewhere: f, line 3 prefers the other answer",
        "f, line 3: the sides look swapped here or elsewhere: f, line 1 prefers the other answer",
    ]


def test_pairs_that_are_there_once_more_are_counted():
    read = read_pairs((f"f, line {n}", PLAIN) for n in range(3))
    assert len(read.pairs) == 3 and read.repeated == 2 and not read.faults


def test_an_unknown_field_role_is_refused_with_a_suggestion():
    with pytest.raises(ValueError, match="did you mean 'chosen'"):
        read_pairs([], {"choosen": "y"})


@given(st.dictionaries(st.sampled_from(["prompt", "chosen", "rejected", "messages", "label", "tools", "system"]), JSON))
def test_whatever_a_row_holds_is_a_pair_or_a_fault_with_its_place(row):
    read = read_pairs([("f, line 1", row)])
    assert len(read.pairs) + len(read.faults) == 1
    assert all(fault.startswith("f, line 1") for fault in read.faults)


SHARED = Path(__file__).parents[3] / "shared" / "data" / "preference"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared preference files are not here")
def test_the_shared_files_are_read_whole():
    counts = {}
    for file in sorted(SHARED.glob("*.json")):
        read = read_pairs(read_file(file), category=file.stem)
        counts[file.stem] = (len(read.pairs), len(read.faults))
    assert counts.pop("dpo_en_demo") == (300, 0)
    assert sum(pairs for pairs, _ in counts.values()) == 372 and not any(faults for _, faults in counts.values())
