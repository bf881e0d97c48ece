"""Scores: estimators against their definitions, and what must hold of any evaluation."""

import json
import random
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.evals.estimates import all_of, mean_of_problems, pass_at
from ponder.evals.majority import majority
from ponder.evals.score_words import further, headline, kinds, notes
from ponder.evals.scores import scores, scores_json
from ponder.evals.store import Evaluation
from ponder.runs.results import wilson_interval
from tests.evals.making import evaluation, manifest, problem, protocol, sample

KIND = st.sampled_from(["correct", "wrong", "unparseable", "truncated", "timeout", "error"])
ANSWERS = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.lists(KIND, min_size=1, max_size=6), max_size=6)


def one(value: Evaluation):
    return scores(value)[0]


@pytest.mark.parametrize(("n", "c"), [(1, 0), (1, 1), (5, 0), (5, 2), (6, 6), (6, 1)])
def test_pass_at_k_is_the_mean_over_all_draws(n, c):
    answers = [i < c for i in range(n)]
    for k in range(1, n + 1):
        draws = list(combinations(answers, k))
        assert pass_at(k, n, c) == pytest.approx(sum(map(any, draws)) / len(draws))
        assert all_of(k, n, c) == pytest.approx(sum(map(all, draws)) / len(draws))


def test_majority_and_its_ties():
    assert majority([("7", True), ("7", True), ("8", False)]) == 1
    assert majority([("7", True), ("8", False), ("8", False)]) == 0
    assert majority([("7", True), ("8", False)]) == 0.5, "two tied answers, one of them correct"
    assert majority([("7", True), ("8", False), ("9", False)]) == pytest.approx(1 / 3)
    assert majority([]) == 0


def test_one_answer_each_has_wilsons_interval():
    value = one(evaluation({f"p{i}": ["correct" if i < 40 else "wrong"] for i in range(100)}))
    assert (value.avg.low, value.avg.high) == pytest.approx(wilson_interval(40, 100))
    assert value.avg_name == "pass@1" and not value.thin and headline(value).startswith("40.0 (")


def test_answers_to_one_problem_are_no_independent_evidence():
    alike = one(evaluation({f"p{i}": ["correct" if i < 5 else "wrong"] * 8 for i in range(10)}))
    mixed = one(evaluation({f"p{i}": ["correct"] * 4 + ["wrong"] * 4 for i in range(10)}))
    assert alike.avg.value == mixed.avg.value == 0.5
    assert (alike.avg.low, alike.avg.high) == pytest.approx(wilson_interval(5, 10))
    assert (mixed.avg.low, mixed.avg.high) == pytest.approx(wilson_interval(40, 80))
    none = one(evaluation({f"p{i}": ["wrong"] * 8 for i in range(10)}))
    assert (none.avg.low, none.avg.high) == pytest.approx(wilson_interval(0, 10)), "0 of 80 is no certainty"


def test_the_interval_covers_what_it_says():
    """Problems of many difficulties, eight answers to each of thirty: the true mean lies inside about 95 times in 100."""
    rng = np.random.default_rng(0)
    for a, b in ((1.0, 1.0), (0.5, 2.0), (4.0, 1.0)):
        inside = 0
        for _ in range(600):
            means = rng.binomial(8, rng.beta(a, b, 30)) / 8
            estimate = mean_of_problems(list(means), 240)
            inside += estimate.low <= a / (a + b) <= estimate.high
        assert 0.92 <= inside / 600 <= 0.985, (a, b, inside)


def test_errors_and_timeouts_are_missing_and_never_wrong():
    value = one(evaluation({"a": ["correct", "error"], "b": ["wrong", "timeout"], "c": ["error", "error"]}))
    assert value.avg.value == 0.5 and value.problems == 3 and value.problems_scored == 2
    assert value.missing == 4 and value.kinds["wrong"] == 1
    assert value.bounds == pytest.approx((1 / 6, 5 / 6))
    assert "4 of 6 answers are missing (errors 3, timeouts 1)" in " ".join(notes(value))


def test_an_answer_that_was_never_got_is_missing():
    whole = evaluation({"a": ["correct", "correct"], "b": ["wrong", "wrong"]})
    part = one(Evaluation(whole.manifest, whole.problems, whole.samples[:3]))
    assert part.missing == 1 and part.kinds["error"] == 1 and part.avg.value == 0.5 and part.bounds == (0.5, 0.75)


def test_nothing_answered_has_no_score():
    value = one(evaluation({"a": ["error"]}))
    assert value.avg is None and value.bounds == (0, 1) and headline(value) == "-" and value.pass_at == {}


def test_one_answer_to_thirty_problems_is_an_interval_and_no_score():
    value = one(evaluation({f"p{i}": ["correct" if i < 15 else "wrong"] for i in range(30)}))
    assert value.thin and headline(value) == "between 33.2 and 66.8" and further(value) == {}
    assert "too little for a score" in notes(value)[0]
    assert not one(evaluation({f"p{i}": ["correct", "wrong"] for i in range(30)})).thin


