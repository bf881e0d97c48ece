"""A small run as training would write it, with every kind of file. Values are made up but typed and named as real."""

from pathlib import Path
from typing import Any

from ponder.runs import Run, wilson_interval
from ponder.runs.lineage import new_lineage
from ponder.runs.meanings import STATUSES

RECIPE = """name: tiny
seed: 7
stages:
- {kind: sft, name: cold_start, steps: 4}
- {kind: rl, name: math, steps: 4}
"""
HOSTILE = (
    "$\\frac$ <script>alert('x')</script></details></pre><img src=x onerror=alert(1)> & $x^{2 \\frac \ud800 \x1b[31m"
)


def eval_result(stage: str, step: int, correct: int = 3, count: int = 8, **changes: Any) -> dict[str, Any]:
    low, high = wilson_interval(correct, count)
    samples = [
        {
            "task_id": f"sum-{index}",
            "domain": "addition",
            "question": f"What is {index} + 1?",
            "reference": str(index + 1),
            "reasoning": "count on by one",
            "content": f"\\boxed{{{index + 1 if index < correct else 0}}}",
            "status": "correct" if index < correct else "wrong",
            "score": float(index < correct),
            "tokens": 20 + index,
        }
        for index in range(count)
    ]
    return {
        "stage": stage,
        "step": step,
        "accuracy": correct / count,
        "interval": [low, high],
        "by_domain": {"addition": {"accuracy": correct / count, "interval": [low, high], "count": count}},
        "count": count,
        "seconds": 2.0 * step,
        "mean_tokens": 23.5,
        "truncated_share": 0.25,
        "samples": samples,
        "sampling": {"temperature": 1.0, "max_tokens": 64},
        **changes,
    }


def rollout(**changes: Any) -> dict[str, Any]:
    row = {
        "task_id": "sum-1",
        "domain": "addition",
        "source": "chain_sum",
        "question": "What is 1 + 1?",
        "prompt_ids": [1, 2, 3],
        "response_ids": [4, 5],
        "logprobs": [-0.5, -0.25],
        "mask": [1, 1],
        "text": "two</think>2",
        "reference": '"2"',
        "status": "correct",
        "score": 1.0,
        "reason": "2 equals 2",
        "parts": "[]",
        "reward": 1.0,
        "advantage": 0.5,
        "truncated": False,
        "group": 0,
        "sample": 1,
        "learner_logprobs": [-0.5, -0.125],
        "entropy": [0.75, 0.5],
        "spans": [{"kind": "prompt", "start": 0, "end": 3}, {"kind": "policy", "start": 3, "end": 5}],
        "stop_reason": "stop",
        "weights_version": 3,
        "reward_parts": '{"math": 1.0}',
        "episode": '{"end": "answered", "turns": 2, "calls": 1, "failed_calls": 0}',
    }
    assert changes.keys() <= row.keys()
    return {**row, **changes}


def sft_metrics(step: int) -> dict[str, float]:
    return {"loss": 2.0 / step, "lr": 1e-3, "grad_norm": 1.0, "tokens_per_s/learn": 9000.0, "time/step_s": 0.5}


def rl_metrics(step: int) -> dict[str, float]:
    return {
        "reward/mean": 0.1 * step + 0.1,
        "reward/std": 0.3,
        "reward/addition": 0.1 * step,
        "reward/chain_sum": 0.05 * step,
        "pass_rate": 0.1 * step,
        "truncated_share": 0.5 / step,
        **dict.fromkeys([f"status/{status}" for status in STATUSES], 1 / len(STATUSES)),
        "length/mean": 20.0 + step,
        "length/max": 60,
        "entropy": 0.5 / step,
        "mismatch/max": 2e-6,
        "grad_norm": 0.3,
        "groups/zero_variance_share": 0.25,
        "time/sample_s": 1.0,
        "time/verify_s": 0.25,
        "time/learn_s": 0.75,
        "time/step_s": 2.0,
        "tokens_per_s/sample": 1000.0,
        "memory/rss_gb": 0.5 + 0.01 * step,
    }


def write_stage(run: Run, stage: str, first: int, last: int) -> None:
    """Steps `first` to `last` of one stage: metrics, in RL rollouts, at each second step evaluation and checkpoint."""
    for step in range(first, last + 1):
        if stage == "math":
            run.record_rollouts(stage, step, [rollout(sample=step), rollout(score=None, reward=None, advantage=None)])
        run.record(stage, step, rl_metrics(step) if stage == "math" else sft_metrics(step))
        if step % 2 == 0:
            run.record_eval(eval_result(stage, step, correct=step))
            with run.checkpoint(stage, step) as directory:
                (directory / "model.safetensors").write_bytes(b"%d" % step * 1000)


def write_run(path: Path | str, sft_steps: int = 4, rl_steps: int = 4, birth: bool = True) -> Run:
    run = Run.create(path, RECIPE, new_lineage(RECIPE, seed=7))
    if birth:
        run.record_eval(eval_result("birth", 0, correct=0))
    write_stage(run, "cold_start", 1, sft_steps)
    write_stage(run, "math", 1, rl_steps)
    return run


def contents(run: Run) -> dict[str, Any]:
    """All that a run holds, without the times at which it was written."""
    return {
        "metrics": [{key: value for key, value in row.items() if key != "time"} for row in run.metrics()],
        "evals": run.evals(),
        "rollouts": {
            str(path.relative_to(run.path)): run.rollouts(path.parent.name, int(path.stem.removeprefix("step-")))
            for path in run.rollout_files()
        },
        "checkpoints": {
            path.name: {file.name: file.read_bytes() for file in path.iterdir()} for path in run.checkpoints()
        },
    }
