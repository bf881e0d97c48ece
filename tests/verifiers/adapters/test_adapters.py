"""The verifiers in other trainers: the adapters' contract always, and the real trainers where they are installed.

Each trainer needs an environment of its own (docs/verifiers_elsewhere.md); a variable names its interpreter.
"""

import asyncio
import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from ponder.tasks import jsonl_tasks
from ponder.verifiers import verify_math
from ponder.verifiers.adapters.rollouts import NoScoreError, response_from, task_from
from ponder.verifiers.adapters.trl import reward_function
from ponder.verifiers.adapters.verifiers import rubric_function, score
from ponder.verifiers.adapters.verl import compute_score
from ponder.verifiers.api import shared_verification
from ponder.verifiers.response import split_response

ROOT = Path(__file__).parents[3]
SCRIPTS = Path(__file__).parent / "scripts"
FOR_A_WORKER = ("\\boxed{\\frac{1}{2}}", "\\int_0^1 x\\,dx")  # equal, but math-verify must say so
UNUSABLE = ""  # a reference without an answer: the verifier's error, whatever the response


def says(text: str) -> list[dict]:
    return [{"role": "assistant", "content": text}]


# GSM8K's own column, a worked solution that ends in "#### 18"

GSM8K = ROOT.parent / "shared" / "data" / "gsm8k_test.jsonl"
WORKED = "Two boxes of nine are 2*9=<<2*9=18>>18 pens.\n#### 18"


@pytest.mark.parametrize("reference", [WORKED, WORKED.replace("18\n#### 18", "1,018\n#### 1,018")])
def test_every_adapter_reads_a_worked_solution(reference):
    answer = reference.rpartition("#### ")[2].replace(",", "")
    right, wrong = f"\\boxed{{{answer}}}", "\\boxed{9}"
    assert reward_function("math")(["?"] * 2, [right, wrong], answer=[reference] * 2) == [1.0, 0.0]
    verl = partial(compute_score, "openai/gsm8k", verifier="math")
    assert [verl(text, reference)["score"] for text in (right, wrong)] == [1.0, 0.0]
    rubric = rubric_function("math")
    assert [asyncio.run(rubric(completion=text, state={}, answer=reference)) for text in (right, wrong)] == [1.0, 0.0]
    assert [verify_math(text, reference).score for text in (right, wrong)] == [1.0, 0.0]


@pytest.mark.skipif(not GSM8K.is_file(), reason="gsm8k_test.jsonl is not at ../shared/data")
def test_all_of_gsm8k_earns_its_reward_from_the_raw_column():
    rows = [json.loads(line) for line in GSM8K.open(encoding="utf-8")]
    column = [row["answer"] for row in rows]
    right = [f"So it is \\boxed{{{text.rpartition('#### ')[2]}}}." for text in column]
    assert reward_function("math")(["?"] * len(rows), right, answer=column) == [1.0] * 1_319
    verl = [
        compute_score("openai/gsm8k", text, gold, verifier="math")["score"]
        for text, gold in zip(right, column, strict=True)
    ]
    assert verl == [1.0] * 1_319
    tasks = jsonl_tasks(GSM8K, {"prompt": "question", "answer": "answer"})
    responses = [split_response(text) for text in right]
    assert {v.status for v in shared_verification().verify_all(zip(tasks, responses, strict=True))} == {"correct"}


# TRL


def test_trl_gets_scores_and_none_for_what_failed():
    reward = reward_function("math", reference="solution")
    completions = ["\\boxed{4}", "\\boxed{5}", "no answer", FOR_A_WORKER[0], "\\boxed{4}"]
    solutions = ["4", "4", "4", FOR_A_WORKER[1], UNUSABLE]
    rewards = reward(["?"] * 5, completions, completion_ids=[[7]] * 5, solution=solutions, trainer_state=object())
    assert rewards == [1.0, 0.0, 0.0, 1.0, None]
    assert reward.__name__ == "math"


def test_trl_messages_count_by_the_last_of_the_assistant():
    turn = [*says("\\boxed{5}"), {"role": "tool", "content": "\\boxed{7}"}, *says("\\boxed{4}")]
    parts = [{"role": "assistant", "content": [{"type": "text", "text": "\\boxed{4}"}]}]
    completions = [turn, turn[:2], parts, []]
    assert reward_function("math")([says("?")] * 4, completions, answer=["4", "5", "4", "4"]) == [1.0, 1.0, 1.0, 0.0]


