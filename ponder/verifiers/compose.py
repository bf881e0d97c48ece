"""Verdicts composed of verdicts, as a recipe's `reward` says (ponder.recipe.reward): gate, product, weighted sum."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from math import nextafter, prod
from threading import Lock
from typing import Any

from ponder.recipe.reward import REWARD, Check, Gate, Product, WeightedSum
from ponder.verifiers.verdict import Part, Verdict

FORMS = ("gate", "product", "sum")  # names of parts that are made of parts themselves
Submit = Callable[[str | None, Any], Future[Verdict]]  # (verifier, its reference); None: the task's own


def compose(reward: Any, submit: Submit) -> Future[Verdict]:
    """The future verdict of a reward in JSON form. `submit` starts one verifier and returns at once.

    A part that ends in `error` or `timeout` makes the whole one that, where no score can be said without it.
    ValueError for a reward of no known form.
    """
    return _start(REWARD.validate_python(reward), submit)


def asked_of(reward: Any) -> list[tuple[str | None, Any]]:
    """Whom a reward in JSON form may ask: (verifier, its reference) of all parts; None for the task's own.

    ValueError for a reward of no known form.
    """
    return list(_leaves(REWARD.validate_python(reward)))


def _leaves(reward: Any) -> Iterator[tuple[str | None, Any]]:
    match reward:
        case "task":
            yield None, None
        case str(name):
            yield name, None
        case Check(verifier=name, reference=reference):
            yield name, reference
        case Gate(gate=checks, then=then):
            yield from (leaf for part in (*checks, then) for leaf in _leaves(part))
        case Product(product=factors):
            yield from (leaf for part in factors for leaf in _leaves(part))
        case WeightedSum(sum=shares):
            yield from (leaf for share in shares for leaf in _leaves(share.of))


def _start(reward: Any, submit: Submit) -> Future[Verdict]:
    match reward:
        case "task":
            return submit(None, None)
        case str(name):
            return submit(name, None)
        case Check(verifier=name, reference=reference):
            return submit(name, reference)
        case Gate(gate=checks, then=then):
            names = [_name(check) for check in checks]
            started = [_start(check, submit) for check in checks]
            return _when_all(started, lambda verdicts: _gated(names, verdicts, then, submit))
        case Product(product=factors):
            names = [_name(factor) for factor in factors]
            return _when_all([_start(f, submit) for f in factors], lambda verdicts: _product(names, verdicts))
        case WeightedSum(sum=shares):
            names, total = [_name(share.of) for share in shares], sum(share.weight for share in shares)
            weights = [share.weight / total for share in shares]
            return _when_all([_start(s.of, submit) for s in shares], lambda v: _weighted(names, v, weights))
    raise AssertionError(reward)


def _gated(names: list[str], verdicts: list[Verdict], then: Any, submit: Submit) -> Verdict | Future[Verdict]:
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

    return _when_all([_start(then, submit)], add_gates)


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
