"""Tasks that are made as they are asked for: too long ones are passed over, and a source without any that fits is refused."""

from types import SimpleNamespace

import pytest

from ponder.tasks import Task
from ponder.training.drawing import draw_fitting


class Pool:
    """Task number n has n % 5 words."""

    def draw(self, cursor, n):
        return [
            Task(({"role": "user", "content": f"{'a ' * (k % 5)}{k}"},), "d", "math", "1")
            for k in range(cursor, cursor + n)
        ]


class Renderer:
    def render(self, messages, tools):
        return SimpleNamespace(ids=[0] * len(messages[0]["content"].split()))


def test_too_long_ones_are_passed_over_and_counted():
    drawn = draw_fitting(Pool(), Renderer(), 10, 4, longest=3)
    assert [task.question.split()[-1] for task in drawn.tasks] == ["10", "11", "12", "15"]
    assert (drawn.cursor, drawn.too_long) == (16, 2)
    whole = draw_fitting(Pool(), Renderer(), 10, 4, longest=9)
    assert (whole.cursor, whole.too_long) == (14, 0)


def test_a_source_in_which_none_fits_is_refused():
    with pytest.raises(ValueError, match="of 400 tasks that were made only 0 have prompts of at most 0 tokens"):
        draw_fitting(Pool(), Renderer(), 0, 4, longest=0)


def test_tasks_at_hand_have_been_measured_before():
    row = Task(({"role": "user", "content": "a b c d e f"},), "d", "math", "1", place="rows.jsonl, line 1")
    pool = SimpleNamespace(draw=lambda cursor, n: [row] * n)
    assert len(draw_fitting(pool, None, 0, 3, longest=2).tasks) == 3
