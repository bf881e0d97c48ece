"""What a task says is right must be right in the eyes of its own verifier."""

from pathlib import Path

import pytest

from ponder.tasks import Task, jsonl_tasks
from ponder.verifiers import Verification, reference_response

DATA = Path(__file__).parents[3] / "shared" / "data"
TOOL = {
    "type": "function",
    "function": {"name": "area", "parameters": {"type": "object", "properties": {"r": {"type": "number"}}}},
}


def task(verifier: str, reference, **more) -> Task:
    return Task(({"role": "user", "content": "Q"},), verifier, verifier, reference, **more)


@pytest.fixture(scope="module")
def verification():
    with Verification() as verification:
        yield verification


@pytest.mark.parametrize(
    "stated",
    [
        task("math", "\\frac{1}{2}"),
        task("math", ["1", "-1"]),
        task("choice", "C"),
        task("function_calls", [{"area": {"r": [2.5, 3]}}], tools=(TOOL,)),
        task("function_calls", [], tools=(TOOL,)),
    ],
    ids=lambda stated: f"{stated.verifier}-{stated.reference}",
)
def test_the_reference_is_correct(stated, verification):
    verdict = verification.submit(stated, reference_response(stated)).result(timeout=60)
    assert verdict.status == "correct", verdict


def test_where_many_texts_are_right_none_is_made_up():
    assert reference_response(task("instructions", {"instruction_id_list": [], "kwargs": []})) is None
    assert reference_response(task("length", {"max_words": 3})) is None


@pytest.mark.skipif(not DATA.is_dir(), reason="benchmark files are not at ../shared/data")
@pytest.mark.parametrize(
    "name",
    ["simple_python", "multiple", "parallel", "parallel_multiple", "live_simple", "live_multiple", "irrelevance"],
)
def test_every_reference_of_bfcl_is_correct(name, verification):
    tasks = jsonl_tasks(DATA / "bfcl" / f"{name}.jsonl", verifier="function_calls")
    stated = [(one, response) for one in tasks if (response := reference_response(one)) is not None]
    # Two rows of live_simple require parameters for which they accept no value at all.
    assert len(tasks) - len(stated) == (2 if name == "live_simple" else 0)
    assert {verdict.status for verdict in verification.verify_all(stated)} == {"correct"}


@pytest.mark.skipif(not DATA.is_dir(), reason="benchmark files are not at ../shared/data")
def test_every_reference_of_mmlu_is_correct(verification, monkeypatch):
    monkeypatch.setenv("PONDER_DATA", str(DATA))
    tasks = jsonl_tasks("mmlu_stem")
    verdicts = verification.verify_all([(one, reference_response(one)) for one in tasks])
    assert {verdict.status for verdict in verdicts} == {"correct"}
