"""Checkpoints and runs for the tests of releases: small, and whole."""

import json
from pathlib import Path

from ponder.evals.release.provenance import Stated
from ponder.evals.release.releasing import release
from ponder.evals.release.wanted import Outcome, Wanted
from ponder.runs.lineage import new_lineage
from ponder.runs.run import Run
from tests.runs.synthetic import eval_result
from tests.shared.born import give_birth

RECIPE = """name: small
sources:
  sums: {kind: gym, family: chain_sum}
  rows: {kind: files, path: [/home/ada/rows.jsonl, more.jsonl]}
  school: {kind: hub, name: openai/gsm8k, config: main}
stages:
- {name: cold_start, kind: sft, steps: 4, demonstrations: {path: /home/ada/chats.jsonl}}
- {name: math, kind: rl, steps: 4}
"""
DATA = {"rows.jsonl": "mit", "more.jsonl": "unknown", "openai/gsm8k": "mit", "chats.jsonl": "cc-by-4.0"}
STATED = Stated(license="Apache-2.0", data=DATA)
BARE = Stated(license="apache-2.0", note="numbers of our own")


def checkpoint(directory: Path) -> Path:
    """As a run leaves one, with the trainer's state beside the model."""
    directory.mkdir(parents=True, exist_ok=True)
    give_birth(directory)
    (directory / "resume").mkdir()
    (directory / "resume/optimizer.safetensors").write_bytes(b"state")
    (directory / "ponder_state.json").write_text("{}")
    return directory


def run(directory: Path, recipe: str = RECIPE, parent: Path | None = None, hub: str | None = None) -> Run:
    """With a checkpoint math-000004, metrics and evaluations."""
    lineage = new_lineage(recipe, seed=7, parent=parent, hub=hub) | {"data_files": {"/home/ada/rows.jsonl": "ab" * 32}}
    with Run.create(directory, recipe, lineage) as made:
        for step in range(1, 5):
            made.record("math", step, {"reward/mean": step / 8, "pass_rate": step / 8, "loss": 0.5})
        made.record_eval(eval_result("birth", 0, correct=1))
        made.record_eval(eval_result("math", 4, correct=6))
        with made.checkpoint("math", 4) as aside:
            checkpoint(aside)
    return Run.open(directory)


def released(place: Path, to: Path | str, stated: Stated = STATED, **more) -> Outcome:
    return release(Wanted(place, str(to), stated, **more), lambda line: None)


def said(outcome: Outcome, name: str) -> str:
    (check,) = [check for check in outcome.checks if check.name == name]
    return f"{check.status}: {check.said}"


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
