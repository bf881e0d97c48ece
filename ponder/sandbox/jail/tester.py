"""Test code in a worker of its own: the program lives in another, and only data comes back from it.

Names that the test code uses and nobody defines stand for the program's (jail.remote). No object of the program is ever
compared here, only data that was rebuilt from what its process sent.
"""

import ast
import asyncio
import builtins
import inspect
import itertools
import linecache
import socket
import sys
import types
import unittest
from json import dumps

from jail import errors, execution, remote, wire

VERDICT = b"!"


def run_tests(judge: socket.socket, job: dict) -> int:
    """Message in: {"code", "setup", "entry_point"}; out: requests to the program, and at the end the verdict."""
    execution.put_stdin(b"")
    request = wire.receive_json(judge)
    wire.send(judge, execution.STARTED)
    try:
        failure = _failure(remote.Link(judge), request)
    except remote.JudgeGone:
        return 0
    wire.send(judge, VERDICT + dumps(failure).encode())
    return 0


def _failure(link: remote.Link, request: dict) -> dict | None:
    """None when all tests pass, else what went wrong first.

    {"kind": "program" or "tests", ...}: whose fault it is. Only what the program cannot have caused is the tests' own.
    """
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    unittest.main = lambda *args, **kwargs: None  # the cases are run below
    for name in ("solution", "candidate", "main"):  # `from solution import f` means the program too
        sys.modules[name] = remote.module(name, link)
    for name, text in (("setup.py", request["setup"]), ("tests.py", request["code"])):
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # tracebacks show the lines
    try:
        setup, code = compile(request["setup"], "setup.py", "exec"), compile(request["code"], "tests.py", "exec")
        used = _global_names(request["setup"] + "\n" + request["code"])
    except (SyntaxError, ValueError) as error:
        return {"kind": "tests", **errors.describe(error)}
    try:
        _run(link, module, setup, code, used, request["entry_point"])
    except remote.JudgeGone:
        raise
    except BaseException as error:
        # Missing modules and broken code are the tests' own, unless it was the program that raised such an error.
        own = isinstance(error, SyntaxError | ImportError) and not link.has_raised(error)
        return {"kind": "tests" if own else "program", **errors.describe(error)}
    if not link.asked:
        message = "the test code never asked the program for anything"
        return {"kind": "tests", "type": "ValueError", "message": message, "traceback": ""}
    return None


def _run(link: remote.Link, module: types.ModuleType, setup, code, used: set[str], entry_point: str | None) -> None:
    names = module.__dict__
    wanted = used - set(dir(builtins)) - set(names)
    names.update(link.look_up(sorted(wanted)))
    exec(setup, names)
    if entry_point is not None:
        names[entry_point] = link.proxy(entry_point)
    exec(code, names)
    if entry_point is not None and isinstance(names.get("check"), types.FunctionType):
        names["check"](link.proxy(entry_point))
    for name, function in list(names.items()):
        if name.startswith("test_") and isinstance(function, types.FunctionType):
            _run_function(function)
    for name, kind in list(names.items()):
        if isinstance(kind, type) and kind.__module__ == "__main__":
            if issubclass(kind, unittest.TestCase):
                _run_case(kind)
            elif name.startswith("Test"):
                _run_class(kind)


def _global_names(source: str) -> set[str]:
    """Names that the code reads somewhere and binds nowhere."""
    read, bound = set(), set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case ast.Name(id=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)
            case ast.ClassDef(name=name) | ast.arg(arg=name):
                bound.add(name)
            case ast.alias(name=name, asname=other):
                bound.add(other or name.split(".")[0])
            case ast.ExceptHandler(name=str() as name):
                bound.add(name)
    return read - bound


def _run_function(function, *before) -> None:
    """A test function, parametrised ones once for each set. ImportError for a fixture, which nobody provides here."""
    for arguments in _parametrised(function):
        expected = list(inspect.signature(function).parameters)[len(before) :]
        missing = [name for name in expected if name not in arguments]
        if missing:
            raise ImportError(f"{function.__name__} asks for the fixture {missing[0]!r}; fixtures are not supported")
        result = function(*before, **arguments)
        if inspect.iscoroutine(result):
            asyncio.run(result)


def _parametrised(function) -> list[dict]:
    """The sets of arguments that pytest.mark.parametrize gives a function; one empty set where there is none."""
    axes = []
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            given = mark.args[0]
            names = [n.strip() for n in given.split(",")] if isinstance(given, str) else list(given)
            axes.append([_named(names, values) for values in mark.args[1]])
    return [{k: v for part in parts for k, v in part.items()} for parts in itertools.product(*axes)]


def _named(names: list[str], values: object) -> dict:
    """One set of arguments: a tuple for several names, the value itself for one, either perhaps a pytest.param."""
    if type(values).__name__ == "ParameterSet":
        return dict(zip(names, values.values, strict=True))
    return dict(zip(names, values, strict=True)) if len(names) > 1 else {names[0]: values}


def _run_case(kind: type[unittest.TestCase]) -> None:
    """A class of unittest's; a failure is raised, where a result object would collect it."""
    kind.setUpClass()
    for case in unittest.defaultTestLoader.loadTestsFromTestCase(kind):
        try:
            case.debug()
        except unittest.SkipTest:
            continue
    kind.tearDownClass()


def _run_class(kind: type) -> None:
    """A plain class Test*, as pytest takes it."""
    for name, method in list(vars(kind).items()):
        if name.startswith("test_") and isinstance(method, types.FunctionType):
            instance = kind()
            if hasattr(instance, "setup_method"):
                _run_function(kind.setup_method, instance)
            _run_function(method, instance)