def test_votes_are_by_what_was_read():
    asked = protocol(samples=3)
    rows = [problem("a"), problem("b")]
    answers = [
        sample("a", 0, "correct", parsed="1 / 2"), sample("a", 1, "wrong", parsed="3"), sample("a", 2, "correct", parsed="1  / 2"),
        # what was cut off has no vote, whatever was read of it
        sample("b", 0, "correct", parsed="7"), sample("b", 1, "wrong", parsed="8"), sample("b", 2, "truncated", parsed="7"),
    ]  # fmt: skip
    value = one(
        Evaluation(
            manifest({"aime24": evaluation({"a": ["wrong"]}, asked=asked).manifest.benchmarks["aime24"]}), rows, answers
        )
    )
    assert value.maj.value == 0.75 and "maj@3" in further(value)
    programs = one(evaluation({"a": ["correct", "wrong"]}, asked=protocol("humaneval", 2, "code")))
    assert programs.maj is None


def test_instructions_are_scored_one_by_one():
    asked = protocol("ifeval", 1, "instructions")
    parts = tuple({"name": str(i), "status": s, "score": 0.0, "reason": ""} for i, s in enumerate(["correct", "wrong"]))
    rows = [
        problem("a", "ifeval", reference={"instruction_id_list": ["x", "y"], "kwargs": [{}, {}]}),
        problem("b", "ifeval", reference={"instruction_id_list": ["x", "y"], "kwargs": [{}, {}]}),
    ]
    answers = [sample("a", 0, "wrong", "ifeval", parts=parts), sample("b", 0, "truncated", "ifeval")]
    value = one(Evaluation(evaluation({"a": ["wrong"]}, asked=asked).manifest, rows, answers))
    assert value.instructions.value == 0.25, "an answer that was cut off follows none of its instructions"
    assert value.avg.value == 0


def test_instructions_have_a_loose_score_that_is_judged_on_what_is_stored():
    asked = protocol("ifeval", 1, "instructions")
    reference = {"instruction_id_list": ["punctuation:no_comma", "change_case:english_lowercase"], "kwargs": [{}, {}]}
    rows = [problem(name, "ifeval", reference=reference) for name in "abc"]
    strict = {"a": ("wrong", "correct"), "b": ("wrong", "wrong"), "c": ()}
    texts = {"a": "sure, here it is:\nall is well", "b": "Sure, yes\nnot so, You know\nbye", "c": "all is well"}
    answers = [
        sample(name, 0, "truncated" if name == "c" else "wrong", "ifeval", content=texts[name], parts=tuple(
            {"name": str(i), "status": s, "score": 0.0, "reason": ""} for i, s in enumerate(strict[name])))
        for name in "abc"
    ]  # fmt: skip
    value = one(Evaluation(evaluation({"a": ["wrong"]}, asked=asked).manifest, rows, answers))
    assert value.avg.value == 0 and value.instructions.value == pytest.approx(1 / 6)
    assert value.prompts_loose.value == pytest.approx(1 / 3), "without its first line, a has no comma"
    assert value.instructions_loose.value == pytest.approx(2 / 6), "b keeps its commas, c was cut off"
    assert one(evaluation({"a": ["wrong"]})).prompts_loose is None


def test_another_version_of_the_data_is_said_with_both_hashes():
    asked = protocol()
    named = asked.model_copy(update={"data": asked.data.model_copy(update={"sha256": "a" * 64})})
    said = " ".join(notes(one(evaluation({"a": ["correct"]}, asked=named))))
    assert f"sha256 {'d' * 64}, not {'a' * 64}" in said
    assert one(evaluation({"a": ["correct"]}, asked=named, sha256="a" * 64)).other_data is None


def test_categories_and_tokens():
    value = one(
        evaluation({"a": ["correct"], "b": ["wrong"], "c": ["correct"]}, categories={"a": "x", "b": "y", "c": "x"})
    )
    assert {name: e.value for name, e in value.by_category.items()} == {"x": 1.0, "y": 0.0}
    assert value.tokens.total == 300 and value.tokens.p95 == 100 and value.tokens.reasoning == 150
    assert kinds(value) == "correct 2, wrong 1", "a share of three would be read as a score"
    many = one(evaluation({f"p{i}": ["correct", "wrong"] for i in range(3)}))
    assert kinds(many) == "correct 50.0%, wrong 50.0%"


@settings(max_examples=60, deadline=None)
@given(ANSWERS, st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_any_order(answers, rng: random.Random):
    value = evaluation(answers)
    rows, drawn = list(value.problems), list(value.samples)
    rng.shuffle(rows)
    rng.shuffle(drawn)
    assert scores(Evaluation(value.manifest, rows, drawn)) == scores(value)
    json.dumps(scores_json(value))


@settings(max_examples=100, deadline=None)
@given(ANSWERS)
def test_what_holds_of_every_evaluation(answers):
    value = one(evaluation(answers))
    assert sum(value.kinds.values()) == max(map(len, answers.values()), default=1) * len(answers)
    if value.avg is None:
        return
    assert value.pass_at[1].value == pytest.approx(value.avg.value) == value.pass_all[1].value
    assert value.avg.low <= value.avg.value <= value.avg.high
    ordered = [e.value for e in value.pass_at.values()]
    assert ordered == sorted(ordered)
    assert value.bounds is None or value.bounds[0] <= value.avg.value + 1e-12


def test_all_small_majorities_are_the_mean_over_the_tied():
    for votes in product([("1", True), ("2", False), ("3", False)], repeat=4):
        drawn = [majority([v]) for v in votes if votes.count(v) == max(map(votes.count, votes))]
        assert majority(votes) == pytest.approx(sum(drawn) / len(drawn))
