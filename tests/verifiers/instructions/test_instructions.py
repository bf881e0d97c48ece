"""The instructions verifier: each type with both verdicts and its quirks, references, jobs, threads, any text."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.tasks import Task
from ponder.verifiers import Response, Verification
from ponder.verifiers.instructions import INSTRUCTIONS, check, check_loose, decide, follow
from ponder.verifiers.instructions.languages import detect
from ponder.verifiers.verifier import Job

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "ponder/verifiers/audit/corpus/instructions.jsonl")
    .read_text("utf-8")
    .splitlines()
]
DATA = Path(__file__).parents[4] / "shared" / "data" / "agreement_dev" / "if_pairs.jsonl"
# Arguments with which every type can be checked against any text.
KWARGS = {
    "keywords:existence": {"keywords": ["river", "bridge"]},
    "keywords:frequency": {"keyword": "river", "frequency": 2, "relation": "at least"},
    "keywords:forbidden_words": {"forbidden_words": ["river"]},
    "keywords:letter_frequency": {"letter": "e", "let_frequency": 3, "let_relation": "less than"},
    "language:response_language": {"language": "en"},
    "length_constraints:number_sentences": {"num_sentences": 2, "relation": "at least"},
    "length_constraints:number_paragraphs": {"num_paragraphs": 1},
    "length_constraints:number_words": {"num_words": 4, "relation": "at least"},
    "length_constraints:nth_paragraph_first_word": {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "river"},
    "detectable_content:number_placeholders": {"num_placeholders": 1},
    "detectable_content:postscript": {"postscript_marker": "P.S."},
    "detectable_format:number_bullet_lists": {"num_bullets": 1},
    "detectable_format:number_highlighted_sections": {"num_highlights": 1},
    "detectable_format:multiple_sections": {"section_spliter": "Section", "num_sections": 1},
    "combination:repeat_prompt": {"prompt_to_repeat": "Write."},
    "startend:end_checker": {"end_phrase": "The end."},
    "change_case:capital_word_frequency": {"capital_frequency": 2, "capital_relation": "at least"},
    "language:consistent": {"language": "en"},
    "length_constraints:bounds": {"min_words": 2, "max_characters": 90},
    "detectable_format:json_schema": {"schema": {"type": "object", "required": ["a"]}},
    "keywords:none_of": {"words": ["river"]},
}
ALL = {"instruction_id_list": list(INSTRUCTIONS), "kwargs": [KWARGS.get(name, {}) for name in INSTRUCTIONS]}
MARKS = [
    "***",
    "******",
    "**",
    "<<",
    ">>",
    "[",
    "]",
    '"',
    "'",
    "?!",
    ",",
    "$",
    "\\[",
    "中文。",
    "\x00",
    "\u2028",
    "\udc80",
]
WORDS = [
    "river ",
    "Dr. ",
    "\n",
    "\n\n",
    "* ",
    "- ",
    "1. ",
    '{"a": 1}',
    "```json\n",
    "```",
    "Section 1",
    "P.S.",
    "A. ",
    "...",
]
PIECES = st.sampled_from([*MARKS, *WORDS])
TEXTS = st.one_of(
    st.text(st.characters(codec=None, exclude_categories=[]), max_size=200), st.lists(PIECES).map("".join)
)


def followed(content: str, reference: dict, loose: bool = False) -> list[bool]:
    return [part.verdict.status == "correct" for part in follow(content, reference, loose)]


def task(name: str = "punctuation:no_comma", kwargs: dict | None = None, question: str = "?", **more) -> Task:
    reference = {"instruction_id_list": [name], "kwargs": [kwargs or {}]}
    metadata = more.pop("metadata", {})
    return Task(({"role": "user", "content": question},), "if", "instructions", reference | more, metadata=metadata)


def response(content: str) -> Response:
    return Response("", content, thinking_closed=True, truncated=False)


def test_every_row_of_the_corpus_strict_and_loose():
    wrong = [
        (row["id"], mode)
        for row in ROWS
        for mode in ("strict", "loose")
        if followed(row["response"], row["reference"], mode == "loose") != row[mode]
    ]
    assert wrong == []


def test_the_corpus_has_both_verdicts_on_every_type():
    said = {(n, v) for row in ROWS for n, v in zip(row["reference"]["instruction_id_list"], row["strict"], strict=True)}
    assert said == {(name, verdict) for name in INSTRUCTIONS for verdict in (True, False)}
    assert len(ROWS) >= 300 and len({row["id"] for row in ROWS}) == len(ROWS)


@pytest.mark.skipif(not DATA.is_file(), reason="labelled pairs are not at ../shared/data")
def test_agrees_with_every_labelled_pair():
    for line in DATA.open():
        row = json.loads(line)
        reference = {key: row[key] for key in ("instruction_id_list", "kwargs")}
        assert followed(row["response"], reference) == row["strict"], row["id"]
        assert followed(row["response"], reference, loose=True) == row["loose"], row["id"]


@pytest.mark.skipif(not DATA.is_file(), reason="benchmark files are not at ../shared/data")
def test_reads_every_prompt_of_ifeval():
    for line in (DATA.parents[1] / "ifeval.jsonl").open():
        row = json.loads(line)
        parts = follow("Some text.", row, loose=False)
        assert [part.name for part in parts] == row["instruction_id_list"]


def test_reasons_say_what_was_counted_and_asked():
    reason = check(
        "One. Two.", "length_constraints:number_sentences", {"num_sentences": 3, "relation": "at least"}
    ).reason
    assert reason == "2 sentences, asked for at least 3"
    assert "b" in check('{"a": 1}', "detectable_format:json_schema", {"schema": {"required": ["b"]}}).reason
    loose = check_loose("Well, now:\nNo such sign here.", "punctuation:no_comma", {})
    assert loose.followed and loose.reason.startswith("without the first line: ")
    assert not check_loose("a, b\nc, d\ne, f", "punctuation:no_comma", {}).followed


def test_zero_is_a_number_and_a_sign_is_counted_where_a_letter_should_be():
    # lm-eval's copy of the checker draws a number instead of 0, and a letter instead of "#".
    assert check("No bullets.", "detectable_format:number_bullet_lists", {"num_bullets": 0}).followed
    hashes = {"letter": "#", "let_frequency": 2, "let_relation": "at least"}
    assert check("# a # b", "keywords:letter_frequency", hashes).followed
    assert not check("# a b", "keywords:letter_frequency", hashes).followed


def test_json_is_read_up_to_a_depth_that_does_not_depend_on_the_caller():
    assert check("[" * 500 + "]" * 500, "detectable_format:json_format", {}).followed
    assert not check("[" * 501 + "]" * 501, "detectable_format:json_format", {}).followed
    assert check('["' + "[" * 600 + '"]', "detectable_format:json_format", {}).followed
    assert "500 levels" in check("[" * 100_000, "detectable_format:json_format", {}).reason


def test_the_verdict_holds_the_parts_and_their_share():
    asked = {
        "instruction_id_list": ["punctuation:no_comma", "detectable_format:title"],
        "kwargs": [{}, {"unset": None}],
    }
    whole = Task(({"role": "user", "content": "?"},), "if", "instructions", asked)
    verdict = decide(whole, response("Yes, <<so>>"))
    assert (verdict.status, verdict.score) == ("wrong", 0.0)
    assert [(part.name, part.verdict.status) for part in verdict.parts] == [
        ("punctuation:no_comma", "wrong"),
        ("detectable_format:title", "correct"),
    ]
    assert verdict.reason == "follows 1 of 2 instructions; punctuation:no_comma: 1 commas, asked for none"
    assert verdict.reference == "punctuation:no_comma; detectable_format:title"
    share = Task(whole.messages, "if", "instructions", asked, metadata={"score": "fraction"})
    assert decide(share, response("Yes, <<so>>")).score == 0.5
    assert decide(share, response("Yes <<so>>")).status == "correct"


def test_loose_where_the_reference_says_so():
    text = response("Well, now:\nNo such sign here.")
    assert decide(task(), text).status == "wrong"
    assert decide(task(mode="loose"), text).status == "correct"


def test_the_prompts_language_is_the_tasks():
    german = "Der alte Hafen liegt still, und die Fischer flicken am Morgen ihre Netze vor dem Haus."
    asked = task("language:consistent", question="Erkläre bitte, warum der Himmel am Abend rot wird.")
    assert decide(asked, response(german)).status == "correct"
    english = "The old harbour lies still while the fishermen mend their nets in front of the house."
    assert decide(asked, response(english)).status == "wrong"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no object", "'instruction_id_list' and 'kwargs', not str"),
        ({"instruction_id_list": [], "kwargs": []}, "one instruction or more"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}, "0 entries"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}], "modes": 1}, "did you mean 'mode'"),
        ({"instruction_id_list": ["punctuation:no_commas"], "kwargs": [{}]}, "did you mean 'punctuation:no_comma'"),
        ({"instruction_id_list": [["x"]], "kwargs": [{}]}, "Unknown instruction"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": ["x"]}, "must be an object, not str"),
        (
            {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{"num_words": 3}]},
            "Unknown argument 'num_words'",
        ),
    ],
)
def test_malformed_references_are_refused_with_the_remedy(reference, message):
    with pytest.raises(ValueError, match=message):
        follow("x", reference, loose=False)


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("length_constraints:number_words", {"relation": "at least"}, "'num_words' is not set.*{'num_words': 100}"),
        ("length_constraints:number_words", {"num_words": None, "relation": "at least"}, "'num_words' is not set"),
        ("length_constraints:number_words", {"num_words": -1, "relation": "at least"}, "0 or more, not -1"),
        ("length_constraints:number_words", {"num_words": True, "relation": "at least"}, "must be a number"),
        ("length_constraints:number_words", {"num_words": 3, "relation": "at most"}, "'less than' or 'at least'"),
        ("keywords:existence", {"keywords": "river"}, "must be a list of texts"),
        ("keywords:existence", {"keywords": ["a(b"]}, r"write 'a\\\\\(b'"),
        ("keywords:frequency", {"keyword": " ", "frequency": 1, "relation": "at least"}, "not blank"),
        (
            "keywords:letter_frequency",
            {"letter": "ab", "let_frequency": 1, "let_relation": "at least"},
            "single letter",
        ),
        ("language:response_language", {"language": "zh"}, "did you mean 'zh-"),
        ("detectable_content:postscript", {"postscript_marker": "P(S"}, "regular expression"),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 2, "nth_paragraph": 3, "first_word": "x"},
            "from 1 to 'num_paragraphs', 2",
        ),
        ("length_constraints:bounds", {}, "no bound is set"),
        ("length_constraints:bounds", {"min_words": 5, "max_words": 4}, "'min_words' 5 is above 'max_words' 4"),
        ("detectable_format:json_schema", {"schema": {"type": "objekt"}}, "not a valid JSON schema.*objekt"),
        ("detectable_format:json_schema", {"schema": "{}"}, "must be a JSON schema"),
        ("language:consistent", {}, "needs 'language'"),
    ],
)
def test_unusable_arguments_name_the_instruction_and_what_is_wrong(name, kwargs, message):
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        check("text", name, kwargs)


def test_unknown_modes_and_scores_are_refused():
    with pytest.raises(ValueError, match="'strict' and 'loose'"):
        decide(task(mode="lose"), response("x"))
    with pytest.raises(ValueError, match="'all' and 'fraction'"):
        decide(task(metadata={"score": "half"}), response("x"))


@pytest.mark.parametrize(
    ("asked", "content", "at_once"),
    [
        (task("keywords:existence", {"keywords": ["plain", "a.b"]}), "plain a.b", True),
        (task("keywords:existence", {"keywords": ["(a|a)+b"]}), "aab", False),
        (task("keywords:forbidden_words", {"forbidden_words": ["colou?r"]}), "red", False),
        (
            task("keywords:frequency", {"keyword": "a" * 300, "frequency": 1, "relation": "less than"}),
            "b" * 40_000,
            False,
        ),
        (task("detectable_format:json_schema", {"schema": {"type": "object"}}), "{}", True),
        (task("detectable_format:json_schema", {"schema": {"$ref": "#/$defs/a", "$defs": {"a": {}}}}), "{}", False),
        (task(), "x" * 60_000, False),
    ],
)
def test_what_may_take_long_is_left_to_a_worker(asked, content, at_once):
    decided = decide(asked, response(content))
    assert isinstance(decided, Job) is not at_once
    with Verification() as verification:
        verdict = verification.submit(asked, response(content)).result()
        assert (verification.pool.process_ids() == []) is at_once
    assert verdict.status == "correct"
    assert [part.verdict.status for part in verdict.parts] == ["correct"]
    assert verdict.reference.startswith(asked.reference["instruction_id_list"][0])


def test_a_pattern_that_never_ends_is_killed_and_costs_no_other_verdict():
    hang = task("keywords:existence", {"keywords": ["(a|aa)+$"]})
    with Verification(deadline_s=1.0) as verification:
        verdicts = verification.verify_all([(hang, response("a" * 60 + "c")), (task(), response("x" * 60_000))])
    assert [verdict.status for verdict in verdicts] == ["timeout", "correct"]


def test_nothing_is_fetched_for_a_schema(monkeypatch):
    fetched = []
    monkeypatch.setattr("urllib.request.urlopen", fetched.append)
    with pytest.raises(ValueError, match="leads nowhere"):
        check("{}", "detectable_format:json_schema", {"schema": {"$ref": "https://example.org/schema.json"}})
    assert fetched == []


@pytest.mark.parametrize("content", ["NaN", "[-Infinity]", "1e400"])
def test_what_is_no_json_value_is_valid_by_no_schema(content):
    assert not check(content, "detectable_format:json_schema", {"schema": True}).followed
    assert check(content, "detectable_format:json_format", {}).followed


@settings(max_examples=50, deadline=None)
@given(TEXTS)
def test_any_text_has_the_same_verdicts_every_time_and_loose_is_looser(content):
    strict, loose = follow(content, ALL, loose=False), follow(content, ALL, loose=True)
    assert follow(content, ALL, loose=False) == strict
    assert follow(content, ALL, loose=True) == loose
    assert all(easy.verdict.score >= hard.verdict.score for hard, easy in zip(strict, loose, strict=True))


def test_from_many_threads_and_in_any_order_the_same():
    rows = [(row["response"], row["reference"]) for row in ROWS]
    alone = [followed(*row) for row in rows]
    order = list(range(len(rows))) * 2
    random.Random(5).shuffle(order)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda i: followed(*rows[i]), order)) == [alone[i] for i in order]


def test_a_language_does_not_depend_on_what_was_asked_before():
    doubtful = ["a la", "no", "TOTAL REST IN PEACE", "im Haus de la casa", "sine qua non"]
    alone = [detect(text) for text in doubtful]
    for _ in range(20):
        assert [detect(text) for text in doubtful] == alone
    assert [detect(text) for text in reversed(doubtful)] == alone[::-1]
