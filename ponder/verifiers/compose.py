"""Verdicts composed of verdicts, as a recipe's `reward` says (ponder.recipe.reward): gate, product, weighted sum."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from math import nextafter, prod
from threading import Lock
from typing import Any

from ponder.recipe.judge import JudgedBy
from ponder.recipe.python_function import PythonFunction
from ponder.recipe.reward import REWARD, Check, Gate, ModelScore, Product, WeightedSum, leaves_of
from ponder.tasks.task import Task
from ponder.verifiers.verdict import Part, Verdict

FORMS = ("gate", "product", "sum")  # names of parts that are made of parts themselves
Submit = Callable[[Task], Future[Verdict]]  # starts the verifier that a task names, and returns at once


def compose(task: Task, submit: Submit) -> Future[Verdict]:
    """The future verdict of the reward in a task's metadata, in JSON form (ponder.recipe.reward).

    A part that ends in `error` or `timeout` makes the whole one that, where no score can be said without it.
    ValueError for a reward of no known form.
    """
    reward = _reward_of(task)
    whole = _start(reward, task, submit)
    if reward == "task" or not isinstance(reward, str | Check | PythonFunction | JudgedBy | ModelScore):
        return whole
    # One verifier in place of the task's own: its verdict is a part, so that it is counted under its own name.
    return _when_all([whole], lambda verdicts: replace(verdicts[0], parts=(Part(_name(reward), verdicts[0]),)))


def asked_of(task: Task) -> list[Task]:
    """The task as each verifier sees it that its reward may ask; the task itself for its own verifier.

    ValueError for a reward of no known form.
    """
    return [_as_seen(leaf, task) for leaf in leaves_of(_reward_of(task))]


def asks_own_verifier(task: Task) -> bool:
    """Whether the task's own verifier has a say in its reward, or the reward stands in its place."""
    return "task" in leaves_of(_reward_of(task))


def _reward_of(task: Task) -> Any:
    return REWARD.validate_python(task.metadata.get("reward", "task"))


def _as_seen(leaf: Any, task: Task) -> Task:
    """The task as one part of its reward judges it: with that verifier, and what this one goes by."""
    match leaf:
        case "task":
            return task
        case str(name):
            return replace(task, verifier=name, reference=None)
        case Check(verifier=name, reference=reference):
            return replace(task, verifier=name, reference=reference)
        case PythonFunction():
            return replace(task, verifier="python", metadata=task.metadata | {"python": leaf.model_dump()})
        case JudgedBy():
            return replace(task, verifier="judge", metadata=task.metadata | {"judge": leaf.model_dump()})
        case ModelScore(reward_model=path):
            return replace(task, verifier="reward_model", metadata=task.metadata | {"reward_model": path})
    raise AssertionError(leaf)


def _start(reward: Any, task: Task, submit: Submit) -> Future[Verdict]:
    match reward:
        case Gate(gate=checks, then=then):
            names = [_name(check) for check in checks]
            started = [_start(check, task, submit) for check in checks]
            return _when_all(
                started, lambda verdicts: _gated(names, verdicts, then, lambda: _start(then, task, submit))
            )
        case Product(product=factors):
            names = [_name(factor) for factor in factors]
            return _when_all([_start(f, task, submit) for f in factors], lambda verdicts: _product(names, verdicts))
        case WeightedSum(sum=shares):
            names, total = [_name(share.of) for share in shares], sum(share.weight for share in shares)
            weights = [share.weight / total for share in shares]
            return _when_all([_start(s.of, task, submit) for s in shares], lambda v: _weighted(names, v, weights))
    return submit(_as_seen(reward, task))


