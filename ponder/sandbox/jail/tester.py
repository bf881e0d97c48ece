"""Test code in a worker of its own: the program lives in another, and only data comes back from it.

Names that the test code uses and nobody defines stand for the program's. Calling one asks the judge, who asks the
program's worker. What comes back is rebuilt from data here, so no object of the program is ever compared, and one that
is no data (an instance of its own class) is a `Handle`: comparing it with data, or asking for its truth, is an error.
"""

import ast
import builtins
import inspect
import itertools
import linecache
import socket
import sys
import types
import unittest
from json import dumps, loads

from jail import errors, execution, wire

REQUEST, VERDICT = b"?", b"!"  # the first byte of a message tells
# Raised on this side they would end a loop or the tests early, as if all were well.
NOT_RAISED_HERE = (StopIteration, StopAsyncIteration)


class CandidateError(Exception):
    """The program raised something that is no ordinary built-in exception."""


class NotData(TypeError):
    """The program returned an object where the test code needs data."""


class JudgeGone(BaseException):
    """The judge has closed the channel. No test code catches this."""


def run_tests(judge: socket.socket, job: dict) -> int:
    """Message in: {"code", "setup", "entry_point"}; out: requests to the program, and at the end the verdict."""
    execution.put_stdin(b"")
    request = wire.receive_json(judge)
    wire.send(judge, execution.STARTED)
    try:
        failure = _failure(judge, request)
    except JudgeGone:
        return 0
    wire.send(judge, VERDICT + dumps(failure).encode())
    return 0


def _failure(judge: socket.socket, request: dict) -> dict | None:
    """None when all tests pass, else what went wrong first: {"kind": "tests" or "program", "type", "message", ...}."""
    link = _Link(judge)
    module = types.ModuleType("tests")
    names = module.__dict__
    sys.modules["tests"] = module
    # `from solution import f` and `import solution` mean the program too.
    for name in ("solution", "candidate", "main"):
        sys.modules[name] = _CandidateModule(name, link)
    for name, text in (("setup.py", request["setup"]), ("tests.py", request["code"])):
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # tracebacks show the lines
    try:
        setup, code = compile(request["setup"], "setup.py", "exec"), compile(request["code"], "tests.py", "exec")
        used = _global_names(request["code"])
    except (SyntaxError, ValueError) as error:
        return {"kind": "tests", **errors.describe(error)}
    try:
        exec(setup, names)
    except Exception as error:
        return {"kind": "tests", **errors.describe(error)}
    entry_point = request["entry_point"]
    if entry_point is not None:
        names[entry_point] = link.proxy(entry_point)
    for name in used - set(names) - set(dir(builtins)):
        names[name] = link.proxy(name)
    try:
        exec(code, names)
        if entry_point is not None and isinstance(names.get("check"), types.FunctionType):
            names["check"](link.proxy(entry_point))
        _run_functions(names)
        _run_cases(module)
    except JudgeGone:
        raise
    except BaseException as error:
        # An error in test code that the program could not have caused would blame the program: the kind tells.
        kind = "tests" if isinstance(error, SyntaxError | ImportError) else "program"
        return {"kind": kind, **errors.describe(error)}
    return None


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


def _run_functions(names: dict) -> None:
    """The functions called test_*, in the order of the code; parametrised ones once for each set."""
    for name, function in list(names.items()):
        if not (name.startswith("test_") and isinstance(function, types.FunctionType)):
            continue
        for arguments in _parametrised(function):
            missing = [p for p in inspect.signature(function).parameters if p not in arguments]
            if missing:
                raise ImportError(f"{name} asks for the fixture {missing[0]!r}; fixtures are not supported")
            function(**arguments)


def _parametrised(function: types.FunctionType) -> list[dict]:
    """The sets of arguments that pytest.mark.parametrize gives a function; one empty set where there is none."""
    axes = []
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            given = mark.args[0]
            names = [n.strip() for n in given.split(",")] if isinstance(given, str) else list(given)
            sets = [getattr(values, "values", values) for values in mark.args[1]]
            axes.append(
                [
                    dict(zip(names, v if len(names) > 1 or v is not values else (v,), strict=True))
                    for v, values in zip(sets, mark.args[1], strict=True)
                ]
            )
    return [{k: v for part in combination for k, v in part.items()} for combination in itertools.product(*axes)]


def _run_cases(module: types.ModuleType) -> None:
    """The classes of unittest.TestCase, and plain classes Test* as pytest takes them."""
    for name, kind in list(vars(module).items()):
        if not isinstance(kind, type) or kind.__module__ != "tests":
            continue
        if issubclass(kind, unittest.TestCase):
            for case in unittest.defaultTestLoader.loadTestsFromTestCase(kind):
                case.debug()  # raises where a result object would collect
        elif name.startswith("Test"):
            for method in [m for m in vars(kind) if m.startswith("test_")]:
                getattr(kind(), method)()


