"""Training on episodes in real runs: demonstrations with calls, RL with a tool, an environment of the user's own, a resume."""

import json
import shutil

import pytest

from ponder.runs.run import Run
from tests.integration.micro import RECIPE, ponder, write_recipe

COLD, RL = RECIPE["stages"]
TOOLS = {
    "kind": "gym", "family": "basic_arithmetic", "prompt": "plain", "tools": ["calculator"],
    "settings": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1, "operators": ["*"], "allow_parentheses": False,
                 "allow_negation": False},
}  # fmt: skip
BIRTH = RECIPE["model"]["birth"] | {"vocab_size": 512, "context": 512}
TOOL_RECIPE = RECIPE | {
    "model": {"birth": BIRTH},
    "sources": {"tools": TOOLS},
    "episodes": {"turns": 3},
    "stages": [
        COLD | {"demonstrations": {"calls": {"guess": 0.5, "check": 0.5, "slip": 0.3}}, "steps": 90},
        RL | {"steps": 2, "max_tokens": 120, "prompts_per_step": 4, "samples_per_prompt": 8, "refill_prompts": 4, "eval_every": 0, "save_every": 1},
    ],
}  # fmt: skip


def test_a_newborn_learns_to_call_and_a_resume_is_the_same_run(tmp_path):
    path = write_recipe(tmp_path, TOOL_RECIPE)
    done = ponder("train", path, "--run", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    run = Run.open(tmp_path / "run")
    rows = [row for row in run.metrics() if row["stage"] == "math"]
    assert [row["step"] for row in rows] == [1, 2]
    for row in rows:
        assert row["episode/turns"] > 1 and row["episode/calls"] > 0
        assert row["mismatch/max"] < 1e-4, "what was sampled over turns is what is learned"
    rollouts = [json.loads(row["episode"]) for step in (1, 2) for row in run.rollouts("math", step)]
    assert {facts["end"] for facts in rollouts} >= {"answered"} and any(facts["turns"] > 1 for facts in rollouts)
    # As if it had been killed after the first step.
    half = tmp_path / "half"
    shutil.copytree(tmp_path / "run", half)
    shutil.rmtree(half / "checkpoints" / "math-000002")
    again = ponder("resume", "half", cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    one, other = (Run.open(tmp_path / name).rollouts("math", 2) for name in ("run", "half"))
    assert [row["response_ids"] for row in one] == [row["response_ids"] for row in other]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sources": {"tools": TOOLS | {"tools": ["calcualtor"]}}}, "calculator"),
        ({"sources": {"tools": TOOLS | {"tools": [{"python": "none.py:f"}]}}}, "there is no file"),
        ({"sources": {"world": {"kind": "environment", "environment": "hotels"}}}, "bookings"),
        ({"sources": {"world": {"kind": "environment", "environment": "bookings", "tools": ["python"]}}}, "methods are its tools"),
        ({"sources": {"world": {"kind": "environment", "environment": "bookings", "settings": {"rooms": 0}}}},
         "bookings cannot be made with the settings {'rooms': 0}"),
        ({"stages": [{"name": "make", "kind": "reject", "steps": 1}, *TOOL_RECIPE["stages"]]}, "of which no demonstrations can be made"),
        ({"stages": [COLD | {"mixture": {"sums": 1}}, RL]}, "'sums' is no source that can be trained on; there are: tools"),
        ({"stages": [COLD | {"mixture": {"tools": 0}}, RL]}, "mixture.tools must be above 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_begins(tmp_path, change, told):
    done = ponder("train", write_recipe(tmp_path, TOOL_RECIPE | change), "--run", "run", cwd=tmp_path)
    assert done.returncode not in (0, 3) and told in " ".join(done.stderr.split()), done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "run").exists()
