"""Verdicts without a recipe or a run: one function for each verifier, to import into any trainer.

They may be called from any thread, and never raise for what a response holds; a reference that cannot be used is an
`error` verdict, whose reason says what to write instead. Worker processes and the sandbox start with the first response
that needs them, are shared by all calls of a process, and end with it. To judge many responses at a time use
`verify_batch`, or a Verification.
"""

import atexit
import json
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ponder.tasks.task import Task
from ponder.verifiers.response import Response, as_response
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verification import Verification

Given = str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | Response  # what counts as a response: see as_response

_lock = threading.Lock()
_verification: Verification | None = None


def verify_math(response: Given, reference: str | int | float | list) -> Verdict:
    """Whether the final answer equals the reference, by value.

    `response` is the whole text, thinking included: only what follows the end of the thought (its first `</think>`) counts, there the last
    `\\boxed{}`, or without a box the answer as it is stated. `reference` is LaTeX or plain text; a list is several
    answers that belong together.

    >>> verify_math("so we get \\\\boxed{0.5}", "\\\\frac{1}{2}").status
    'correct'
    """
    return _verify("math", response, reference)


def verify_choice(response: Given, reference: str, choices: Sequence[str] = ()) -> Verdict:
    """Whether the response chooses the letter `reference`. `choices`, the texts of the options, may be stated instead.

    >>> verify_choice('"answer": "B"', "B").status
    'correct'
    """
    return _verify("choice", response, reference, metadata={"choices": list(choices)} if choices else {})


def verify_instructions(
    response: Given,
    instruction_id_list: Sequence[str],
    kwargs: Sequence[Mapping[str, Any]],
    loose: bool = False,
) -> Verdict:
    """Whether all instructions are followed, by the rules of IFEval; `parts` has a verdict on each.

    `instruction_id_list` and `kwargs` are those of IFEval's rows; ponder.verifiers.instructions lists further types.

    >>> verify_instructions("there are no capitals here at all", ["change_case:english_lowercase"], [{}]).status
    'correct'
    """
    reference = {"instruction_id_list": instruction_id_list, "kwargs": kwargs}
    return _verify("instructions", response, reference | ({"mode": "loose"} if loose else {}))


def verify_function_calls(
    response: Given,
    functions: Sequence[Mapping[str, Any]],
    reference: Sequence[Mapping[str, Any]],
    call_form: str = "auto",
) -> Verdict:
    """Whether the right functions are called with right arguments, by the rules of BFCL's AST checker.

    `functions` are their descriptions (OpenAI's form or BFCL's), `reference` is BFCL's ground truth:
    [{name: {parameter: [accepted values]}}], with "" among them where the parameter may be left out; [] where no call
    is right. The response is a chat message, a list of calls, or a text with calls in it, of which `call_form` names the
    only form that counts (ponder.chat.call_forms has the list; "auto" is any of them).
    """
    metadata = {} if call_form == "auto" else {"call_form": call_form}
    return _verify("function_calls", response, reference, tools=functions, metadata=metadata)


def verify_code(
    response: Given, tests: Sequence[Mapping[str, Any]] | Mapping[str, Any], fraction: bool = False
) -> Verdict:
    """Whether the program in the last fence passes the tests, run in a sandbox of this machine (Linux).

    `tests` is a list of tests (ponder.tasks.code_tests), or {"tests": [...], "limits": {...}, ...}. With `fraction` the
    score is the share of tests passed, else 1 or 0. IsolationError where this machine cannot isolate programs.
    """
    reference = dict(tests) if isinstance(tests, Mapping) else {"tests": list(tests)}
    return _verify("code", response, reference, metadata={"score": "fraction"} if fraction else {})


def verify_batch(verifier: str, responses: Sequence[Given], references: Sequence[Any], **task: Any) -> list[Verdict]:
    """Verdicts on many responses, in their order; those that need a worker process or the sandbox run side by side.

    `references` are those of the verifier's tasks; `task` may give `tools` and `metadata` that hold for all of them.
    """
    pairs = zip(responses, references, strict=True)
    futures = [
        shared_verification().submit(task_of(verifier, reference, **task), as_response(response))
        for response, reference in pairs
    ]
    return [future.result() for future in futures]


def task_of(verifier: str, reference: Any, tools: tuple[dict, ...] = (), metadata: dict | None = None) -> Task:
    """A task for judging alone: nobody asks its question, so its reference tells it from others."""
    try:
        name = json.dumps(reference, sort_keys=True, default=str)
    except (TypeError, ValueError, RecursionError):  # no JSON, or too large a number: the verifier will say so
        name = ""
    # Not in the user's message, which instructions on the prompt's language look at.
    messages = ({"role": "system", "content": name}, {"role": "user", "content": ""})
    return Task(messages, verifier, verifier, reference, tools=tools, metadata=metadata or {})


def shared_verification() -> Verification:
    """The one Verification of this process, made when first asked for."""
    global _verification
    with _lock:
        if _verification is None:
            _verification = Verification()
            atexit.register(_verification.close)
        return _verification


def _verify(verifier: str, response: Given, reference: Any, **task: Any) -> Verdict:
    return verify_batch(verifier, [response], [reference], **task)[0]


def _forget_verification() -> None:
    """In a forked child: the parent's worker processes and threads are not the child's."""
    global _verification, _lock
    if _verification is not None:
        atexit.unregister(_verification.close)  # it would wait for threads that the child does not have
    _verification, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_verification)
