"""The instructions verifier: all instructions of a task in one verdict."""

from collections.abc import Sequence
from typing import Any

from ponder.tasks.task import Task
from ponder.verifiers.instructions.follow import VARIANTS, follow, follow_all, read_reference
from ponder.verifiers.response import Response
from ponder.verifiers.score_rule import scores_fraction
from ponder.verifiers.verdict import Part, Verdict
from ponder.verifiers.verifier import Job

AT_ONCE = 50_000  # characters that are judged at once, each instruction and each loose variant counted
MAX_CONTENT = 60_000  # characters; an answer must not make its verifier run out of time by its length
DESCRIBED = 300  # characters of a reference for people


def decide(task: Task, response: Response) -> Verdict | Job:
    """Correct where the response follows all instructions; `parts` has a verdict on each, in their order.

    The reference is IFEval's {"instruction_id_list": [...], "kwargs": [{...}, ...]}, and may have "prompt" and "mode",
    "strict" (the default) or "loose". With "score": "fraction" in the task's metadata the score is the share of them that
    are followed, else 1 or 0. Regular expressions, which come from the task and may take long, schemas of the harder kind
    and long responses are left to a worker process.

    ValueError for a reference that cannot be used.
    """
    asked = read_reference(task.reference, task.question)
    mode = task.reference.get("mode", "strict")
    if mode not in ("strict", "loose"):
        raise ValueError(f"the mode of an instructions task is {mode!r}; there are 'strict' and 'loose'")
    fraction = scores_fraction(task)
    described = _described(task.reference)
    if len(response.content) > MAX_CONTENT:
        reason = f"the answer has {len(response.content):,} characters; more than {MAX_CONTENT:,} are not looked at"
        return Verdict("wrong", 0.0, reason, reference=described)
    work = len(response.content) * len(asked) * (len(VARIANTS) if mode == "loose" else 1)
    if work <= AT_ONCE and all(one.at_once(response.content) for one in asked):
        return _whole(follow_all(response.content, asked, mode == "loose"), fraction, described)
    reference = {"prompt": task.question} | task.reference
    job = {"content": response.content, "reference": reference, "loose": mode == "loose", "fraction": fraction}
    return Job({"run": "ponder.verifiers.instructions.verifier:run"} | job, "", described)


def run(job: dict) -> dict:
    """In a worker process: the result for {"content", "reference", "loose", "fraction"}."""
    whole = _whole(follow(job["content"], job["reference"], job["loose"]), job["fraction"], "")
    return _result(whole) | {"parts": [{"name": part.name} | _result(part.verdict) for part in whole.parts]}


def _whole(parts: Sequence[Part], fraction: bool, reference: str) -> Verdict:
    failed = [part for part in parts if part.verdict.status != "correct"]
    if not failed:
        reason = f"follows all {len(parts)} instructions" if len(parts) > 1 else parts[0].verdict.reason
        return Verdict("correct", 1.0, reason, reference=reference, parts=tuple(parts))
    reasons = "; ".join(f"{part.name}: {part.verdict.reason}" for part in failed)
    if len(parts) > 1:
        reasons = f"follows {len(parts) - len(failed)} of {len(parts)} instructions; {reasons}"
    score = (len(parts) - len(failed)) / len(parts) if fraction else 0.0
    return Verdict("wrong", score, reasons, reference=reference, parts=tuple(parts))


def _result(verdict: Verdict) -> dict:
    return {"status": verdict.status, "score": verdict.score, "reason": verdict.reason}


def _described(reference: dict[str, Any]) -> str:
    asked = []
    for name, kwargs in zip(reference["instruction_id_list"], reference["kwargs"], strict=True):
        values = ", ".join(f"{key}={value!r}" for key, value in (kwargs or {}).items() if value is not None)
        asked.append(f"{name}({values})" if values else name)
    text = "; ".join(asked)
    return text if len(text) <= DESCRIBED else text[:DESCRIBED] + "..."
