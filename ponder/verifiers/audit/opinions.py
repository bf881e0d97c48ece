"""Second opinions on labelled pairs, from implementations that others wrote. Those for development are optional."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ponder.tasks.rule_rows import with_types
from ponder.verifiers.audit.measure import HANG_S
from ponder.verifiers.audit.oracles import bfcl, ifeval
from ponder.verifiers.files.rows import LabelledPair
from ponder.verifiers.function_calls import verifier as function_calls
from ponder.verifiers.instructions import INSTRUCTIONS
from ponder.verifiers.pool import WorkerPool

MATH_VERIFY = "ponder.verifiers.audit.oracles.math_verify:compare"  # in worker processes: it may hang
BFCL_TYPES = {"object": "dict", "number": "float"}  # its checker knows no others


@dataclass(frozen=True)
class Opinion:
    """Whether an oracle finds a response correct; None with why there is no opinion: "error", "timeout", or "not asked"
    where the pair is beyond what the oracle knows."""

    correct: bool | None
    failure: str | None = None


@dataclass(frozen=True)
class Oracle:
    """`missing` says why it is not here, if it is not; `opinions` judges pairs."""

    name: str
    missing: Callable[[], str | None]
    opinions: Callable[[Sequence[LabelledPair]], list[Opinion]]


def _math(pairs: Sequence[LabelledPair]) -> list[Opinion]:
    """math-verify in worker processes, with the deadline that counts as a hang."""
    with WorkerPool(workers=2, deadline_s=HANG_S) as pool:
        futures = [
            pool.submit({"run": MATH_VERIFY, "reference": str(pair.task.reference), "text": pair.response.content})
            for pair in pairs
        ]
        results = [future.result() for future in futures]
    return [
        Opinion(None, r["status"]) if r["status"] in ("error", "timeout") else Opinion(r["status"] == "correct")
        for r in results
    ]


def _instructions(pairs: Sequence[LabelledPair]) -> list[Opinion]:
    return [_instruction(pair) for pair in pairs]


def _instruction(pair: LabelledPair) -> Opinion:
    reference = pair.task.reference
    (name,) = reference["instruction_id_list"]
    if not INSTRUCTIONS[name].official or not pair.response.content.strip():
        return Opinion(None, "not asked")
    return Opinion(ifeval.follow(pair.response.content, reference, reference["mode"] == "loose")[0])


def _function_calls(pairs: Sequence[LabelledPair]) -> list[Opinion]:
    return [_function_call(pair) for pair in pairs]


def _function_call(pair: LabelledPair) -> Opinion:
    """BFCL checks calls that have been read; reading them is ours, and where there is none it has nothing to check."""
    tools = function_calls.tools_by_name(pair.task.tools)
    try:
        calls = function_calls.calls_of(pair.task, pair.response, tools)
    except function_calls.MalformedCall:
        return Opinion(None, "not asked")
    if not calls or not pair.task.reference:
        return Opinion(None, "not asked")
    category = "parallel" if len(pair.task.reference) > 1 else "multiple" if len(tools) > 1 else "simple_python"
    decoded = [{"name": call.name, "arguments": call.arguments} for call in calls]
    try:
        return Opinion(bfcl.check(decoded, with_types(list(tools.values()), BFCL_TYPES), pair.task.reference, category))
    except Exception:  # what its own faults raise is of any type
        return Opinion(None, "error")


ORACLES = {
    "math": Oracle("math-verify", lambda: None, _math),
    "instructions": Oracle("IFEval's checker", ifeval.available, _instructions),
    "function_calls": Oracle("BFCL's checker", bfcl.available, _function_calls),
}
