"""What a judge says is read strictly, and never guessed."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ponder.verifiers.judge_model.answers import BEST, Unreadable, read_grades, read_preference

NAMES = ["helpful", "brief"]
GRADES = {"helpful": 7, "brief": 2.5}
grades = st.fixed_dictionaries(dict.fromkeys(NAMES, st.integers(0, BEST) | st.floats(0, BEST)))
# Texts that look like answers of judges, or are made of their pieces.
PIECES = [
    '{"helpful": 7, "brief": 2.5}',
    "{",
    "}",
    '"helpful"',
    ":",
    "7",
    ",",
    "```",
    "json",
    "<think>",
    "</think>",
    "\n",
]
PIECES += ["NaN", "1e999", "[" * 50, "9" * 5000, "\ud800", "Score: 9", '{"better": "A"}', "tie", "null", "true"]
pieces = st.lists(st.sampled_from(PIECES) | st.text(max_size=10), max_size=12).map("".join)


@given(grades, st.text(max_size=60).filter(lambda text: "<think>" not in text), st.sampled_from(["", " \n", "\n```"]))
@example({"helpful": -0.0, "brief": 10}, '{"helpful": 1, "brief": 1}', "")
def test_the_object_at_the_end_counts_whatever_stands_before_it(given_grades, before, after):
    fence = "```json\n" if "`" in after else ""
    read = read_grades(f"{before}\n{fence}{json.dumps(given_grades)}{after}", NAMES)
    assert read == given_grades and list(read) == NAMES


@given(pieces)
def test_any_other_text_is_unreadable_and_nothing_else(text):
    for read in (lambda: read_grades(text, NAMES), lambda: read_preference(text)):
        try:
            found = read()
        except Unreadable as error:
            assert len(str(error)) < 600 and str(error).isprintable()
        else:
            assert found in ("A", "B", "tie") or (
                set(found) == set(NAMES) and all(0 <= v <= BEST for v in found.values())
            )


@pytest.mark.parametrize(
    "text",
    [
        '<think>Let me see: {"helpful": 1, "brief": 1}</think>{"helpful": 7, "brief": 2.5}',
        'Good.\n\n```\n{"brief": 2.5, "helpful": 7}\n```\n',
        '{"helpful": 1, "brief": 1}? No, rather\n{"helpful":7,"brief":2.5}',
    ],
)
def test_thoughts_fences_and_reasons_before_it_do_no_harm(text):
    assert read_grades(text, NAMES) == GRADES


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "does not end with a JSON object: it is empty"),
        ("I cannot help with that.", "does not end with a JSON object: 'I cannot help with that.'"),
        ("Score: 7", "does not end with a JSON object"),
        ('{"helpful": 7, "brief": 2} Hope this helps!', "does not end with a JSON object"),
        ('{"helpful": 7}', "no grade for 'brief'"),
        ('{"helpful": 7, "brief": 2, "overall": 9}', "grades 'overall', which it was not asked for"),
        ('{"helpful": "7", "brief": 2}', "grade for 'helpful' is no number from 0 to 10"),
        ('{"helpful": true, "brief": 2}', "grade for 'helpful' is no number"),
        ('{"helpful": 11, "brief": 2}', "grade for 'helpful' is no number from 0 to 10"),
        ('{"helpful": -1, "brief": 2}', "is no number from 0 to 10"),
        ('{"helpful": 1e999, "brief": 2}', "is no number from 0 to 10"),
        ('{"helpful": NaN, "brief": 2}', "NaN is no number of JSON's"),
        ('{"helpful": 7, "helpful": 2, "brief": 1}', "a name stands twice in it"),
        ('{"grades": {"helpful": 7, "brief": 2}}', "ends with what is no JSON object"),
        ("{'helpful': 7, 'brief': 2}", "ends with what is no JSON object"),
        ('<think>{"helpful": 7, "brief": 2}', "its thinking never ended"),
        ('{"helpful": 7, "brief": 2' + " " * 20_000 + "}", "does not end with a JSON object"),
    ],
)
def test_what_is_not_the_form_is_said(text, complaint):
    with pytest.raises(Unreadable) as raised:
        read_grades(text, NAMES)
    assert complaint in str(raised.value)


@pytest.mark.parametrize("better", ["A", "B", "tie"])
def test_a_preference_is_one_of_three(better):
    assert read_preference(f'Well.\n{{"better": "{better}"}}') == better


@pytest.mark.parametrize(
    "text", ['{"better": "a"}', '{"better": "C"}', '{"better": ["A"]}', '{"best": "A"}', "A", "{}"]
)
def test_any_other_preference_is_unreadable(text):
    with pytest.raises(Unreadable, match="does not end with"):
        read_preference(text)
