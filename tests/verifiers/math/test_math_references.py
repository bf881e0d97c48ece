"""References as people have them: what is read, and what is refused aloud."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.verifiers import verify_math
from ponder.verifiers.math import reference_text, unreadable

DATA = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("Eggs sell for 2 dollars each, so she makes 9 * 2 = <<9*2=18>>18.\n#### 18", "18"),
        ("#### 1,250", "1250"),
        ("work\n#### $31", "31"),
        ("The answer is 37", "37"),
        ("So the final answer is: $\\frac{1}{4}$.", "0.25"),
        ("Answer: 37", "37"),
        ("**Answer:** 37", "37"),
        ("Therefore, 37", "37"),
        ("37 is the answer", "37"),
        ("37 (since 36 + 1 = 37)", "37"),
        ("**7**", "7"),
        ("`7`", "7"),
        ('"7"', "7"),
        ("<answer>\n7\n</answer>", "7"),
        ('["7"]', "7"),
        ("['7', '8']", "8, 7"),
        ('["\\\\frac{3}{4}"]', "0.75"),
        ('["\\frac{3}{4}"]', "0.75"),
        ('{"answer": "7"}', "7"),
        ([["7"], 8], "7, 8"),
        ("$7$", "7"),
        ("\\[7\\]", "7"),
        ("\\fbox{7}", "7"),
        ("11 (plums)", "11"),
        ("11 (mm)", "11 mm"),
        ("30(km/h)", "30"),
        ("14 (m)", "14"),
        ("14 (square feet)", "14"),
        ("11（棵）", "11"),
        ("11（棵）", "11 trees"),
        ("11（千米/时）", "11"),
        ("11（cm²）", "11"),
        ("11 (%)", "11%"),
        ("11 (times)", "11"),
        ("6.28 (approximately)", "6.28"),
        ("１１", "11"),
        ("－１１．５", "-11.5"),
        ("答案：11", "11"),
        ("共11种", "11"),
        ("x = 11 (years old)", "11"),
        ("the area is 11", "11"),
        ("第二象限", "第二象限"),
        ("A stopped clock is right twice a day.", "A stopped clock is right twice a day"),
    ],
)
def test_is_read(reference, answer):
    assert verify_math(f"\\boxed{{{answer}}}", reference).status == "correct"
    assert verify_math("\\boxed{9137}", reference).status == "wrong"


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("11 (plums)", "12"),
        ("11 (plums)", "11 pears"),
        ("11 (mm)", "11 km"),
        ("11 (dozen)", "11"),  # refused, as twelve times as many
        ("11 (squared)", "11"),
        ("11(xy)", "11"),
        ("[1,3]", "1, 3"),
        ("(1,3)", "[1,3)"),
        ('["7", "8"]', "7"),
        ("#### 7", "17"),
    ],
)
def test_other_values_in_the_same_dress_are_wrong(reference, answer):
    assert verify_math(f"\\boxed{{{answer}}}", reference).status in ("wrong", "error")


@pytest.mark.parametrize(
    "reference", ["3 +* 4", "\\frac{1}", "((", "x^", "\\unknowncommand{3}", "???", "5 +", "(" * 60]
)
@pytest.mark.parametrize("response", ["\\boxed{4}", "I do not know.", "\\boxed{", "\\boxed{\\frac{1}{}}"])
def test_what_cannot_be_read_is_an_error_whatever_is_answered(reference, response):
    verdict = verify_math(response, reference)
    assert (verdict.status, verdict.score) == ("error", None)
    assert "cannot be read" in verdict.reason
    assert unreadable(reference_text(reference)) == verdict


@pytest.mark.parametrize("reference", ["", "  ", None, [], [None]])
def test_a_reference_without_an_answer_is_an_error(reference):
    assert verify_math("\\boxed{4}", reference).status == "error"


def test_what_cannot_be_read_may_still_be_the_same_text():
    assert verify_math("\\boxed{np.cbrt(2)}", "np.cbrt(2)").status == "correct"


@given(reference=st.text(max_size=40) | st.lists(st.text(max_size=10), max_size=3), response=st.text(max_size=40))
def test_any_reference_is_read_or_refused(reference, response):
    assert verify_math(response, reference).status in ("correct", "wrong", "unparseable", "error")
    try:
        text = reference_text(reference)
    except ValueError:
        return
    assert unreadable(text) is None or unreadable(text).status == "error"


@pytest.mark.skipif(not DATA.is_dir(), reason="benchmark files are not at ../shared/data")
def test_the_answer_column_of_gsm8k_as_it_is():
    rows = [json.loads(line) for line in (DATA / "gsm8k_test.jsonl").open()]
    for row in rows:
        final = row["answer"].split("####")[1].strip()
        assert verify_math(f"So it is \\boxed{{{final}}}.", row["answer"]).status == "correct", row
        assert (
            verify_math(f"So it is \\boxed{{{int(final.replace(',', '')) + 1}}}.", row["answer"]).status == "wrong"
        ), row
