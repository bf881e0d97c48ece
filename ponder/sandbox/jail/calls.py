"""A program whose functions are called, one by one, as the judge asks.

Each request and its answer begin with the same secret number. After it, an answer has a letter and JSON: r, a result as
JSON has it; v, an envelope for test code (jail.objects); n, why a result is no data; e, what was raised.
"""

import os
import socket
import sys
import types

# Held by name here: a program may replace what the module offers.
from json import dumps, loads

from jail import errors, execution, objects, values, wire

LOADING = b"loading."  # in place of a number: the one answer that nobody asked for
RESULT, VALUE, NO_DATA, ERROR = b"r", b"v", b"n", b"e"


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
    calls = _Calls(module.__dict__, own, job["sets_as_lists"], judge, own_pid)
    while True:
        try:
            request = calls.receive()
        except EOFError:
            return 0
        answer = calls.answer(request)
        leave_if_forked(own_pid)
        calls.send(answer)


def leave_if_forked(own_pid: int) -> None:
    """Ends a copy of this process that the program has made by fork: only process 1 speaks with the judge."""
    if os.getpid() != own_pid:
        os._exit(0)


class _Calls:
    """Answers requests on the objects of one module."""

    def __init__(self, names: dict, own: set[str], sets_as_lists: bool, judge: socket.socket, own_pid: int):
        """`own` are the names that the program itself has bound, not its preamble."""
        self._names, self._own, self._sets_as_lists = names, own, sets_as_lists
        self._judge, self._own_pid, self._number = judge, own_pid, b""
        self._objects = objects.Objects(names, self._resolve, self._talk)

    def receive(self) -> dict:
        message = wire.receive(self._judge)
        self._number = message[: wire.NUMBER]
        return loads(message[wire.NUMBER :])

    def send(self, answer: bytes) -> None:
        wire.send(self._judge, self._number + answer)

    def _talk(self, envelope: dict) -> dict:
        """In the middle of a step of test code: a question to the tests' side, whose answer is the next request."""
        leave_if_forked(self._own_pid)
        self.send(VALUE + dumps(envelope).encode())
        return self.receive()

    def answer(self, request: dict) -> bytes:
        """The program may replace what this code uses: it can only fool itself, since all that leaves is its answer."""
        try:
            if "function" in request:
                value = self._resolve(request["function"])(*request["args"], **request["kwargs"])
                return RESULT + dumps(value, default=self._as_json).encode()
            if "check" in request:  # the checker's: what came from a program is text until here
                given, got, expected = request["check"]
                return RESULT + dumps(self._names["check"](given, loads(got), expected)).encode()
            envelope = self._objects.answer(request)
            with values.deep():
                return VALUE + dumps(envelope).encode()
        except _NotData as error:
            return NO_DATA + dumps(str(error)).encode()
        except BaseException as error:
            return ERROR + dumps(errors.describe(error)).encode()

    def _resolve(self, path: str):
        """`f`, `Class.method` or `Class().method` (an instance made without arguments), or a method of Solution."""
        first, *rest = path.replace("()", "").split(".")
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

    def _as_json(self, value: object):
        """What `json.dumps` cannot write by itself."""
        if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
            return value.tolist()
        if self._sets_as_lists and isinstance(value, set | frozenset):
            return list(value)
        raise _NotData(f"a {type(value).__name__} is not JSON")


class _NotData(TypeError):
    """The result of a call cannot cross over."""
