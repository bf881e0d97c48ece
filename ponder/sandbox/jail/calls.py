"""A program whose functions are called, one by one, as the judge asks.

Each request and its answer begin with the same secret number. After it, an answer has a letter and JSON: r, a result as
JSON has it; v, a value as ponder's wire has it (jail.wire); n, why a result is no data; e, what was raised.
"""

import inspect
import operator
import os
import socket
import sys
import types

# Held by name here: a program may replace what the module offers.
from json import dumps, loads

from jail import errors, execution, wire

LOADING = b"loading."  # in place of a number: the one answer that nobody asked for
RESULT, VALUE, NO_DATA, ERROR = b"r", b"v", b"n", b"e"
# What test code may do with an object of the program, by the name of the method that Python would call.
OPERATORS = {
    f"__{name}__": getattr(operator, name)
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "neg", "pos", "abs", "lt", "le", "gt", "ge")
} | {"__contains__": operator.contains, "__getitem__": operator.getitem, "__setitem__": operator.setitem}


def serve_calls(judge: socket.socket, job: dict) -> int:
    """Loads the program once and answers until the judge closes the channel. Message: source."""
    codes = execution.receive_program(judge, job)
    if codes is None:
        return 1
    own_pid = os.getpid()
    wire.send(judge, execution.STARTED)
    module = types.ModuleType("solution")
    module.__file__ = codes[-1].co_filename
    sys.modules["solution"] = module
    try:
        for code in codes[:-1]:
            exec(code, module.__dict__)
        given = dict(module.__dict__)
        exec(codes[-1], module.__dict__)
    except BaseException as error:
        leave_if_forked(own_pid)
        wire.send(judge, LOADING + ERROR + dumps(errors.describe(error)).encode())
        return 1
    leave_if_forked(own_pid)
    wire.send(judge, LOADING + RESULT + b"null")
    own = {name for name, value in module.__dict__.items() if name not in given or given[name] is not value}
    calls = _Calls(module.__dict__, own, job["sets_as_lists"])
    while True:
        try:
            message = wire.receive(judge)
        except EOFError:
            return 0
        number, request = message[: wire.NUMBER], message[wire.NUMBER :]
        answer = calls.answer(request)
        leave_if_forked(own_pid)
        wire.send(judge, number + answer)


def leave_if_forked(own_pid: int) -> None:
    """Ends a copy of this process that the program has made by fork: only process 1 speaks with the judge."""
    if os.getpid() != own_pid:
        os._exit(0)


class _Calls:
    """Answers requests on the objects of one module. What is no data is kept here under a number (a handle)."""

    def __init__(self, names: dict, own: set[str], sets_as_lists: bool):
        """`own` are the names that the program itself has bound, not its preamble."""
        self._names, self._own, self._sets_as_lists = names, own, sets_as_lists
        self._kept: list[object] = []

    def answer(self, asked: bytes) -> bytes:
        """The program may replace what this code uses: it can only fool itself, since all that leaves is its answer."""
        request = loads(asked)
        try:
            if "function" in request:
                value = self._resolve(request["function"])(*request["args"], **request["kwargs"])
                return RESULT + dumps(value, default=self._as_json).encode()
            if "check" in request:  # the checker's: what came from a program is text until here
                given, got, expected = request["check"]
                return RESULT + dumps(self._names["check"](given, loads(got), expected)).encode()
            return VALUE + dumps(wire.to_data(self._operate(request), self._keep)).encode()
        except _NotData as error:
            return NO_DATA + dumps(str(error)).encode()
        except BaseException as error:
            return ERROR + dumps(errors.describe(error)).encode()

    def _resolve(self, path: str):
        """`f`, `Class.method` (an instance made without arguments), or a method of the class Solution."""
        first, *rest = path.split(".")
        if first not in self._own and not rest and hasattr(self._names.get("Solution"), first):
            first, rest = "Solution", [first]
        if first not in self._names:
            raise NameError(f"the program defines no {first!r}")
        target = self._names[first]
        for name in rest:
            if isinstance(target, type) and not isinstance(vars(target).get(name), staticmethod | classmethod):
                target = target()
            target = getattr(target, name)
        return target

    def _operate(self, request: dict):
        """One step of test code on an object of the program: its arguments are data, or handles of earlier results."""
        args = [wire.from_data(item, self._kept.__getitem__) for item in request["args"]]
        operation = request["operation"]
        if operation == "names":
            return {name: self._kind(name) for name in args if name in self._names}
        target = request["target"]
        target = self._kept[target] if isinstance(target, int) else self._resolve(target)
        match operation:
            case "call":
                kwargs = {k: wire.from_data(v, self._kept.__getitem__) for k, v in request["kwargs"].items()}
                return target(*args, **kwargs)
            case "attribute":
                return getattr(target, *args)
            case "set attribute":
                return setattr(target, *args)
            case "iterate":
                return list(target)
            case "next":
                return next(target)
            case "length":
                return len(target)
            case "text":
                return str(target)
            case "repr":
                return repr(target)
            case "is instance":
                return isinstance(args[0], target)
            case "enter":
                return target.__enter__()
            case "exit":
                return target.__exit__(None, None, None)
            case "fields":
                return [type(target).__qualname__, _fields(target)]
            case "run":
                import asyncio

                return asyncio.run(target)
        return OPERATORS[operation](target, *args)

    def _kind(self, name: str) -> tuple:
        """What a global of the program is, for the tests' side: ("data", value), ("exception", bases), ("callable",)."""
        value = self._names[name]
        if isinstance(value, type) and issubclass(value, Exception):
            return "exception", errors.builtin_bases(value)
        if isinstance(value, type) or callable(value):
            return ("callable",)
        return "data", value

    def _keep(self, value: object) -> int:
        self._kept.append(value)
        if inspect.iscoroutine(value):
            return -len(self._kept)  # the tests' side may await it
        return len(self._kept) - 1

    def _as_json(self, value: object):
        """What `json.dumps` cannot write by itself."""
        if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
            return value.tolist()
        if self._sets_as_lists and isinstance(value, set | frozenset):
            return list(value)
        raise _NotData(f"a {type(value).__name__} is not JSON")


def _fields(value: object) -> dict:
    """What an object holds, by name: two objects of the program are equal for the tests when these are."""
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return {**held, **getattr(value, "__dict__", {})}


class _NotData(TypeError):
    """The result of a call cannot cross over."""
