"""The error budget: which verifier failed, when that is too often, and what is kept of it."""

import json
from collections import Counter
from html import escape
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ponder.chat.parser import ParsedOutput
from ponder.ledger import Ledger
from ponder.recipe.stages import RlStage
from ponder.runs.console import failure_table
from ponder.runs.failures import FAILURES_FILE, FAILURES_KEPT, add_failures, failure_row, write_failures
from ponder.runs.html import render_html
from ponder.runs.lineage import new_lineage
from ponder.runs.run import Run
from ponder.runs.summary import build_report
from ponder.tasks.task import Task
from ponder.training.error_budget import (
    WINDOW,
    BudgetSpent,
    Overspent,
    count_verdicts,
    exceeds,
    extended,
    failure_rows,
    overspent,
    part_metrics,
    verdicts_of,
    verifier_metrics,
)
from ponder.training.pause import budget_spent, enough_budget, not_finite, varied
from ponder.training.rollouts import Rollout
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Part, Verdict
from ponder.verifiers.verification import Verification

RECIPE = "name: t\nstages:\n- {kind: rl, name: math, steps: 9}\n- {kind: rl, name: code, steps: 9}\n"
SCRIPT = "</pre><img src=x onerror=alert(1)>"
HOSTILE = "\x1b[31m[red]\ud800 " * 400


def task(verifier: str = "math", **metadata) -> Task:
    return Task(({"role": "user", "content": "What is 1 + 1?"},), "sums", verifier, "2", metadata=metadata)


def rollout(of: Task, verdict: Verdict, content: str = "It is 2") -> Rollout:
    ledger = Ledger.of_turn([1], [5], [-0.5], "stop")
    return Rollout(of, 0, 0, ledger, ParsedOutput("", content, (), True, 0), verdict)


def failed(status: str = "error", reason: str = "the server is down") -> Verdict:
    return Verdict(status, None, reason)


def step(total: int, failures: int, verifier: str = "math") -> dict[str, Counter]:
    return {verifier: Counter({"wrong": total - failures, "timeout": failures})}


def steps(*counts: tuple[int, int], budget: float = 0.01):
    """What the rule says of the last of some steps of (verdicts, failures)."""
    recent = {}
    for total, failures in counts:
        recent = extended(recent, step(total, failures))
    return overspent(step(*counts[-1]), recent, budget)


def test_one_unlucky_answer_does_not_stop_a_run():
    assert steps((64, 1)) == steps((64, 2)) == []
    assert steps(*[(64, 0)] * 20, (64, 2)) == []


def test_what_failed_adds_up_over_steps():
    few = [(64, 1), (64, 0), (64, 1), (64, 1)]
    (spent,) = steps(*few)
    assert (spent.verifier, spent.failures, spent.verdicts, spent.in_step) == ("math", 3, 256, False)
    assert steps(*few[:3]) == [] and steps(*few, budget=3 / 256) == []


def test_only_the_last_verdicts_count():
    """Ten failures in 1,000 verdicts are within 1%, the eleventh is not; what is older than the window is forgotten."""
    assert steps(*[(100, 1)] * 10) == []
    assert steps(*[(100, 1)] * 9, (100, 2)) != []
    assert steps((100, 10), *[(100, 0)] * 9, (100, 1)) == []
    assert steps((100, 10), *[(100, 0)] * 8, (100, 1)) != []


def test_a_step_without_a_failure_never_pauses():
    """The share may rise because good verdicts leave the window."""
    history = [(1000, 0), (500, 6), (500, 6)]
    assert steps(*history) != []
    assert steps(*history, (100, 0)) == []


def test_most_of_a_step_pauses_at_once():
    long = [(100, 0)] * 10
    assert steps(*long, (5, 3))[0].in_step and steps(*long, (5, 2)) == []
    assert steps(*long, (100, 51), budget=0.5)[0].in_step
    assert steps(*long, (100, 51), budget=0.6) == [], "unless the recipe tolerates it"
    assert steps((100, 100), budget=1.0) == []


def test_verifiers_do_not_excuse_one_another():
    """A rare one that fails is not lost among the verdicts of a frequent one."""
    counts = step(1000, 0) | step(8, 4, "code")
    (spent,) = overspent(counts, extended({}, counts), 0.01)
    assert (spent.verifier, spent.failures, spent.verdicts) == ("code", 4, 8)


@given(st.lists(st.tuples(st.integers(1, 700), st.floats(0, 1)), max_size=30))
def test_a_window_holds_whole_steps_and_no_more_than_it_needs(made):
    recent, history = {}, [[total, int(share * total)] for total, share in made]
    for total, failures in history:
        recent = json.loads(json.dumps(extended(recent, step(total, failures))))  # as it comes back from a checkpoint
    window = recent.get("math", [])
    assert window == history[len(history) - len(window) :]
    assert sum(total for total, _ in window[1:]) < WINDOW
    assert len(window) == len(history) or sum(total for total, _ in window) >= WINDOW


