import json

import pyarrow
import pytest
from pyarrow import parquet

from ponder.tasks import file_tasks
from ponder.tasks.fields import field, field_or_none, has_field

VERL = {
    "data_source": "gsm8k",
    "prompt": [{"role": "user", "content": "1+1?"}],
    "reward_model": {"style": "rule", "ground_truth": "2"},
    "extra_info": {"splits": ["a", {"name": "b"}], "none": None},
    "a.b": "dotted",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data_source", "gsm8k"),
        ("reward_model.ground_truth", "2"),
        ("extra_info.splits.1.name", "b"),
        ("extra_info.splits[1].name", "b"),
        ("prompt.0.content", "1+1?"),
        ("extra_info.none", None),
        ("a.b", "dotted"),
    ],
)
def test_paths(path, value):
    assert field(VERL, path, "here") == field_or_none(VERL, path) == value
    assert has_field(VERL, path)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("answer", "the row has a.b, data_source, extra_info, prompt, reward_model"),
        ("reward_model.truth", "reward_model has ground_truth, style"),
        ("extra_info.splits.2", "extra_info.splits is a list of 2, which has no item '2'"),
        ("extra_info.splits.name", "which has no item 'name'"),
        ("data_source.x", "data_source is str, and has no fields"),
        ("extra_info.none.x", "extra_info.none is empty, and has no fields"),
        ("reward_model.", "reward_model has ground_truth, style"),
    ],
)
def test_paths_that_lead_nowhere(path, said):
    with pytest.raises(ValueError, match="here: no field ") as error:
        field(VERL, path, "here")
    assert said in str(error.value) and repr(path) in str(error.value)
    assert field_or_none(VERL, path) is None and not has_field(VERL, path)


def test_tasks_from_nested_fields(tmp_path):
    row = {**VERL, "extra_info": {"splits": ["a"]}}
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "verl.parquet")
    fields = {"answer": "reward_model.ground_truth", "domain": "extra_info.splits.0"}
    (task,) = file_tasks(str(tmp_path / "verl.parquet"), fields, prompt="plain")
    assert (task.question, task.reference, task.domain) == ("1+1?", "2", "a")
    with pytest.raises(
        ValueError, match=r"row 0: no field 'reward_model.truth' to take the answer from; reward_model has"
    ):
        file_tasks(tmp_path / "verl.parquet", {"answer": "reward_model.truth"})


@pytest.mark.parametrize(
    ("verifier", "row", "fields", "reference"),
    [
        (
            "code",
            {"q": {"text": "Write f."}, "t": {"tests": [{"function": "f", "expected": 1}]}},
            {"prompt": "q.text", "answer": "t.tests"},
            {"tests": [{"function": "f", "expected": 1}]},
        ),
        ("choice", {"q": ["Which?"], "t": {"right": "B"}}, {"prompt": "q.0", "answer": "t.right"}, "B"),
        (
            "function_calls",
            {"q": {"text": "Add."}, "functions": [{"name": "f", "parameters": {}}], "t": {"calls": [{"f": {}}]}},
            {"prompt": "q.text", "answer": "t.calls"},
            [{"f": {}}],
        ),
    ],
)
def test_nested_fields_for_every_kind_of_row(tmp_path, verifier, row, fields, reference):
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    (task,) = file_tasks(tmp_path / "a.jsonl", fields, verifier=verifier)
    assert task.reference == reference
    assert any(word in task.question for word in ("Write f.", "Which?", "Add."))