def test_trl_reads_the_length_and_the_end_of_a_completion_from_its_tokens():
    ids = [[5, 5, 1], [5, 5, 5], []]
    texts = ["\\boxed{4}"] * 3
    assert reward_function("math", eos_token_ids=[1, 2])(["?"] * 3, texts, ids, answer=["4"] * 3) == [1.0, 0.0, 1.0]
    assert reward_function("math")(["?"] * 3, texts, ids, answer=["4"] * 3) == [1.0, 1.0, 1.0]
    bounds = [{"max_tokens": 2}, {"max_tokens": 3}, {"max_tokens": 2}]
    assert reward_function("length", "bounds")(["?"] * 3, texts, ids, bounds=bounds) == [0.0, 1.0, 1.0]


def test_trl_thinking_that_never_ended_holds_no_answer():
    completions = ["it is \\boxed{4}", "hm</think>\\boxed{4}"]
    assert reward_function("math")(["? <think>\n"] * 2, completions, answer=["4"] * 2) == [0.0, 1.0]
    assert reward_function("math")(["?"] * 2, completions, answer=["4"] * 2) == [1.0, 1.0]
    opened = reward_function("math", prompt_opens_thinking=True)
    assert opened([says("?")] * 2, [says(text) for text in completions], answer=["4"] * 2) == [0.0, 1.0]


def test_trl_logs_what_has_no_verdict(caplog):
    extra, metrics = {}, {}
    reward_function("math")(
        *(["?"] * 2, ["\\boxed{4}"] * 2),
        answer=["4", UNUSABLE],
        log_extra=extra.__setitem__,
        log_metric=metrics.__setitem__,
    )
    assert extra == {"math_status": ["correct", "error"]}
    assert metrics == {"rewards/math/no_verdict": 0.5}
    assert "1 of 2 completions have no verdict" in caplog.text


def test_trl_reward_survives_pickling_and_refuses_what_cannot_work():
    reward = pickle.loads(pickle.dumps(reward_function("math", eos_token_ids=[1])))
    assert reward(["?"], ["\\boxed{4}"], answer=["4"]) == [1.0]
    with pytest.raises(ValueError, match="no column 'answer'"):
        reward(["?"], ["\\boxed{4}"], solution=["4"])
    with pytest.raises(ValueError, match="Unknown verifier 'meth': did you mean 'math'"):
        reward_function("meth")


# verl


def test_verl_gets_the_keys_that_it_aggregates():
    assert compute_score("gsm8k", "\\boxed{4}", "4", {"num_turns": None}, verifier="math") == {
        **{"score": 1.0, "acc": 1.0, "pred": "4", "status": "correct"},
        "reason": "equal; from: \\boxed{4}",
    }
    wrong = compute_score("gsm8k", "\\boxed{5}", "4", verifier="math")
    assert (wrong["score"], wrong["acc"], wrong["pred"], wrong["status"]) == (0.0, 0.0, "5", "wrong")


def test_verl_hears_of_failures_as_exceptions_or_as_a_status():
    with pytest.raises(NoScoreError, match="ValueError: the math verifier needs"):
        compute_score("gsm8k", "\\boxed{4}", UNUSABLE, verifier="math")
    zero = compute_score("gsm8k", "\\boxed{4}", UNUSABLE, verifier="math", on_error="zero")
    assert (zero["score"], zero["acc"], zero["status"]) == (0.0, 0.0, "error")
    assert zero.keys() == compute_score("gsm8k", "\\boxed{4}", "4", verifier="math").keys()
    with pytest.raises(ValueError, match="on_error is 'raise' or 'zero', not 'none'"):
        compute_score("gsm8k", "\\boxed{4}", "4", verifier="math", on_error="none")


def test_verl_data_sources_choose_the_verifier():
    verifiers = {"sums": "math", "brevity": "length"}
    assert compute_score("brevity", "two words", '{"max_words": 2}', verifier=verifiers)["score"] == 1.0
    assert compute_score("brevity", "now three words", '{"max_words": 2}', verifier=verifiers)["score"] == 0.0
    with pytest.raises(ValueError, match="data source 'aime'; they are given for: brevity, sums"):
        compute_score("aime", "\\boxed{4}", "4", verifier=verifiers)


def test_verl_calls_from_many_threads_agree():
    pairs = [("\\boxed{4}", "4", 1.0), ("\\boxed{5}", "4", 0.0), (*FOR_A_WORKER, 1.0)] * 20
    with ThreadPoolExecutor(8) as threads:
        judge_one = partial(compute_score, "sums", verifier="math")
        results = list(threads.map(lambda pair: judge_one(pair[0], pair[1])["score"], pairs))
    assert results == [expected for _, _, expected in pairs]


# verifiers