@given(st.integers(3, 500), st.integers(1, 2000))
def test_the_budget_that_is_named_is_enough(failures, others):
    total = 2 * failures + others
    assert not exceeds(failures, total, enough_budget(failures / total))


def test_rates_by_verifier():
    rollouts = [rollout(task(), v) for v in [failed("error"), failed("timeout"), failed("timeout")]]
    rollouts += [rollout(task(), Verdict("correct", 1.0, "")), rollout(task("code"), Verdict("wrong", 0.0, ""))]
    assert verifier_metrics(count_verdicts(rollouts)) == {
        "verifier/math/verdicts": 4,
        "verifier/math/error": 0.25,
        "verifier/math/timeout": 0.5,
        "verifier/code/verdicts": 1,
        "verifier/code/error": 0,
        "verifier/code/timeout": 0,
    }


def test_of_a_composed_reward_the_part_that_failed_is_named():
    """With verdicts of Verification itself. Length cannot be judged without the number of tokens, so it is that which fails."""
    length = {"verifier": "length", "reference": {"max_tokens": 5}}
    composed = task(reward={"gate": ["format"], "then": {"product": ["task", length]}})
    response = Response("", "\\boxed{2}", True, False)
    with Verification() as verification:
        verdict = verification.submit(composed, response).result()
    assert verdict.status == "error"
    statuses = {verifier: v.status for verifier, v in verdicts_of(composed, verdict)}
    assert statuses == {"format": "correct", "math": "correct", "length": "error"}
    assert [row["verifier"] for row in failure_rows([rollout(composed, verdict)])] == ["length"]


def test_parts_of_one_verifier_are_not_verifiers():
    parts = (Part("change_case:english_lowercase", Verdict("wrong", 0.0, "a capital")),)
    verdict = Verdict("wrong", 0.0, "1 of 1 not followed", parts=parts)
    assert verdicts_of(task("instructions"), verdict) == [("instructions", verdict)]
    cut = Verdict("truncated", 0.0, "cut off")
    assert verdicts_of(task("math", reward={"product": ["task", "format"]}), cut) == [("math", cut)]


def test_rows_say_all_there_is_to_see_and_are_bounded():
    many = [rollout(task(), failed(), f"answer {i}") for i in range(100)]
    rows = failure_rows([*many, rollout(task("code"), failed("timeout", HOSTILE), "x" * 9000 + "the end")])
    answers = [row["answer"] for row in rows if row["verifier"] == "math"]
    assert len(answers) == 20 and answers[0] == "answer 0" and answers[-1] == "answer 95"
    long = rows[-1]
    assert long["answer"].endswith("the end") and max(map(len, long.values())) < 600
    assert (long["task_id"], long["verifier"], long["status"]) == (task().id, "code", "timeout")
    assert (rows[0]["question"], rows[0]["reference"]) == ("What is 1 + 1?", '"2"')


def test_ways_to_go_on_fit_the_failures(tmp_path):
    stage = RlStage(name="math", steps=9)
    late, most = Overspent("math", 30, 1000, in_step=False), Overspent("math", 60, 64, in_step=True)
    with Run.create(tmp_path / "run", RECIPE, new_lineage(RECIPE, seed=1)) as run:
        resume = f"ponder resume {run.path}"
        run.record_failures("math", 4, "training", failure_rows([rollout(task(), failed("error"))]))
        ways = budget_spent(run, stage, BudgetSpent(4, [late]), 5.0).ways
        assert ways[1].endswith(resume) and ways[2:] == [
            f"Or go on with so many failures: {resume} --set stages.math.error_budget=0.06"
        ]
        run.record_failures("math", 5, "training", failure_rows([rollout(task(), failed("timeout"))]))
        paused = budget_spent(run, stage, BudgetSpent(5, [most]), 30.0)  # another stage allows more
        assert "the verifier math failed on 60 of 64 answers of this step" in str(paused)
        assert paused.ways[2:] == [f"Or give it more time: {resume} --set stages.math.verify_timeout=60"]


def test_before_a_gradient_that_is_not_finite_one_may_have_to_go_further_back(tmp_path):
    stage, error = RlStage(name="math", steps=9), FloatingPointError("the gradient is nan")
    with Run.create(tmp_path / "run", RECIPE, new_lineage(RECIPE, seed=1)) as run:
        with run.checkpoint("math", 4):
            pass
        assert len(not_finite(run, stage, 7, error).ways) == 1
        first, second = not_finite(run, stage, 5, error).ways
    assert first.endswith(f"math-000004: ponder resume {run.path} --set stages.math.optimizer.lr=5e-07")
    assert f"move {run.path / 'checkpoints' / 'math-000004'}" in second


