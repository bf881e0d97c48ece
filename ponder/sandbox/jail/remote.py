"""The program's objects as test code sees them, from another process: proxies, handles, exceptions.

A value that is data is rebuilt here from data. What is none (an instance of the program's own class) is a `Handle`: it can
be called, asked for attributes and operated on, always by asking the program's process for data; compared with data, or
asked for its truth, it is an error. Two handles are equal when they hold equal fields, whatever their class's own
comparison says.
"""

import builtins
import socket
import types
from json import dumps, loads

from jail import calls, wire

REQUEST = b"?"
# Raised on this side they would end a loop or the tests early, as if all were well.
NOT_RAISED_HERE = (StopIteration, StopAsyncIteration)


class CandidateError(Exception):
    """The program raised something that is no ordinary exception, or answered with what is no value."""


class NotData(TypeError):
    """The program returned an object where the test code needs data."""


class JudgeGone(BaseException):
    """The judge has closed the channel."""


class Link:
    """The way to the program: one request, one answer. `asked` counts what the test code has asked for."""

    def __init__(self, judge: socket.socket):
        self._judge = judge
        self._raised: list[BaseException] = []
        self._exceptions: dict[str, type[Exception]] = {}
        self.asked = 0

    def proxy(self, name: str) -> "Proxy":
        return Proxy(self, name)

    def look_up(self, names: list[str]) -> dict[str, object]:
        """What stands for those of the names that the program defines; the others stay undefined."""
        found = {}
        for name, (kind, *rest) in self.ask("names", None, names, {}).items():
            match kind:
                case "data":
                    found[name] = rest[0]
                    self.asked += 1  # a constant of the program is an answer of the program
                case "exception":
                    found[name] = self._exceptions[name] = type(name, (_safe_base(rest[0]),), {})
                case _:
                    found[name] = self.proxy(name)
        return found

    def use(self, operation: str, target: str | int, args: tuple = (), kwargs: dict | None = None) -> object:
        """One step of the test code's."""
        self.asked += 1
        return self.ask(operation, target, args, kwargs or {})

    def ask(self, operation: str, target: str | int | None, args, kwargs: dict) -> object:
        request = {
            "operation": operation,
            "target": target,
            "args": [wire.to_data(item, _number_of) for item in args],
            "kwargs": {name: wire.to_data(item, _number_of) for name, item in kwargs.items()},
        }
        try:
            wire.send(self._judge, REQUEST + dumps(request).encode())
            answer = wire.receive(self._judge)
        except (EOFError, OSError):
            raise JudgeGone from None
        try:  # the program's process wrote this: it may be anything
            if answer[:1] == calls.VALUE:
                return wire.from_data(loads(answer[1:]), self._stand_in)
            described = loads(answer[1:])
            raised = self._exception(described["type"], described["bases"], described["message"])
        except (
            ValueError,
            TypeError,
            LookupError,
            ArithmeticError,
            AttributeError,
            RecursionError,
            MemoryError,
        ) as error:
            raised = CandidateError(f"what came back is no value: {type(error).__name__}")
        self._raised.append(raised)
        raise raised from None

    def has_raised(self, error: BaseException | None) -> bool:
        """Whether the program raised this error, or one that led to it."""
        while error is not None:
            if any(error is raised for raised in self._raised):
                return True
            error = error.__cause__ or error.__context__
        return False

    def _stand_in(self, number: int) -> object:
        if number < 0:
            return self._await(-number - 1)
        return Handle(self, number)

    async def _await(self, number: int) -> object:
        return self.use("run", number)

    def _exception(self, name: str, bases: list[str], message: str) -> Exception:
        """The program's exception as one of the same descent here, if that is safe to raise."""
        kind = getattr(builtins, name, None)
        if not (isinstance(kind, type) and issubclass(kind, Exception)) or issubclass(kind, NOT_RAISED_HERE):
            kind = self._exceptions.get(name) or type(name, (_safe_base(bases),), {})
        try:
            return kind(message)
        except TypeError:  # some want more than a message
            return CandidateError(f"{name}: {message}")


def _safe_base(names: list[str]) -> type[Exception]:
    for name in names:
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, NOT_RAISED_HERE):
            return kind if kind is not Exception else CandidateError
    return CandidateError


def _number_of(value: object) -> int:
    """Only what came from the program can go back to it as it is."""
    if isinstance(value, Handle):
        return object.__getattribute__(value, "_number")
    raise TypeError(f"a {type(value).__name__} of the test code cannot be handed to the program: it is not data")


class Proxy:
    """A global of the program: a function or class to call."""

    def __init__(self, link: Link, name: str):
        self._link, self._name = link, name
        self.__name__ = name

    def __call__(self, *args, **kwargs):
        return self._link.use("call", self._name, args, kwargs)

    def __getattr__(self, attribute: str):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return Method(self._link, f"{self._name}.{attribute}")

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, Handle) and self._link.use("is instance", self._name, (instance,)) is True

    def __bool__(self):
        raise NotData(f"{self._name} is the program's: call it")


class Method:
    """`Class.name` of the program, called: a static or class method, or one of an instance made without arguments."""

    def __init__(self, link: Link, path: str):
        self._link, self._path = link, path

    def __call__(self, *args, **kwargs):
        return self._link.use("call", self._path, args, kwargs)


class Handle:
    """An object of the program that is no data."""

    __slots__ = ("_link", "_number")
    __hash__ = None

    def __init__(self, link: Link, number: int):
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, attribute: str):
        if attribute.startswith("__"):  # Python's own machinery asks, not the test
            raise AttributeError(attribute)
        return self._link.use("attribute", self._number, (attribute,))

    def __setattr__(self, attribute: str, value: object):
        self._link.use("set attribute", self._number, (attribute, value))

    def __call__(self, *args, **kwargs):
        return self._link.use("call", self._number, args, kwargs)

    def __iter__(self):
        return iter(self._link.use("iterate", self._number))

    def __next__(self):
        return self._link.use("next", self._number)

    def __enter__(self):
        return self._link.use("enter", self._number)

    def __exit__(self, *exception: object):
        self._link.use("exit", self._number)  # an exception of the test code is not the program's to see

    def __len__(self):
        return self._link.use("length", self._number)

    def __str__(self):
        return str(self._link.use("text", self._number))

    def __repr__(self):
        return str(self._link.use("repr", self._number))

    def __eq__(self, other):
        if not isinstance(other, Handle):
            raise NotData("the program returned an object that is not data, where data is compared")
        if self._number == other._number:
            return True
        return self._link.use("fields", self._number) == self._link.use("fields", other._number)

    def __bool__(self):
        raise NotData("the program returned an object that is not data, where a truth value is asked for")


def _operation(name: str):
    def operate(self, *args):
        return self._link.use(name, self._number, args)

    return operate


for _name in calls.OPERATORS:
    setattr(Handle, _name, _operation(_name))


def module(name: str, link: Link) -> types.ModuleType:
    """A module whose every attribute is the program's."""

    class Candidate(types.ModuleType):
        def __getattr__(self, attribute: str):
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            found = link.look_up([attribute])
            return found[attribute] if attribute in found else link.proxy(attribute)

    return Candidate(name)
