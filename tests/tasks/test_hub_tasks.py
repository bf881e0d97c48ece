import json
import sys
import types

import pytest

from ponder.tasks import hub_tasks


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
    rows = {"q": ["1+1?", "2+2?", ""], "a": ["2", "work\n#### 4", "x"], "kind": ["one", "two", "three"]}
    (tmp_path / "set").mkdir()
    pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / "set" / "train.parquet")
    return tmp_path / "set"


def test_parquet_directory(table):
    tasks = hub_tasks(str(table), "train", {"prompt": "q", "answer": "a", "domain": "kind"}, prompt="plain")
    assert len(tasks) == 3
    assert [(t.question, t.reference, t.domain) for t in tasks[:2]] == [("1+1?", "2", "one"), ("2+2?", "4", "two")]
    with pytest.raises(ValueError, match=r"hub:.*\[train\], row 2: field 'q' is empty"):
        tasks[2]


def test_faults(table):
    with pytest.raises(ValueError, match=r"row 0: no field 'prompt' .* the row has a, kind, q"):
        hub_tasks(str(table), "train")
    with pytest.raises(ValueError, match=r"split 'test' cannot be loaded"):
        hub_tasks(str(table), "test")
    with pytest.raises(ValueError, match="cannot be loaded"):
        hub_tasks(str(table / "nothing-here"), "train")


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
