import json
import sys
import types

import pytest

from ponder.recipe.load import load_recipe
from ponder.tasks import hub_tasks
from ponder.training.data import load_tasks


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        ValueError, match=r"'someone/data' needs the package `datasets`: .*pip install -e '?\S*\[data\]'?$"
    ):
        hub_tasks("someone/data", "train")


@pytest.fixture
def table(tmp_path, monkeypatch):
    pytest.importorskip("datasets", reason="the extra `data` is not installed")
    import pyarrow
    import pyarrow.parquet

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = {"q": ["1+1?", "2+2?"], "a": ["2", "work\n#### 4"], "kind": ["one", "two"]}
    (tmp_path / "set").mkdir()
    pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / "set" / "train.parquet")
    return tmp_path / "set"


def test_parquet_directory(table):
    tasks = hub_tasks(str(table), "train", {"prompt": "q", "answer": "a", "domain": "kind"}, prompt="plain")
    assert [(t.question, t.reference, t.domain) for t in tasks] == [("1+1?", "2", "one"), ("2+2?", "4", "two")]
    assert tasks.at_hand and len(hub_tasks(str(table), "train", {"prompt": "q", "answer": "a"}, limit=1)) == 1


def test_faults(table):
    with pytest.raises(ValueError, match=r"row 0: no field 'prompt' .* the row has a, kind, q"):
        hub_tasks(str(table), "train")
    with pytest.raises(ValueError, match=r"split 'test' cannot be loaded"):
        hub_tasks(str(table), "test")
    with pytest.raises(ValueError, match="cannot be loaded"):
        hub_tasks(str(table / "nothing-here"), "train")


@pytest.fixture
def configured(table, tmp_path):
    """A data set of two configurations, as openai/gsm8k is."""
    directory = tmp_path / "two"
    header = ["configs:"]
    for name, answer in (("main", "#### 2"), ("socratic", "Why? #### 2")):
        (directory / name).mkdir(parents=True)
        nested = {"truth": [name]}
        rows = [{"question": f"{n}. 1+1, {name}?", "answer": f"work\n{answer}", "nested": nested} for n in range(40)]
        (directory / name / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        header.append(f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/train.jsonl")
    (directory / "README.md").write_text("\n".join(["---", *header, "---", ""]))
    return directory


def test_configurations(configured, monkeypatch):
    fields = {"prompt": "question", "answer": "answer"}
    task = hub_tasks(str(configured), "train", fields, prompt="plain", config="main")[0]
    assert (task.question, task.reference, task.source) == ("0. 1+1, main?", "2", f"hub:{configured}/main[train]")
    monkeypatch.setenv("HOME", str(configured.parent))
    other = hub_tasks("~/two", "train", {"prompt": "question", "answer": "nested.truth.0"}, config="socratic")[0]
    assert (other.reference, other.place) == ("socratic", "hub:~/two/socratic[train], row 0")
    with pytest.raises(ValueError, match=r"(?s)cannot be loaded: .*main.*socratic.*; name one with config: NAME"):
        hub_tasks(str(configured), "train", fields)
    with pytest.raises(ValueError, match="configuration 'mian', split 'train' cannot be loaded"):
        hub_tasks(str(configured), "train", fields, config="mian")


def test_the_gsm8k_recipe_loads_its_data(configured):
    """As it stands, but for the place of the data set and its size."""
    changed = [f"sources.gsm8k.name={configured}", "held_out.problems=4", "held_out.fraction=0.3"]
    pool = load_tasks(load_recipe("recipes/gsm8k_one_gpu.yaml", changed))
    assert len(pool.held_out) == 4 and all(", main?" in task.question for task in pool.draw(0, 60))


def test_json_directory(table, tmp_path):
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "train.json").write_text(json.dumps({"prompt": "Q", "answer": "A"}) + "\n")
    assert hub_tasks(str(tmp_path / "json"), "train")[0].reference == "A"


def test_programming_tasks_without_tests_are_refused_at_load(monkeypatch):
    rows = [{"prompt": f"f{i}", "tests": [{"function": "f", "expected": i}]} for i in range(5)]
    fake = types.SimpleNamespace(
        load_dataset=lambda name, config, split: rows,
        exceptions=types.SimpleNamespace(DatasetsError=RuntimeError),
    )
    monkeypatch.setitem(sys.modules, "datasets", fake)
    assert hub_tasks("some/code", verifier="code")[4].reference == {"tests": [{"function": "f", "expected": 4}]}
    rows[3] = {"prompt": "f", "tests": []}
    with pytest.raises(ValueError, match=r"hub:some/code\[train\], row 3: the task has no tests"):
        hub_tasks("some/code", verifier="code")
