"""The official judges of programs, as small peers: what each says of a program, in a fresh Python and without isolation.

Only for programs of our own making. HumanEval and MBPP: the program and its tests are executed together, and nothing may be
raised (openai/human-eval, execution.py; google-research/mbpp, README). LiveCodeBench: as its runner/testing_util.py grades.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

TIMEOUT_S = 30.0  # human-eval has 3 s; a loaded machine takes longer
RUNNER = """
import sys
try:
    exec(sys.stdin.read(), {})
except BaseException:
    sys.exit(1)
"""


def humaneval_program(row: dict, completion: str) -> str:
    """human-eval's check program; `completion` follows the prompt."""
    return f"{row['prompt']}{completion}\n{row['test']}\ncheck({row['entry_point']})"


def mbpp_program(row: dict, code: str) -> str:
    return "\n".join([code, row.get("test_setup_code") or "", *row["test_list"]])


def accepted(programs: Sequence[str]) -> list[bool]:
    """Of each program that is executed by itself, whether nothing is raised."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(_accepted, programs))


def _accepted(program: str) -> bool:
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", RUNNER], input=program.encode(), capture_output=True, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


# ---- LiveCodeBench ----

STDIN = """
import contextlib, io, json, sys
from decimal import Decimal
{imports}
def lines_of(text):
    return [line.strip() for line in text.strip().split("\\n")]

def decimals(line):
    try:
        return [Decimal(word) for word in line.split()]
    except Exception:
        return None

def same(said, wanted):
    said, wanted = lines_of(said), lines_of(wanted)
    if len(said) != len(wanted):
        return False
    for mine, right in zip(said, wanted):
        if mine == right:
            continue
        a, b = decimals(mine), decimals(right)
        if a is None or b is None or a != b:
            return False
    return True

for case in json.loads({cases!r}):
    out, sys.stdin = io.StringIO(), io.StringIO(case["input"])
    with contextlib.redirect_stdout(out):
        try:
            exec({code!r}, {{"__name__": "__main__"}})
        except SystemExit:
            pass
    assert same(out.getvalue(), case["output"])
"""
FUNCTIONAL = """
import json
{imports}
space = {{"__name__": "tmp_sol"}}
exec({code!r}, space)
holder = space["Solution"]() if "class Solution" in {code!r} else None
for case in json.loads({cases!r}):
    arguments = [json.loads(line) for line in case["input"].split("\\n")]
    found = getattr(holder, {name!r})(*arguments) if holder else space[{name!r}](*arguments)
    if isinstance(found, tuple):
        found = list(found)  # a tuple is not held against a model
    assert found == json.loads(case["output"])
"""
IMPORTS = "import sys, math, heapq, collections, itertools, functools, bisect, string, re\nfrom typing import *\n"


def livecodebench_program(cases: list[dict], code: str, name: str | None) -> str:
    """`name`: of the function, where the cases call one."""
    form = STDIN if name is None else FUNCTIONAL
    return form.format(imports=IMPORTS, cases=json.dumps(cases), code=IMPORTS + code, name=name)


# ---- programs that are not right ----


def broken(code: str, function: str = "") -> str:
    """The program whose functions (or only one) return something that no test asks for."""
    return _rewritten(code, function, _Sentinel())


def subtly_wrong(code: str, function: str = "") -> str | None:
    """The program (or one function of it) with one comparison, operation or number changed: it may still be right. None where
    there is none of them."""
    change = _OneChange()
    changed = _rewritten(code, function, change)
    return changed if change.done else None


def _rewritten(code: str, function: str, change: ast.NodeTransformer) -> str:
    tree = ast.parse(code.replace("\r\n", "\n"))
    tree.body = [
        node if function and getattr(node, "name", "") != function else change.visit(node) for node in tree.body
    ]
    return ast.unparse(ast.fix_missing_locations(tree))


class _Sentinel(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.body = [ast.Return(ast.Constant("<no such answer>"))]
        return node


_COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
_COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Mod: ast.FloorDiv}


class _OneChange(ast.NodeTransformer):
    def __init__(self) -> None:
        self.done = False

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if self.done:
            return node
        if isinstance(node, ast.Compare) and (other := _COMPARED.get(type(node.ops[0]))):
            self.done, node.ops[0] = True, other()
        elif isinstance(node, ast.BinOp) and (other := _COMPUTED.get(type(node.op))):
            self.done, node.op = True, other()
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            self.done, node.value = True, node.value + 1
        return node if self.done else super().generic_visit(node)
