"""A reward in Python in real runs: it trains, it is refused before the first step, it fails and is mended."""

import json
import shutil
from pathlib import Path

import pytest

from ponder.runs.run import Run
from tests.integration.micro import RECIPE, ponder, write_recipe

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_rewards.py"
COLD, RL = RECIPE["stages"]
RL = RL | {"steps": 2, "refill_prompts": 0, "eval_every": 0, "save_every": 1}
REWARD = {
    "sum": [{"weight": 3, "of": "task"}, {"weight": 1, "of": {"python": "my_rewards.py:brief"}}],
}
# Any answer but that of the check before the training is too much for it.
BROKEN = "def close(response, reference):\n    return {'?': 0.0}[response]\n"


def recipe(directory: Path, cold_steps: int, **source) -> Path:
    """Judged by a file beside the recipe."""
    sums = RECIPE["sources"]["sums"] | {"verifier": {"python": "my_rewards.py:close"}} | source
    return write_recipe(directory, RECIPE | {"sources": {"sums": sums}, "stages": [COLD | {"steps": cold_steps}, RL]})


def train(directory: Path, cold_steps: int = 20, **source):
    return ponder("train", recipe(directory, cold_steps, **source), "--run", "run", cwd=directory)


def test_it_trains(tmp_path):
    shutil.copy(EXAMPLE, tmp_path)
    done = train(tmp_path, cold_steps=60, reward=REWARD)
    assert done.returncode == 0, done.stdout + done.stderr
    run = Run.open(tmp_path / "run")
    rows = [row for row in run.metrics() if row["stage"] == "math"]
    assert [row["step"] for row in rows] == [1, 2]
    for row in rows:
        assert row["verifier/python/verdicts"] >= row["verifier/my_rewards.brief/verdicts"] > 0
        assert row["verifier/python/error"] == 0.0 and 0.0 < row["part/my_rewards.brief"] <= 1.0
    rollouts = [row for step in (1, 2) for row in run.rollouts("math", step)]
    scores = {part["score"] for row in rollouts for part in json.loads(row["parts"])[:1]}
    assert scores >= {0.0, 0.5}, "some answers are one off"
    assert list(run.lineage["reward_files"]) == [str(tmp_path / "my_rewards.py")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def score(response): return 1.0", "has no function 'close'; it defines score"),
        (
            "def close(response): return int(response)",
            "no answer can be judged: my_rewards.py, line 1, in close: ValueError",
        ),
    ],
)
def test_it_is_refused_before_the_first_step_and_nothing_is_left_behind(tmp_path, text, message):
    (tmp_path / "my_rewards.py").write_text(text)
    done = train(tmp_path)
    assert done.returncode not in (0, 3), done.stdout + done.stderr
    assert message in " ".join(done.stderr.split()) and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_run_that_it_stopped_goes_on_with_the_mended_file_and_notes_it(tmp_path):
    file = tmp_path / "my_rewards.py"
    file.write_text(BROKEN)
    done = train(tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "Paused. math step 1: the verifier python failed on" in said
    run = Run.open(tmp_path / "run")
    assert all(row["reason"].startswith("my_rewards.py, line 2, in close: KeyError") for row in run.failures())
    broken = run.lineage["reward_files"][str(file)]

    file.write_text("def close(response, reference: return 1")
    done = ponder("resume", "run", cwd=tmp_path)
    assert done.returncode not in (0, 3) and "cannot be imported: line 1: SyntaxError" in done.stderr, done.stderr

    file.write_text("def close(response): return len(response) % 10 / 10")
    done = ponder("resume", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{file}haschanged(sha256" in "".join(done.stdout.split())
    (resumption,) = Run.open(tmp_path / "run").lineage["resumed"]
    assert resumption["changed"][str(file)][0] == broken
