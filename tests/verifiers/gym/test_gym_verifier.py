import warnings

import pytest

from ponder.tasks import gym_tasks
from ponder.tasks.gym import NEEDS_HASH_SEED, from_json_value, to_json_value
from ponder.verifiers import Response, Verification, reference_response
from ponder.verifiers.gym.verifier import find_answer

SCORE = "ponder.verifiers.gym.score:score"  # the function that worker processes run
NO_EXAMPLE = {"boxnet", "rush_hour"}


def said(content: str) -> Response:
    return Response("", content, thinking_closed=True, truncated=False)


@pytest.fixture(scope="module")
def verification():
    with Verification(workers=1, deadline_s=10.0) as verification:
        yield verification


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("42", "42"),
        (" 42\n", "42"),
        ("so <answer> 42 </answer> it is", "42"),
        ("<answer>1</answer><answer>2</answer>", "2"),
        ("<answer>unclosed", "<answer>unclosed"),
        ("</answer> 3", "</answer> 3"),
        ("<answer>1</answer> but \\boxed{2}", "2"),
        ("\\boxed{}", ""),
        ("two\nlines", "two\nlines"),
    ],
)
def test_where_the_answer_is_found(content, answer):
    assert find_answer(content) == answer


def test_the_reference_is_correct_at_once_and_needs_no_process():
    with Verification() as verification:
        task = gym_tasks("chain_sum", {}, 5, 0)[0]
        verdict = verification.submit(task, said(f"\\boxed{{{task.reference}}}"))
        assert verdict.done()
        assert verdict.result().status == "correct"
        assert verification.pool.process_ids() == []


def test_partial_scores_stay(verification):
    task = gym_tasks("chain_sum", {}, 5, 0)[0]
    wrong, padded = verification.verify_all([(task, said("x")), (task, said(f"it is {task.reference}"))])
    assert (wrong.status, wrong.score) == ("wrong", 0.0)
    assert padded.status == "wrong"
    assert 0 < padded.score < 1
    assert padded.reason == f"{padded.score:g} by the scorer of chain_sum"


def test_every_family_scores_its_own_answer_in_the_worker(verification):
    """Through the scorer, not the shortcut for equal text: entries survive the way into another process."""
    from reasoning_gym.factory import DATASETS

    warnings.simplefilter("ignore")
    futures = {}
    for family in sorted(set(DATASETS) - {"composite"} - NEEDS_HASH_SEED):
        task = gym_tasks(family, {}, 5, 0)[0]
        if task.reference is None:
            assert reference_response(task) is None
            futures[family] = None
            continue
        request = {"run": SCORE, "answer": task.reference.strip()} | task.metadata
        futures[family] = verification.pool.submit(request)
    assert {family for family, future in futures.items() if future is None} == NO_EXAMPLE
    results = {family: future.result() for family, future in futures.items() if future is not None}
    assert {family: r for family, r in results.items() if r["status"] != "correct"} == {}


def test_scores_equal_those_in_this_process(verification):
    from reasoning_gym.factory import create_dataset

    for family in ("jugs", "knights_knaves", "n_queens", "sokoban", "word_sorting"):
        task = gym_tasks(family, {}, 5, 0)[1]
        entry = from_json_value(task.metadata["entry"])
        dataset = create_dataset(family, seed=0, size=5)
        for answer in ("1 + 1", "[[1]]", str(task.reference)[:-1], "up"):
            expected = dataset.score_answer(answer, entry)
            assert verification.submit(task, said(answer)).result().score == pytest.approx(expected), (family, answer)


def test_an_answer_the_scorer_cannot_read_is_unparseable_not_an_error(verification):
    task = gym_tasks("prime_factorization", {}, 5, 0)[0]
    verdict = verification.submit(task, said("two times three")).result()
    assert verdict.status == "unparseable"
    assert "cannot read the answer: ValueError" in verdict.reason


def metadata_of(family: str) -> dict:
    """A task's metadata, also of a family that gym_tasks refuses without a fixed hash seed."""
    from reasoning_gym.factory import create_dataset

    return {"family": family, "settings": {}, "entry": to_json_value(create_dataset(family, seed=0, size=2)[0])}


@pytest.mark.parametrize(
    ("family", "answer"),
    [
        ("spiral_matrix", '[entry["answer"]]'),
        ("string_insertion", '[entry["answer"]]'),
        ("binary_matrix", "[exit()]"),
        ("n_queens", "__import__('os').getpid()"),
    ],
)
def test_scorers_that_evaluate_answers_get_literals_only(verification, family, answer):
    result = verification.pool.submit({"run": SCORE, "answer": answer, **metadata_of(family)}).result()
    assert result["status"] == "wrong"
    assert result["score"] < 0.2


@pytest.mark.parametrize(
    ("family", "answer"),
    [
        ("countdown", "__import__('os').getpid()"),
        ("puzzle24", "int.__class__"),
        ("simple_integration", "exec(chr(49))"),
        ("intermediate_integration", "x . real"),
        ("polynomial_multiplication", "\uff45\uff58\uff49\uff54()"),  # full-width letters, which Python reads as exit()
    ],
)
def test_scorers_that_evaluate_formulas_get_formulas_only(verification, family, answer):
    result = verification.pool.submit({"run": SCORE, "answer": answer, **metadata_of(family)}).result()
    assert result == {"status": "unparseable", "score": 0.0, "reason": "the answer is not a plain formula"}


def test_not_a_number_is_no_answer(verification):
    result = verification.pool.submit({"run": SCORE, "answer": "nan", **metadata_of("complex_arithmetic")}).result()
    assert result == {"status": "unparseable", "score": 0.0, "reason": "the answer is not a number"}


def test_a_task_without_its_entry_is_an_error(verification):
    from ponder.tasks import Task

    task = Task(({"role": "user", "content": "Q"},), "d", "reasoning_gym", "1")
    verdict = verification.submit(task, said("2")).result()
    assert verdict.status == "error"
    assert "made by ponder.tasks.gym_tasks" in verdict.reason


@pytest.mark.parametrize("family", ["bf", "codeio"])
def test_code_like_families_load_and_score(verification, family):
    """Programs to be understood, not written: what they print or return is the answer."""
    tasks = gym_tasks(family, {}, size=50, seed=1)[:5]
    assert {task.domain for task in tasks} == {"code"}
    verdicts = verification.verify_all([(task, reference_response(task)) for task in tasks])
    assert [verdict.status for verdict in verdicts] == ["correct"] * 5
    verdicts = verification.verify_all([(task, said("<answer>surely not</answer>")) for task in tasks])
    assert {verdict.status for verdict in verdicts} <= {"wrong", "unparseable"}