class _Link:
    """The way to the program: one request, one answer."""

    def __init__(self, judge: socket.socket):
        self._judge = judge

    def proxy(self, name: str) -> "Proxy":
        return Proxy(self, name)

    def ask(self, operation: str, target: str | int, args: tuple = (), kwargs: dict | None = None) -> object:
        request = {
            "operation": operation,
            "target": target,
            "args": [wire.to_data(item, _number_of) for item in args],
            "kwargs": {name: wire.to_data(item, _number_of) for name, item in (kwargs or {}).items()},
        }
        try:
            wire.send(self._judge, REQUEST + dumps(request).encode())
            answer = wire.receive(self._judge)
        except (EOFError, OSError):
            raise JudgeGone from None
        try:  # the program's process wrote this: it may be anything
            answer = loads(answer)
            if "error" not in answer:
                return wire.from_data(answer["value"], lambda number: Handle(self, number))
            raised = _exception(answer["error"]["type"], answer["error"]["message"])
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError) as error:
            raise CandidateError(f"what came back is no value: {type(error).__name__}") from None
        raise raised


def _number_of(value: object) -> int:
    """Only what came from the program can go back to it as it is."""
    if isinstance(value, Handle):
        return object.__getattribute__(value, "_number")
    raise TypeError(f"a {type(value).__name__} of the test code cannot be handed to the program: it is not data")


def _exception(name: str, message: str) -> Exception:
    """The program's exception by its name, if it is a built-in one that is safe to raise here."""
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, NOT_RAISED_HERE):
        try:
            return kind(message)
        except TypeError:  # some want more than a message
            return CandidateError(f"{name}: {message}")
    return CandidateError(f"{name}: {message}")


class Proxy:
    """A global of the program: a function or class to call, or a value to look at."""

    def __init__(self, link: _Link, name: str):
        self._link, self._name = link, name
        self.__name__ = name

    def __call__(self, *args, **kwargs):
        return self._link.ask("call", self._name, args, kwargs)

    def __getattr__(self, attribute: str):
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return _Method(self._link, self._name, attribute)

    def __bool__(self):
        raise TypeError(f"{self._name} is the program's: call it")


class Handle:
    """An object of the program that is no data. It can be handed back, called, iterated and asked for attributes."""

    __slots__ = ("_link", "_number")

    def __init__(self, link: _Link, number: int):
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, attribute: str):
        return _Method(self._link, self._number, attribute)

    def __call__(self, *args, **kwargs):
        return self._link.ask("call", self._number, args, kwargs)

    def __iter__(self):
        return iter(self._link.ask("iterate", self._number))

    def __len__(self):
        return self._link.ask("length", self._number)

    def __getitem__(self, index):
        return self._link.ask("item", self._number, (index,))

    def __str__(self):
        return str(self._link.ask("text", self._number))

    def __eq__(self, other):
        if not isinstance(other, Handle):
            raise NotData("the program returned an object that is not data, where data is compared")
        return self is other

    __hash__ = None

    def __bool__(self):
        raise NotData("the program returned an object that is not data, where a truth value is asked for")


class _Method:
    """An attribute of something of the program's: called, it is a method; compared, its value is fetched."""

    def __init__(self, link: _Link, target: str | int, attribute: str):
        self._link, self._target, self._attribute = link, target, attribute

    def _value(self) -> object:
        if isinstance(self._target, str):
            return self._link.ask("get", f"{self._target}.{self._attribute}")
        return self._link.ask("attribute", self._target, (self._attribute,))

    def __call__(self, *args, **kwargs):
        value = self._value()
        if not isinstance(value, Handle):
            raise TypeError(f"{self._attribute} of the program is not callable")
        return value(*args, **kwargs)

    def __getattr__(self, attribute: str):
        return getattr(self._value(), attribute)

    def __eq__(self, other):
        value = self._value()
        if isinstance(value, Handle):
            return value is other
        return value == (other._value() if isinstance(other, _Method) else other)

    __hash__ = None

    def __bool__(self):
        return bool(self._value())

    def __iter__(self):
        return iter(self._value())

    def __len__(self):
        return len(self._value())

    def __getitem__(self, index):
        return self._value()[index]

    def __repr__(self):
        return repr(self._value())


class _CandidateModule(types.ModuleType):
    def __init__(self, name: str, link: _Link):
        super().__init__(name)
        self.__dict__["__all__"] = []
        self.__dict__["_link"] = link

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._link.proxy(name)