def trace_of(reply: str, is_truncated: bool = False, **message) -> SimpleNamespace:
    last = SimpleNamespace(model_dump=lambda: {"role": "assistant", "content": reply, **message})
    return SimpleNamespace(assistant_messages=[last], last_reply=reply, is_truncated=is_truncated)


def test_verifiers_rewards_wait_side_by_side():
    async def rewards() -> list[float]:
        pairs = [("\\boxed{4}", "4"), ("\\boxed{5}", "4"), FOR_A_WORKER]
        return await asyncio.gather(*(score("math", trace_of(reply), answer) for reply, answer in pairs))

    assert asyncio.run(rewards()) == [1.0, 0.0, 1.0]


def test_verifiers_trace_tells_truncation_thinking_and_failure():
    assert asyncio.run(score("math", trace_of("\\boxed{4}", is_truncated=True), "4")) == 0.0
    assert asyncio.run(score("math", trace_of("\\boxed{4}"), "4", prompt_opens_thinking=True)) == 0.0
    parsed = trace_of("\\boxed{4}", reasoning_content="2+2")
    assert asyncio.run(score("math", parsed, "4", prompt_opens_thinking=True)) == 1.0
    silent = SimpleNamespace(assistant_messages=[], last_reply="", is_truncated=False)
    assert asyncio.run(score("math", silent, "4")) == 0.0
    with pytest.raises(NoScoreError):
        asyncio.run(score("math", trace_of("\\boxed{4}"), UNUSABLE))


def test_rubric_function_marks_the_state_where_the_verifier_failed(monkeypatch):
    errors = ModuleType("verifiers.errors")
    errors.Error = type("Error", (Exception,), {})
    monkeypatch.setitem(sys.modules, "verifiers", ModuleType("verifiers"))
    monkeypatch.setitem(sys.modules, "verifiers.errors", errors)
    function, state = rubric_function("math"), {"error": None}
    assert function.__name__ == "math"
    assert asyncio.run(function(says("\\boxed{4}"), state, answer="4", prompt=[], task=None)) == 1.0
    assert asyncio.run(function(says("\\boxed{4}"), {"is_truncated": True}, answer="4")) == 0.0
    model = SimpleNamespace(model_dump=lambda: says("\\boxed{4}")[0])  # its messages are Pydantic models
    assert asyncio.run(function([model], state, answer="4")) == 1.0
    assert asyncio.run(function(None, state, answer="4")) == 0.0
    assert state["error"] is None
    with pytest.raises(NoScoreError):
        asyncio.run(function(says("\\boxed{4}"), state, answer=UNUSABLE))
    assert isinstance(state["error"], errors.Error)
    with pytest.raises(NoScoreError, match="no column 'answer'"):
        asyncio.run(function(says("\\boxed{4}"), state, solution="4"))


# Rows and responses


def test_nested_references_may_be_json_text_or_numpy():
    bounds = {"min_words": 1, "max_words": 3}
    for reference in (bounds, json.dumps(bounds), {"min_words": np.int64(1), "max_words": np.int64(3)}):
        assert task_from("length", reference, {}).reference == bounds
    tools = np.array([{"name": "f"}], dtype=object)
    task = task_from("math", np.array(["1", "2"]), {"functions": tools, "choices": '["a", "b"]', "metadata": None})
    assert (task.reference, task.tools, task.metadata) == (["1", "2"], ({"name": "f"},), {"choices": ["a", "b"]})
    assert task_from("math", "[1, 2]", {}).reference == "[1, 2]"  # LaTeX, not JSON


def test_tool_calls_are_kept_with_thinking_in_the_prompt():
    calls = [{"type": "function", "function": {"name": "f", "arguments": {}}}]
    response = response_from({"role": "assistant", "content": "", "tool_calls": calls}, prompt_opens_thinking=True)
    assert list(response.tool_calls) == calls
    assert response.thinking_closed


# Processes


IN_PROCESSES = """
import json, multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from ponder.verifiers.adapters.verl import compute_score
from ponder.verifiers.api import shared_verification

def scores(pairs):
    return [compute_score("sums", *pair, verifier="math")["score"] for pair in pairs], shared_verification().pool.process_ids()

if __name__ == "__main__":
    pairs = json.loads(sys.argv[1])
    report = [scores(pairs)]  # the parent has workers before it forks
    for method in ("fork", "spawn"):
        with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as processes:
            report += processes.map(scores, [pairs] * 2)
    if (child := os.fork()) == 0:
        sys.exit(0)  # runs what was registered for the end of the parent
    os.waitpid(child, 0)
    report.append(scores(pairs))
    print(json.dumps(report))
"""


