"""Choices in another order for each sample; the same choice stays right."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.evals.asking import Reply
from ponder.evals.choices import shown_letter, shuffled, unshuffled
from ponder.evals.data import load_problems
from ponder.evals.evaluate import Wanted, prepare
from ponder.evals.loading import load_protocol
from ponder.evals.running import run
from ponder.evals.store import Store, read
from ponder.tasks.rule_rows import rule_row_reader, shown_options
from ponder.verifiers import Response, Verification
from tests.evals.sums import a_manifest

OWN = Path(__file__).parent / "data"
READER = rule_row_reader({}, "choice", source="own", domain=None, prompt=None)


def task_of(choices: list[str], right: int, question: str = "Which?"):
    return READER.task({"question": question, "choices": choices, "answer": right}, "own, line 1")


@given(
    st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=26, unique=True),
    st.data(),
    st.integers(0, 1 << 40),
    st.integers(0, 100),
)
def test_the_same_choice_is_right_and_all_are_shown(choices, data, seed, sample):
    right = data.draw(st.integers(0, len(choices) - 1))
    task = task_of(choices, right)
    asked = shuffled(task, seed, sample)
    after = asked.metadata["choices"]
    assert sorted(after) == sorted(choices)
    assert after[ord(asked.reference) - ord("A")] == choices[right]
    assert asked.question == task.question.replace(shown_options(choices), shown_options(after))
    assert asked == shuffled(task, seed, sample) and task.metadata["choices"] == choices


def test_samples_seeds_and_tasks_have_orders_of_their_own_and_every_letter_is_right_about_as_often():
    tasks = load_problems(load_protocol("gpqa"), [OWN]).tasks
    letters = [[shuffled(task, seed, sample).reference for sample in range(200)] for task in tasks for seed in (0, 1)]
    assert len({tuple(of_one) for of_one in letters}) == len(letters)
    counts = Counter(letter for of_one in letters for letter in of_one)
    assert set(counts) == set("ABCD") and all(240 < count < 360 for count in counts.values()), counts  # of 1,200


def test_the_order_is_kept_with_the_sample_and_read_back(tmp_path):
    protocol = load_protocol("gpqa", "greedy")
    (bench,) = prepare(Wanted(("gpqa",), "greedy", (OWN,), samples=3))

    class Answers:
        """Always the first of the choices."""

        concurrent = 1

        async def answer(self, question):
            return Reply(Response("", '"answer": "A"', True, False), "stop", 1, 1, 0)

    store = Store(tmp_path, a_manifest(protocol, len(bench.problems)), bench.problems)
    with Verification(workers=1) as verification:
        asyncio.run(run(Answers(), bench.questions, store, verification))
    store.close()
    found = read(tmp_path)
    right = {problem.id: problem.reference for problem in found.problems}
    assert len({sample.choice_order for sample in found.samples}) > 2
    for sample in found.samples:
        expected = shown_letter(right[sample.problem], sample.choice_order)
        assert (sample.status == "correct") == (expected == "A")
        assert unshuffled(expected, sample.choice_order) == right[sample.problem]


def test_where_there_is_nothing_to_shuffle():
    sat = load_problems(load_protocol("sat"), [OWN]).tasks[0]
    with pytest.raises(ValueError, match=r"sat_math.jsonl, line 1: no list of choices"):
        shuffled(sat, 0, 0)
    task = task_of(["x", "y"], 0)
    hidden = replace(task, messages=({"role": "user", "content": "Which?"},))
    with pytest.raises(ValueError, match="does not show its choices a line each"):
        shuffled(hidden, 0, 0)
