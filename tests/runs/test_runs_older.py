"""A run that Ponder 0.1.0 wrote (run_of_0_1_0, the real files, without most of its steps): what still works, what is refused."""

import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from ponder.runs import Run
from ponder.runs.console import stage_table
from ponder.runs.lineage import FORMAT
from ponder.runs.report import write_report
from ponder.runs.rollouts import OPTIONAL
from ponder.runs.summary import build_report
from tests.integration.micro import ponder
from tests.runs.synthetic import write_run

OLD = Path(__file__).with_name("run_of_0_1_0")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def test_it_is_read_under_todays_names(old: Path):
    run = Run.open(old)
    assert run.format == 1 and run.latest_checkpoint() == old / "checkpoints" / "math-000003"
    last = run.metrics()[-1]
    assert last["time/verify_s"] == pytest.approx(9.79e-05, rel=1e-3) and "time/judge_s" not in last
    assert [row["truncated_share"] for row in run.metrics() if row["stage"] == "math"] == [
        pytest.approx(share / 48) for share in (1, 4, 1)
    ]
    rollouts = run.rollouts("math", 3)
    assert len(rollouts) == 48 and all(row[name] is None for row in rollouts for name in OPTIONAL)
    assert [(e.stage, e.step, e.count) for e in run.evals()] == [
        ("birth", 0, 4),
        ("cold_start", 150, 4),
        ("math", 3, 4),
    ]


def test_it_can_be_reported(old: Path):
    run = Run.open(old)
    report = build_report(run)
    assert [stage["name"] for stage in report["stages"]] == ["birth", "cold_start", "math"]
    assert report["totals"]["phase_seconds"]["verify"] > 0
    Console(quiet=True).print(stage_table(report))
    assert "sampling answers" in write_report(run)[2].read_text()


def test_its_model_answers_and_it_is_not_trained_on(old: Path):
    done = ponder("generate", old, "2 + 3", "--max-tokens", 4, "--seed", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["completion_tokens"] <= 4
    before = sorted(path.name for path in old.rglob("*"))
    done = ponder("resume", old)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    for words in (
        "made by Ponder 0.1.0",
        "report, chat, generate and serve work",
        f"model.path={old}/checkpoints/math-000003",
    ):
        assert words in done.stderr
    assert sorted(path.name for path in old.rglob("*")) == before


def test_a_run_of_a_newer_ponder_is_not_opened(tmp_path: Path):
    run = write_run(tmp_path / "run")
    run.close()
    lineage = run.lineage
    assert lineage["format"] == FORMAT and len(lineage["id"]) == 16
    (run.path / "lineage.json").write_text(json.dumps({**lineage, "format": FORMAT + 1, "ponder": "9.0"}))
    with pytest.raises(ValueError, match=rf"newer Ponder \(9\.0\): its format is {FORMAT + 1}.*Update Ponder"):
        Run.open(run.path)
    (run.path / "lineage.json").write_text("[")
    with pytest.raises(ValueError, match=r"lineage\.json is damaged"):
        Run.open(run.path)
