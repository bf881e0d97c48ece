"""The careless pupil: without slips every answer is right, whatever the habit; with them, as often wrong as asked."""

import re

import pytest

from ponder.recipe.schema import ColumnDemonstrations
from ponder.tasks.gym import gym_tasks
from ponder.tasks.task import Task
from ponder.training.demonstrations import column_demonstration, read_chats

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
    habits = ColumnDemonstrations(guess=guess, check=check, slip=0.0)
    tasks = gym_tasks("chain_sum", SUMS, size=400, prompt="plain", verifier="math")
    for reference, answer, thinking in answers(tasks[:400], habits):
        assert answer == reference
        assert (thinking == "easy") == (guess == 1.0)
        assert ("check" in thinking) == (guess == 0.0 and check == 1.0)


def test_columns_are_true_lines():
    habits = ColumnDemonstrations(guess=0.0, check=0.0, slip=0.0)
    for _, _, thinking in answers(gym_tasks("chain_sum", SUMS, size=200, prompt="plain")[:200], habits):
        for line in thinking.removeprefix("swap\n").split("\n"):
            left, right = line.split("=")
            value = eval(left)
            assert right == f"{int(not 0 <= value <= 9)}{value % 10}"


def test_slips_make_about_as_many_wrong_as_asked():
    habits = ColumnDemonstrations(guess=0.0, check=0.0, slip=0.2)
    one_digit = {**SUMS, "max_digits": 1}
    made = answers(gym_tasks("chain_sum", one_digit, size=2000, prompt="plain")[:2000], habits)
    share = sum(reference != answer for reference, answer, _ in made) / len(made)
    assert 0.16 < share < 0.24


def test_the_same_seed_writes_the_same():
    habits = ColumnDemonstrations()
    tasks = gym_tasks("chain_sum", SUMS, size=50, prompt="plain")[:50]
    assert answers(tasks, habits) == answers(tasks, habits)


def test_other_tasks_are_refused():
    task = Task(({"role": "user", "content": "Sort these numbers"},), "x", "math", "1")
    with pytest.raises(ValueError, match="sums or differences"):
        column_demonstration(task, ColumnDemonstrations(), 0)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "is empty"),
        ("{", "line 1: not valid JSON"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "line 1: the last message must be the assistant's"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}\n[]', "line 2: needs"),
    ],
)
def test_chat_files_are_refused_by_line(tmp_path, text, fragment):
    path = tmp_path / "chats.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(fragment)):
        read_chats(path)