def test_samples_of_many_tasks_are_shown_first():
    rows = [{"task_id": task_id, "number": number} for number, task_id in enumerate("aabbbc")]
    assert [(r["task_id"], r["number"]) for r in varied(rows)] == [
        ("c", 5), ("b", 4), ("a", 1), ("b", 3), ("a", 0), ("b", 2)
    ]  # fmt: skip


def row(number: int, answer: str = "2") -> dict:
    texts = {"status": "error", "reason": HOSTILE, "question": HOSTILE, "answer": answer, "reference": "2"}
    return failure_row(task_id=f"t{number}", source="file", verifier="math", **texts)


def test_the_newest_rows_are_kept_and_a_try_replaces_another(tmp_path):
    path = tmp_path / FAILURES_FILE
    add_failures(path, "math", 1, "training", [])
    assert not path.exists()
    with Run.create(tmp_path / "run", RECIPE, new_lineage(RECIPE, seed=1)) as run:
        for number in range(1, 61):
            run.record_failures("math", number, "training", [row(10 * number + i) for i in range(10)])
        assert [r["task_id"] for r in run.failures()] == [f"t{n}" for n in range(110, 610)][-FAILURES_KEPT:]
        assert (run.path / FAILURES_FILE).stat().st_size < 2_000_000
        run.record_failures("math", 60, "evaluation", [row(1)])
        run.record_failures("math", 60, "training", [row(2)])
        assert [(r["task_id"], r["during"]) for r in run.failures()[-2:]] == [("t1", "evaluation"), ("t2", "training")]
        run.record_failures("math", 60, "training", [])
        assert [(r["task_id"], r["step"]) for r in run.failures()[-2:]] == [("t599", 59), ("t1", 60)]


def test_resuming_drops_the_failures_after_the_checkpoint(tmp_path):
    with Run.create(tmp_path / "run", RECIPE, new_lineage(RECIPE, seed=1)) as run:
        run.record("math", 1, {"loss": 1.0})
        for stage, number in [("birth", 0), ("math", 1), ("math", 2), ("code", 1)]:
            run.record_failures(stage, number, "training", [row(number)])
        with open(run.path / FAILURES_FILE, "a") as file:
            file.write('my own note\n{"stage": "math", "step": 1, "status": 7}\n{"half": ')
        run.pause("math", 1, "the server is down")
        assert str(run.rewind(["math", "code"], "math", 1)) == "dropped 2 failed verdicts after the checkpoint"
        assert [(r["stage"], r["step"]) for r in run.failures()] == [("birth", 0), ("math", 1)]
        assert "paused" not in run.lineage
        assert run.lineage["resumed"][-1]["paused"]["reason"] == "the server is down"


def test_a_table_of_hostile_samples_is_only_text():
    console = Console(width=100, file=StringIO(), force_terminal=True, color_system=None)
    console.print(failure_table([row(1, HOSTILE)]))
    printed = console.file.getvalue()
    assert "\x1b[31m" not in printed and "[red]" in printed and len(printed) < 4000


def test_a_page_of_hostile_samples_is_only_text(tmp_path):
    with Run.create(tmp_path / "run", RECIPE, new_lineage(RECIPE, seed=1)) as run:
        run.record("math", 1, {"verifier/math/verdicts": 64, "verifier/math/error": 0.125, "verifier/math/timeout": 0})
        run.record("math", 2, {"verifier/math/verdicts": 32, "verifier/math/error": 0, "verifier/math/timeout": 0.5})
        write_failures(run.path / FAILURES_FILE, [{"stage": "math", "step": 1, "during": "training", **row(1, SCRIPT)}])
        run.pause("math", 2, SCRIPT)
        report = build_report(run)
        assert report["failures"] == [
            {"stage": "math", "during": "training", "verifier": "math", "verdicts": 96, "error": 8, "timeout": 16}
        ]
        assert report["paused"]["reason"] == SCRIPT
        page = render_html(run, report, [])
    assert "<img" not in page and page.count(escape(SCRIPT)) == 2 and "\x1b" not in page
    assert "<td>96</td><td>8</td><td>16</td>" in page


def test_parts_of_composed_rewards_have_metrics_of_their_own():
    inner = Verdict("wrong", 0.5, "", parts=(Part("task", Verdict("correct", 1.0, "")), Part("format", failed())))
    whole = Verdict("wrong", 0.5, "", parts=(Part("length", Verdict("correct", 1.0, "")), Part("sum", inner)))
    shut = Verdict("wrong", 0.0, "", parts=(Part("length", Verdict("wrong", 0.0, "")),))
    plain = rollout(task(), Verdict("correct", 1.0, "", parts=(Part("keywords:existence", failed()),)))
    rollouts = [rollout(task(reward={"gate": []}), verdict) for verdict in (whole, shut)]
    assert part_metrics([*rollouts, plain]) == {"part/length": 0.5, "part/math": 1.0}
