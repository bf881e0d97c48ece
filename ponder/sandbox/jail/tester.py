"""Test code in a worker of its own: the program runs in another, and only data comes back from it.

Names that the test code uses and nobody defines stand for the program's (jail.names). No object of the program is ever
compared with data here, only data that was rebuilt from what its process sent (jail.handles).
"""

import ast
import linecache
import os
import socket
import sys
import types
import unittest
from json import dumps

from jail import cases, errors, execution, functions, link, names, raised, wire
from jail.surroundings import Surroundings

VERDICT = b"!"
MODULES = ("solution", "candidate", "main")  # `from solution import f` means the program


def run_tests(judge: socket.socket, job: dict) -> int:
    """Message in: {"code", "setup", "entry_point"}; out: requests to the program, and at the end the verdict."""
    execution.put_stdin(b"")
    request = wire.receive_json(judge)
    wire.send(judge, execution.STARTED)
    try:
        failure = _failure(judge, request)
    except link.JudgeGone:
        return 0
    wire.send(judge, VERDICT + dumps(failure).encode())
    return 0


def _failure(judge: socket.socket, request: dict) -> dict | None:
    """None when all tests pass, else what went wrong first.

    {"kind": "program", "tests" or "crossing", ...}: whose fault it is. Only what the program cannot have caused is the
    tests' own; "crossing" is a result that cannot be judged here.
    """
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    module.__file__ = os.path.abspath("tests.py")
    unittest.main = lambda *args, **kwargs: None  # the cases are run below
    for name, text in (("setup.py", request["setup"]), ("tests.py", request["code"])):
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # tracebacks show the lines
    try:
        setup, code = compile(request["setup"], "setup.py", "exec"), compile(request["code"], "tests.py", "exec")
    except (SyntaxError, ValueError) as error:
        return {"kind": "tests", **errors.describe(error)}
    program = link.Link(judge, Surroundings(request["setup"] + request["code"]))
    tree = ast.parse(request["setup"] + "\n" + request["code"])
    for name in MODULES:
        sys.modules[name] = names.module(name, program, tree)
    try:
        _run(program, module, setup, code, tree, request)
    except link.JudgeGone:
        raise
    except BaseException as error:
        return {"kind": _whose(error, program), **errors.describe(_from_the_tests_on(error))}
    if not program.asked:
        message = "the test code never asked the program for anything"
        return {"kind": "tests", "type": "ValueError", "message": message, "traceback": ""}
    return None


def _whose(error: BaseException, program: link.Link) -> str:
    """Missing modules and broken code are the tests' own, unless it was the program that raised such an error."""
    if isinstance(error, raised.NotData):
        return "crossing"
    if isinstance(error, SyntaxError | ImportError | raised.CannotCross | cases.Unusable):
        return "program" if program.has_raised(error) else "tests"
    return "program"


def _from_the_tests_on(error: BaseException) -> BaseException:
    """Without the frames of whoever ran the tests."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename not in ("tests.py", "setup.py"):
        frames = frames.tb_next
    return error.with_traceback(frames or error.__traceback__)


def _run(program: link.Link, module: types.ModuleType, setup, code, tree: ast.AST, request: dict) -> None:
    found, entry_point = module.__dict__, request["entry_point"]
    found.update(names.look_up(program, tree, set(found), entry_point))
    if "pytest" in request["setup"] + request["code"]:
        cases.hold_pytest()
    try:
        exec(setup, found)
        if entry_point is not None:
            candidate = found[entry_point] = _candidate(program, entry_point)
        exec(code, found)
    except BaseException as error:
        if cases.is_skip(error):  # the whole module says that it is not for here
            return
        raise
    if entry_point is not None and isinstance(found.get("check"), types.FunctionType):
        found["check"](candidate)
    cases.run_all(module, request["code"])


def _candidate(program: link.Link, entry_point: str) -> object:
    """What the tests are handed: a class of the program's, or whatever can be called by that name."""
    if entry_point.isidentifier():
        for _, value in program.ask("names", None, (entry_point,)):
            if isinstance(value, type):
                return names.called_by(value, entry_point)
    return functions.Path(program, entry_point, entry_point)
