"""The benchmarks of a recipe: which data they need, when they are due, and what may be changed on the way."""

import json
from types import SimpleNamespace

import pytest

from ponder.recipe.load import parse_recipe
from ponder.training.benchmarks import _engine_about, load_benchmarks, remarks
from ponder.training.changes import changed_fields
from ponder.training.checkpoint import Progress
from tests.integration.micro import RECIPE

SUITE = "data: {file: rows.jsonl, fields: {prompt: question, answer: answer}}\nverifier: math\n"


def recipe(*benchmarks):
    return parse_recipe(RECIPE | {"benchmarks": list(benchmarks)})


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A directory without data, and no hub."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PONDER_DATA", "")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True, raising=False)


def suite(directory, name="sums.yaml"):
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(SUITE)
    (directory / "rows.jsonl").write_text(json.dumps({"question": "1+1?", "answer": "2"}) + "\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("gsm9k", r"benchmarks\.gsm9k: .*gsm8k"),
        ("livebench", r"benchmarks\.livebench: LiveBench is judged by scorers of its own"),
        ({"name": "aime24", "protocol": "grredy"}, r"benchmarks\.aime24: .*greedy"),
        ("none.yaml", r"benchmarks\.none\.yaml: there is no protocol at none\.yaml"),
        ({"name": "aime24", "data": ["here"]}, r"benchmarks\.aime24: aime24: no aime24\.jsonl in here, .*benchmarks\.aime24\.data: \[DIR\]"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_said_with_the_field(given, said):
    with pytest.raises(ValueError, match=said):
        load_benchmarks(recipe(given))


def test_rows_without_anything_to_judge_by_are_refused(tmp_path):
    row = {"question_id": "a", "question_content": "?", "prompt": "Write it.", "contest_date": "2024-09-01"}
    (tmp_path / "livecodebench_v5.jsonl").write_text(json.dumps(row | {"task_id": "a", "difficulty": "easy"}) + "\n")
    with pytest.raises(ValueError, match=r"benchmarks\.livecodebench: "):
        load_benchmarks(recipe({"name": "livecodebench", "data": ["."]}))


def test_suites_are_found_beside_where_the_run_was_started(tmp_path, monkeypatch):
    suite(tmp_path / "home")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="there is no protocol"):
        load_benchmarks(recipe("sums.yaml"))
    (one,) = load_benchmarks(recipe("sums.yaml"), tmp_path / "home")
    assert one.bench.asked.rows == 1 and "sums, protocol own: 1 problem, 1 answer" in remarks([one])[0]


def test_two_of_one_name_are_refused(tmp_path):
    for name in ("a", "b"):
        suite(tmp_path / name)
    with pytest.raises(ValueError, match=r"benchmarks\.a/sums\.yaml are both called sums"):
        load_benchmarks(recipe("a/sums.yaml", "b/sums.yaml"))


def test_when_they_are_due(tmp_path):
    suite(tmp_path)
    each, some = load_benchmarks(recipe("sums.yaml"))[0], {"name": "sums.yaml", "after": ["math"], "at_start": False}
    assert [each.due(stage) for stage in ("birth", "cold_start", "math")] == [True] * 3
    assert [load_benchmarks(recipe(some))[0].due(stage) for stage in ("birth", "cold_start", "math")] == [
        False,
        False,
        True,
    ]


def test_they_may_be_changed_at_any_time_and_are_noted():
    before, after = recipe("gsm8k"), recipe({"name": "gsm8k", "rows": 20}, "math500")
    changed = changed_fields(before, after, Progress("math", 2))
    assert changed["benchmarks.gsm8k.rows"] == [None, 20] and changed["benchmarks.math500.name"] == [None, "math500"]
    assert changed_fields(recipe(), before, Progress("math", 2)) and changed_fields(
        before, recipe(), Progress("math", 2)
    )


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({}, None),
        ({"save_dtype": "bfloat16"}, "as they are trained, which the checkpoint has in bfloat16"),
        ({"path": "x", "lora": {}}, "with the adapters apart, which the checkpoint has merged in float32"),
        ({"path": "x", "lora": {"save": "adapter"}}, None),
    ],
)
def test_where_the_checkpoint_is_not_what_was_asked_it_is_said(model, said):
    engine = SimpleNamespace(own=SimpleNamespace(dtype="torch.float32", config=SimpleNamespace(dtype="float32")))
    about = _engine_about(parse_recipe(RECIPE | {"model": model}), engine)
    assert (about["kind"], about["dtype"], about.get("weights")) == ("local", "float32", said)
