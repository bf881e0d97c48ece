"""The careless pupil: without slips every answer is right, whatever the habit; with them, as often wrong as asked."""

import re

import pytest

from ponder.recipe.stages.sft import Demonstrations, Habits
from ponder.tasks.gym import gym_tasks
from ponder.tasks.programs import program_tasks
from ponder.tasks.task import Task
from ponder.training.demonstrations import column_demonstration, demonstrate, program_demonstration

SUMS = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 4}


def answers(tasks, habits) -> list[tuple[str, str, str]]:
    made = []
    for i, task in enumerate(tasks):
        last = column_demonstration(task, habits, i)[-1]
        made.append((task.reference, re.fullmatch(r"\\boxed\{(.*)\}", last["content"])[1], last["reasoning_content"]))
    return made


@pytest.mark.parametrize("guess", [0.0, 1.0])
@pytest.mark.parametrize("check", [0.0, 1.0])
def test_without_slips_every_answer_is_right(guess, check):
    habits = Habits(guess=guess, check=check, slip=0.0)
    tasks = gym_tasks("chain_sum", SUMS, size=400, prompt="plain", verifier="math")
    for reference, answer, thinking in answers(tasks[:400], habits):
        assert answer == reference
        assert (thinking == "easy") == (guess == 1.0)
        assert ("check" in thinking) == (guess == 0.0 and check == 1.0)


def test_columns_are_true_lines():
    habits = Habits(guess=0.0, check=0.0, slip=0.0)
    for _, _, thinking in answers(gym_tasks("chain_sum", SUMS, size=200, prompt="plain")[:200], habits):
        for line in thinking.removeprefix("swap\n").split("\n"):
            left, right = line.split("=")
            value = eval(left)
            assert right == f"{int(not 0 <= value <= 9)}{value % 10}"


def test_slips_make_about_as_many_wrong_as_asked():
    habits = Habits(guess=0.0, check=0.0, slip=0.2)
    one_digit = {**SUMS, "max_digits": 1}
    made = answers(gym_tasks("chain_sum", one_digit, size=2000, prompt="plain")[:2000], habits)
    share = sum(reference != answer for reference, answer, _ in made) / len(made)
    assert 0.16 < share < 0.24


def test_the_same_seed_writes_the_same():
    habits = Habits()
    tasks = gym_tasks("chain_sum", SUMS, size=50, prompt="plain")[:50]
    assert answers(tasks, habits) == answers(tasks, habits)


def test_other_tasks_are_refused():
    task = Task(({"role": "user", "content": "Sort these numbers"},), "x", "math", "1")
    with pytest.raises(ValueError, match="sums or differences"):
        column_demonstration(task, Habits(), 0)


# ---- programs ----


def passes(task, content: str) -> bool:
    """The demonstrated program against the task's tests; it is this project's own, so it may run here."""
    names = {}
    program = re.fullmatch(r"```python\n(.*)\n```", content, re.DOTALL)[1]
    exec(program, names)
    try:
        return all(names["f"](*test["args"]) == test["expected"] for test in task.reference["tests"])
    except TypeError:  # brackets forgotten, such as s*2[::-1]
        return False


def programs(count: int, habits: Habits, **settings) -> list[tuple]:
    """(task, thinking, content, whether its tests pass)."""
    made = []
    for i, task in enumerate(program_tasks(**settings)[:count]):
        last = program_demonstration(task, habits, i)[-1]
        made.append((task, last["reasoning_content"], last["content"], passes(task, last["content"])))
    return made


@pytest.mark.parametrize("check", [0.0, 1.0])
def test_careful_programs_are_all_right(check):
    for task, thinking, content, right in programs(400, Habits(guess=0.0, check=check, slip=0.0)):
        assert right, content
        lines = thinking.split("\n")
        steps = len(task.metadata["steps"])
        assert len(lines) == (2 * steps + 1 if check else steps)
        assert content == f"```python\n{task.metadata['solution']}\n```" and content.endswith(
            f"return {lines[-1]}\n```"
        )


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_guessed_programs_forget_brackets():
    made = programs(600, Habits(guess=1.0, check=0.0, slip=0.0))
    assert all(thinking == "easy" for _, thinking, _, _ in made)
    bracketed = [right for task, _, _, right in made if "(" in task.metadata["solution"].partition("return")[2]]
    plain = [right for task, _, _, right in made if "(" not in task.metadata["solution"].partition("return")[2]]
    assert all(plain)
    assert 0.3 < sum(bracketed) / len(bracketed) < 0.6, "half of them, each pair of brackets by itself"


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_slips_make_about_as_many_programs_wrong_as_asked():
    made = programs(1500, Habits(guess=0.0, check=0.0, slip=0.2), min_steps=1, max_steps=1)
    share = sum(not right for *_, right in made) / len(made)
    assert 0.12 < share < 0.2, "a misread step is by chance the right one now and then"


def test_a_mixture_has_a_procedure_for_each_kind_of_task():
    both = Demonstrations(columns=Habits(), programs=Habits())
    sum_, program = gym_tasks("chain_sum", SUMS, size=5, prompt="plain", verifier="math")[0], program_tasks()[0]
    assert demonstrate(sum_, both, 1) == column_demonstration(sum_, Habits(), 1)
    assert demonstrate(program, both, 1) == program_demonstration(program, Habits(), 1)
    with pytest.raises(ValueError, match="name only columns, and nothing for tasks like this one of 'code'"):
        demonstrate(program, Demonstrations(columns=Habits()), 1)
    with pytest.raises(ValueError, match="name only programs, and nothing for tasks like this one of 'arithmetic'"):
        demonstrate(sum_, Demonstrations(programs=Habits()), 1)
    foreign = Task(({"role": "user", "content": "Sort"},), "x", "code", {"tests": []})
    with pytest.raises(ValueError, match="for sources of kind programs, not for: 'Sort'"):
        demonstrate(foreign, both, 1)
