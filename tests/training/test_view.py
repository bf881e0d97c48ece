"""What a training run shows: a line that changes, or one now and then where nothing can be drawn over."""

import io

import pytest
from rich.console import Console

from ponder.recipe.load import load_recipe
from ponder.runs.results import EvalResult
from ponder.training.checkpoint import Progress
from ponder.training.stages.kinds import stages_of
from ponder.training.view import View

KINDS = {
    "log": {},
    "dumb": {"force_terminal": True, "_environ": {"TERM": "dumb"}},
    "terminal": {"force_terminal": True, "_environ": {"TERM": "xterm"}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_told_everywhere(kind):
    shown = io.StringIO()
    stage = stages_of(load_recipe("recipes/tiny.yaml"))[0]
    width = 120 if kind == "terminal" else 40  # a log has no width
    with View(Console(file=shown, width=width, color_system=None, **KINDS[kind])) as view:
        view.stage_begins(stage, 0)
        view.step(stage, Progress(stage.settings.name, 4), {"loss": 0.25, "tokens_per_s/learn": 1000.0})
        view.step(stage, Progress(stage.settings.name, 5), {"loss": 0.25, "tokens_per_s/learn": 1000.0})
    lines = [line for line in shown.getvalue().splitlines() if "s left" in line]
    if kind == "terminal":
        assert not lines and f"5/{stage.settings.steps}" in shown.getvalue()
    else:
        assert len(lines) == 1 and lines[0].startswith(
            f"{stage.settings.name} 4/{stage.settings.steps}  loss 0.250  1,000 tok/s"
        )


def test_what_an_evaluation_says_beside_its_accuracy():
    shown = io.StringIO()
    result = EvalResult("math", 3, 0.5, (0.2, 0.8), {}, 8, 1.0, 20.0, 0.25, [], {}, 0.75, 2, 0.625)
    View(Console(file=shown, width=300)).evaluated(result)
    assert "on 4 problems x 2 answers, pass@2 0.625, mean score 0.750, 25% cut off, 20 tokens" in shown.getvalue()