def test_processes_have_workers_of_their_own_and_leave_none_behind(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(IN_PROCESSES)
    report = run(sys.executable, script, json.dumps([FOR_A_WORKER, ("\\boxed{5}", "4")]))
    assert [scores for scores, _ in report] == [[1.0, 0.0]] * 6
    assert set() < set(report[0][1]) <= set(report[-1][1])  # neither forks nor their end touched the parent's
    workers = [pid for _, pids in report for pid in pids]
    assert not [pid for pid in workers if _is_verifier(pid)]


IN_AN_EVENT_LOOP = """
import asyncio, json, sys, threading
from types import SimpleNamespace
from ponder.verifiers.adapters.verifiers import score

reply, answer = json.loads(sys.argv[1])
trace = SimpleNamespace(assistant_messages=[], last_reply=reply, is_truncated=False)

async def give_up():
    task = asyncio.ensure_future(score("math", trace, answer))
    await asyncio.sleep(0)
    task.cancel()

scores = []
threads = [threading.Thread(target=lambda: scores.append(asyncio.run(score("math", trace, answer)))) for _ in range(3)]
for thread in threads:
    thread.start()
if sys.argv[2] == "giving up":
    asyncio.run(give_up())
for thread in threads:
    thread.join()
print(json.dumps(scores))
"""


@pytest.mark.parametrize(
    "waiting",
    [
        "to the end",
        "giving up",
    ],
)
def test_event_loops_of_several_threads_share_the_workers_and_let_the_interpreter_end(waiting):
    assert run(sys.executable, "-c", IN_AN_EVENT_LOOP, json.dumps(FOR_A_WORKER), waiting) == [1.0, 1.0, 1.0]


# The trainers themselves


def test_trl_trains_two_steps_with_the_reward():
    report = run(interpreter("PONDER_TRL_PYTHON", "trl"), SCRIPTS / "with_trl.py")
    for form in ("text", "messages"):
        seen = report[form]
        assert seen["steps"] == 2 and seen["losses_finite"] and seen["weights_moved"]
        assert seen["correct"] > 0 and seen["cut_off"] > 0 and seen["cut_off_scored_zero"]
        assert seen["references_of_none"] == [UNUSABLE]
        assert sum(seen["logged_no_verdict"]) / 2 == pytest.approx(seen["none"] / seen["rewards"])
        # The logged mean is over completions with a verdict.
        assert max(seen["logged_mean"]) >= seen["correct"] / (seen["correct"] + seen["zero"]) > 0


def test_verl_reward_managers_and_workers_take_the_scores():
    report = run(interpreter("PONDER_VERL_PYTHON", "verl"), SCRIPTS / "with_verl.py")
    statuses = ["correct", "correct", "wrong", "wrong", "correct"]
    results = [[float(status == "correct"), status] for status in statuses]
    assert report["naive"] == [*results, "NoScoreError"]
    assert report["naive_zero"] == [*results, [0.0, "error"]]
    assert report["old_naive"] == [1.0, 1.0, 0.0, 0.0, 1.0]
    for manager in ("ray_naive", "ray_remote"):
        assert report[manager]["scores"] == report[manager]["acc"] == [1.0, 1.0, 0.0, 0.0, 1.0, 0.0]
        assert report[manager]["status"] == [*statuses, "error"]


def test_verifiers_rollouts_are_scored_and_failures_become_errors_of_the_trace():
    report = run(interpreter("PONDER_VERIFIERS_PYTHON", "verifiers 0.4 or later"), SCRIPTS / "with_verifiers.py")
    for way in ("method", "plugged"):
        assert [trace["correct"] for trace in report[way]] == [1.0, 1.0, 0.0, 0.0, None]
        assert [trace["ok"] for trace in report[way]] == [True, True, True, True, False]
        assert "NoScoreError: no verdict (error)" in report[way][4]["error"]


def test_rubric_of_older_verifiers_scores_and_marks_failures():
    report = run(interpreter("PONDER_RUBRIC_PYTHON", "verifiers 0.3 or earlier"), SCRIPTS / "with_rubric.py")
    assert report["rewards"] == report["metrics"] == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert report["alone"] == 1.0
    assert report["errors"][:4] == [None] * 4
    assert "no verdict (error)" in report["errors"][4]


def interpreter(variable: str, package: str) -> str:
    if variable not in os.environ:
        pytest.skip(
            f"{variable} names no interpreter with {package}; docs/verifiers_elsewhere.md tells how to make one"
        )
    return os.environ[variable]


def run(*command):
    """The JSON on the last line of a program's output. It sees this checkout of Ponder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "InvalidStateError" not in done.stderr, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def _is_verifier(pid: int) -> bool:
    """Whether a process is there and runs a worker; its number may have gone to another process."""
    try:
        return b"ponder.verifiers.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False
