import json
import random
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.tasks import Task
from ponder.verifiers.choice.verifier import decide, reference_letter
from ponder.verifiers.response import Response, split_response

DEV_PAIRS = Path(__file__).parents[4] / "shared" / "data" / "agreement_dev" / "mcq_pairs.jsonl"
CORPUS = [
    json.loads(line) for line in (files("ponder.verifiers.audit") / "corpus" / "choice.jsonl").open(encoding="utf-8")
]


def status(content: str, reference: str, choices: list[str] | None = None) -> str:
    metadata = {} if choices is None else {"choices": choices}
    task = Task(({"role": "user", "content": "?"},), "test", "choice", reference, metadata=metadata)
    return decide(task, Response("", content, True, False)).status


def text_of(row: dict) -> str:
    return row["response"] if "response" in row else "".join(part * times for part, times in row["response_parts"])


@pytest.mark.parametrize("row", CORPUS, ids=lambda row: row["id"])
def test_corpus(row):
    content = split_response(text_of(row)).content
    assert (status(content, row["reference"], row.get("choices")) == "correct") is row["label"], row["why"]


@pytest.mark.skipif(not DEV_PAIRS.is_file(), reason="the labelled pairs are not at ../shared/data/agreement_dev")
def test_labelled_pairs_agree():
    rows = [json.loads(line) for line in DEV_PAIRS.open(encoding="utf-8")]
    differing = [
        row["id"]
        for row in rows
        if (status(split_response(text_of(row)).content, row["gold"]) == "correct") is not row["label"]
    ]
    assert differing == []


def test_what_is_no_answer_and_what_is_a_wrong_one():
    assert status('"answer": "B"', "C") == "wrong"
    assert status('"answer": "B or C"', "C") == "wrong"
    for nothing in ('"answer": ""', '"answer": "42"', r"\boxed{}", "no idea", "", 'e.g. "answer": "C"'):
        assert status(nothing, "C") == "unparseable", nothing


def test_reasons_say_what_was_read():
    task = Task(({"role": "user", "content": "?"},), "test", "choice", "c")
    assert decide(task, Response("", "Answer: B", True, False)).reason == 'chose B, not C; from: "Answer: B"'
    several = decide(task, Response("", "Answer: B or D", True, False))
    assert several.parsed == "B, D"
    assert several.reason == 'names 2 letters where one is asked for; from: "Answer: B or D"'
    assert "names no letter" in decide(task, Response("", '"answer": "42"', True, False)).reason
    assert decide(task, Response("", "Answer: C", True, False)).reference == "C"


def test_references():
    for reference in (
        "C",
        "c",
        " (C) ",
        "C.",
        "**C**",
        "C. 20 m",
        "C) tin",
        "\\boxed{C}",
        "The answer is C",
        ["C"],
        "答案：C",
    ):
        assert reference_letter(reference) == "C", reference
    assert reference_letter("10 feet", ("30 feet", "10 feet")) == "B"
    for reference in (
        "CD",
        "C or D",
        "not C",
        "C?",
        "",
        "3",
        2,
        None,
        [],
        ["C", "D"],
        [["C"]],
        "Ç",
        "tin",
        "x" * 10**6,
    ):
        with pytest.raises(ValueError, match="needs a reference letter"):
            reference_letter(reference)
    with pytest.raises(ValueError, match="lists only 2 choices"):
        status("A", "C", ["one", "two"])
    with pytest.raises(ValueError, match="must be a list"):
        status("A", "A", "one, two")


def test_options_by_their_text():
    options = ["30 feet", "10 feet", "oxygen", "AB"]
    assert status("The answer is **10 feet**.", "B", options) == "correct"
    assert status("10 feet", "A", options) == "wrong"
    assert status('"answer": "AB"', "D", options) == "correct"
    assert status('"answer": "A"', "A", options) == "correct"
    assert status("The answer is C. \\boxed{42}", "C", options) == "correct"
    assert status("It may well contain oxygen, or so they say.", "C", options) == "unparseable"
    assert status('"answer": "A"', "A", ["B", "A"]) == "correct"
    assert status('"answer": "10 feet"', "B") == "unparseable"


PIECES = [
    *(
        '"answer": "',
        "'answer': '",
        '"',
        "'",
        "answer is ",
        "Answer: ",
        "\\boxed{",
        "}",
        "{",
        "A",
        "B",
        " or ",
        ", ",
        "(",
    ),
    *(
        ")",
        "\n",
        "**",
        "e.g. ",
        "not ",
        "?",
        "故选",
        "答案",
        "choose ",
        "<answer>",
        "</answer>",
        "\\text{",
        "Ｃ",
        "\ud800",
        " ",
    ),
    *("\x00", "C is correct", "null", "[", "]", ":", "\\", "。", "I", " a ", "the "),
]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=80))
def test_never_fails_and_does_not_waver(content):
    first = status(content, "B", ["one", "b", "B", "answer"])
    assert first in ("correct", "wrong", "unparseable")
    assert status(content, "B", ["one", "b", "B", "answer"]) == first


@given(st.text(max_size=30), st.sampled_from("ABCDEFGHIJ"), st.sampled_from("ABCDEFGHIJ"))
def test_a_last_field_decides_whatever_stands_before_it(before, letter, reference):
    before = before.replace('"', "").replace("'", "")
    verdict = status(f'{before}. It is settled.\n\n"answer": "{letter}"', reference)
    assert verdict == ("correct" if letter == reference else "wrong")


def test_verdicts_are_the_same_in_any_order_and_thread():
    pairs = [(split_response(text_of(row)).content, row["reference"], row.get("choices")) for row in CORPUS]
    expected = [status(*pair) for pair in pairs]
    order = list(range(len(pairs)))
    random.Random(0).shuffle(order)
    with ThreadPoolExecutor(4) as threads:
        verdicts = dict(zip(order, threads.map(lambda index: status(*pairs[index]), order), strict=True))
    assert [verdicts[index] for index in range(len(pairs))] == expected
