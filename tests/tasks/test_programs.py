"""The procedural programs: the same by index, many, and each with a solution that its own tests vouch for."""

import json
from collections import Counter

import pytest

from ponder.tasks import Task, program_tasks
from ponder.tasks.code_tests import check_tests
from ponder.tasks.programs import ATOM, OPERATIONS, extend


def run(program: str, tests: list[dict]) -> list:
    """Our own programs, so they may run here."""
    names = {}
    exec(program, names)
    return [names[test["function"]](*test["args"]) for test in tests]


def test_tasks_are_made_by_index_and_repeat():
    first, again = program_tasks(seed=3), program_tasks(seed=3)
    assert len(first) == 1_000_000
    assert [first[i] for i in (0, 77, 999_999)] == [again[i] for i in (0, 77, 999_999)]
    assert first[5].id != program_tasks(seed=4)[5].id
    assert Task.from_json(json.loads(json.dumps(first[5].to_json()))) == first[5]


def test_there_are_enough_different_ones():
    for kind in ("numbers", "text"):
        assert len({task.id for task in program_tasks([kind])[:4_000]}) > 2_500
    questions = {task.question: task.reference for task in program_tasks()[:4_000]}
    assert all(questions[task.question] == task.reference for task in program_tasks()[:4_000])


def test_every_solution_passes_its_tests():
    """The tests follow the meaning of the words; the solutions follow the rules of Python's brackets."""
    for task in program_tasks(max_steps=5)[:3_000]:
        tests = check_tests(task.reference, "here")["tests"]
        assert run(task.metadata["solution"], tests) == [test["expected"] for test in tests], task.question


@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # of programs such as 2[::-1], which lack their brackets
def test_missing_brackets_are_found_out():
    """Where a chain needs brackets, the program without them must fail a test, or thinking would not pay."""
    found = Counter()
    for task in program_tasks()[:3_000]:
        steps = [tuple(step) for step in task.metadata["steps"]]
        argument = "x" if task.metadata["kind"] == "numbers" else "s"
        expression, holds = argument, ATOM
        for step in steps:
            expression, holds = extend(expression, holds, step, brackets=False)
        bare = f"def f({argument}):\n return {expression}"
        if bare != task.metadata["solution"]:
            tests = task.reference["tests"]
            try:
                found[run(bare, tests) != [test["expected"] for test in tests]] += 1
            except TypeError:  # such as 2[::-1]
                found[True] += 1
    assert found[True] > 0.9 * found.total() > 500


def test_every_operation_occurs_and_numbers_stay_in_range():
    seen = Counter()
    for task in program_tasks(min_steps=2, max_steps=3)[:2_000]:
        assert 2 <= len(task.metadata["steps"]) <= 3
        for name, number in task.metadata["steps"]:
            seen[name] += 1
            assert OPERATIONS[name].least <= number <= OPERATIONS[name].most
    assert seen.keys() == OPERATIONS.keys() and min(seen.values()) > 200


def test_numbers_stay_below_the_bound():
    for task in program_tasks(max_number=9)[:500]:
        assert all(number <= 9 for _, number in task.metadata["steps"])
    assert len({task.id for task in program_tasks(max_number=9)[:4_000]}) > 2_500, "still many different ones"


def test_prompt_and_domain():
    task = program_tasks(["numbers"], 1, 1, seed=2, domain="d", prompt="code")[0]
    assert (task.domain, task.verifier, task.source) == ("d", "code", "programs")
    assert task.question.startswith("Write f(x): ") and task.question.endswith("```python fence.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kinds": ["words"]}, r"kinds of programs: \['words'\]; there are numbers, text"),
        ({"kinds": []}, "kinds of programs: none"),
        ({"min_steps": 3, "max_steps": 2}, "programs of 3 to 2 steps"),
        ({"min_steps": 0}, "at least 1"),
        ({"size": 0}, "at least 1"),
        ({"max_number": 1}, "numbers up to 1"),
        ({"prompt": "nope"}, "Unknown prompt"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        program_tasks(**arguments)
