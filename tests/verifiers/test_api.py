"""The functions for other trainers: same verdicts as in a run, from any thread, from an event loop, after a fork."""

import asyncio
import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ponder.sandbox.levels import IsolationError
from ponder.verifiers import (
    Verification,
    verify_batch,
    verify_choice,
    verify_code,
    verify_function_calls,
    verify_instructions,
    verify_math,
)
from ponder.verifiers.api import task_of
from ponder.verifiers.response import as_response

MATH = [
    ("\\boxed{0.5}", "\\frac{1}{2}", "correct"),
    ("<think>\\boxed{0.5}</think>\\boxed{2}", "\\frac{1}{2}", "wrong"),
    ("<think>\\boxed{0.5}", "\\frac{1}{2}", "unparseable"),
]
HARD = ("aaaa", ["keywords:existence"], [{"keywords": ["(a|aa)+b"]}])  # an expression of a task: for a worker process
TOOL = {"name": "area", "parameters": {"type": "dict", "properties": {"r": {"type": "integer"}}, "required": ["r"]}}


def test_each_verifier():
    assert [verify_math(response, reference).status for response, reference, _ in MATH] == [s for *_, s in MATH]
    assert verify_choice('so "answer": "C"', "C").status == "correct"
    assert verify_choice("The answer is Rome.", "B", choices=["Paris", "Rome"]).status == "correct"
    lower = verify_instructions(
        "<think>YES</think>this is all there is to say", ["change_case:english_lowercase"], [{}]
    )
    assert (lower.status, lower.parts[0].name) == ("correct", "change_case:english_lowercase")
    starred = verify_instructions("*no*, yes", ["startend:quotation"], [{}], loose=True)
    assert starred.status == "wrong"
    german = "Das ist ein Satz, und hier kommt noch einer."
    assert verify_instructions(german, ["language:consistent"], [{"language": "de"}]).status == "correct"
    assert verify_instructions(german, ["language:consistent"], [{}]).status == "error", "no prompt says which language"
    call = '<tool_call>\n{"name": "area", "arguments": {"r": 2}}\n</tool_call>'
    truth = [{"area": {"r": [2]}}]
    assert verify_function_calls(call, [TOOL], truth).status == "correct"
    message = {"tool_calls": [{"type": "function", "function": {"name": "area", "arguments": '{"r": 3}'}}]}
    assert verify_function_calls(message, [TOOL], truth).status == "wrong"
    assert verify_function_calls("No function fits.", [TOOL], []).status == "correct"


def test_code_runs_in_a_sandbox():
    tests = [{"function": "f", "args": [2], "expected": 4}, {"function": "f", "args": [3], "expected": 9}]
    half = "```python\ndef f(x):\n    return x + x\n```"
    try:
        assert verify_code(half, tests).score == 0.0
    except IsolationError as error:
        pytest.skip(f"this machine cannot isolate programs: {error}")
    assert verify_code(half, {"tests": tests}, fraction=True).score == 0.5
    assert verify_code(half.replace("+", "*"), tests).status == "correct"


def test_an_unusable_reference_is_an_error_not_a_zero():
    for verdict in (
        verify_math("\\boxed{1}", ""),
        verify_choice("C", "3"),
        verify_instructions("a", ["no:such"], [{}]),
    ):
        assert (verdict.status, verdict.score) == ("error", None)
        assert len(verdict.reason) > 20


def test_batches_keep_their_order():
    verdicts = verify_batch("math", [response for response, *_ in MATH], [reference for _, reference, _ in MATH])
    assert [verdict.status for verdict in verdicts] == [status for *_, status in MATH]


def test_threads_and_an_event_loop_see_the_same_verdicts():
    expected = [verify_math(response, reference) for response, reference, _ in MATH]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda row: verify_math(row[0], row[1]), MATH * 8)) == expected * 8
        assert set(threads.map(lambda _: verify_instructions(*HARD).status, range(16))) == {"wrong"}

    async def together(verification):
        return await asyncio.gather(
            *(verification.verify(task_of("math", reference), as_response(response)) for response, reference, _ in MATH)
        )

    with Verification() as verification:
        assert asyncio.run(together(verification)) == expected


def _in_child(queue):
    queue.put(verify_instructions(*HARD).status)


def test_a_forked_child_has_workers_of_its_own():
    assert verify_instructions(*HARD).status == "wrong"
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == "wrong"
    child.join(timeout=60)
    assert child.exitcode == 0
    assert verify_instructions(*HARD).status == "wrong"  # and the parent's still answer


def test_a_forked_child_that_judges_nothing_ends_by_itself():
    program = (
        f"import os, sys\nfrom ponder.verifiers import verify_instructions\nverify_instructions(*{HARD!r})\n"
        "child = os.fork()\nif child: print(os.waitpid(child, 0)[1])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("0\n", "")


def test_the_interpreter_ends_by_itself_and_torch_is_never_imported():
    program = (
        "import sys\nfrom ponder.verifiers import verify_instructions, verify_math\n"
        f"print(verify_instructions(*{HARD!r}).status, verify_math('\\\\sqrt 4', '2').status)\n"
        "print('torch' in sys.modules, 'sympy' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (ended.stdout.split(), ended.stderr, ended.returncode) == (["wrong", "correct", "False", "False"], "", 0)