def _gated(
    names: list[str], verdicts: list[Verdict], then: Any, start: Callable[[], Future[Verdict]]
) -> Verdict | Future[Verdict]:
    gates = tuple(map(Part, names, verdicts))
    for part in gates:  # a shut gate is shut, whatever befell the others: failing on purpose must not pay
        if not part.verdict.failed and part.verdict.status != "correct":
            # Part of a score counts for nothing here: a gate is open or shut.
            reason = f"{part.name}: {part.verdict.reason}"
            return replace(part.verdict, score=0.0, reason=reason, parts=gates)
    if failed := _failed(gates):
        return failed

    def add_gates(done: list[Verdict]) -> Verdict:
        inner = done[0]
        return replace(inner, parts=(*gates, Part(_name(then), inner)))

    return _when_all([start()], add_gates)


def _product(names: list[str], verdicts: list[Verdict]) -> Verdict:
    parts = tuple(map(Part, names, verdicts))
    certain = any(v.score == 0.0 for v in verdicts)  # whatever the others would have said
    return (None if certain else _failed(parts)) or _scored(prod(v.score or 0.0 for v in verdicts), parts)


def _weighted(names: list[str], verdicts: list[Verdict], weights: list[float]) -> Verdict:
    parts = tuple(map(Part, names, verdicts, weights))
    if failed := _failed(parts):
        return failed
    if all(v.status == "correct" for v in verdicts):
        return _scored(1.0, parts)  # the weights may add up to a little less than 1
    score = sum(w * (v.score or 0.0) for w, v in zip(weights, verdicts, strict=True))
    return _scored(min(score, nextafter(1.0, 0.0)), parts)


def _failed(parts: Sequence[Part]) -> Verdict | None:
    """The first part whose verifier failed, as the verdict of the whole."""
    for part in parts:
        if part.verdict.failed:
            return Verdict(part.verdict.status, None, f"{part.name}: {part.verdict.reason}", parts=tuple(parts))
    return None


def _scored(score: float, parts: tuple[Part, ...]) -> Verdict:
    reason = "; ".join(f"{part.name}: {part.verdict.reason}" for part in parts)
    if score == 1.0:
        return Verdict("correct", 1.0, reason, parts=parts)
    unread = score == 0.0 and all(part.verdict.status in ("unparseable", "correct") for part in parts)
    return Verdict("unparseable" if unread else "wrong", score, reason, parts=parts)


def _name(reward: Any) -> str:
    """What a part is called: a verifier's name, or the form of a composition."""
    match reward:
        case str(name) | Check(verifier=name):
            return name
        case PythonFunction():
            return reward.title
        case JudgedBy(judge=name):
            return name
        case ModelScore():
            return "reward_model"
        case Gate():
            return "gate"
        case Product():
            return "product"
    return "sum"


def _when_all(
    futures: list[Future[Verdict]], combine: Callable[[list[Verdict]], Verdict | Future[Verdict]]
) -> Future[Verdict]:
    """The future of `combine` on all results; it may itself return a future. Cancelled if any of them is."""
    whole: Future[Verdict] = Future()
    lock, missing = Lock(), [len(futures)]

    def deliver(done: Future[Verdict]) -> None:
        if done.cancelled():
            whole.cancel()
        elif whole.set_running_or_notify_cancel():  # whoever asked may have given up
            whole.set_result(done.result())

    def finish(_: Future[Verdict]) -> None:
        with lock:  # parts end in threads of their own
            missing[0] -= 1
            if missing[0]:
                return
        if any(future.cancelled() for future in futures):
            whole.cancel()
            return
        try:
            combined = combine([future.result() for future in futures])
        except Exception as error:  # law 3; in a callback nobody would see it
            combined = Verdict("error", None, f"{type(error).__name__}: {error}")
        if not isinstance(combined, Future):
            combined = done_with(combined)
        combined.add_done_callback(deliver)

    for future in futures:
        future.add_done_callback(finish)
    return whole


def done_with(verdict: Verdict) -> Future[Verdict]:
    """A future that has its verdict already."""
    future: Future[Verdict] = Future()
    future.set_result(verdict)
    return future
