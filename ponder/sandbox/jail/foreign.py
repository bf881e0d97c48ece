"""Objects of the test code that it hands to the program: callbacks, mocks, nodes of a list, text streams.

They stay here. The program gets a stand-in that asks this side for each step: to call a function, take the next item,
read a public attribute. Nothing that starts with an underscore is told, and nothing of frames, modules or code.
"""

import asyncio
import inspect
import io
import sys
import types

from jail import libraries, values
from jail.operations import OPERATORS
from jail.raised import CannotCross

FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType)
OPEN = (io.StringIO, io.BytesIO)
HIDDEN = {"gi_frame", "gi_code", "cr_frame", "cr_code", "ag_frame", "ag_code", "tb_frame", "f_globals", "f_locals"}
NOT_HANDED = (types.ModuleType, types.FrameType, types.CodeType, types.TracebackType)


class Foreign:
    """The objects that were handed over, by number."""

    def __init__(self, link):
        self._link = link
        self._objects: list[object] = []
        self._numbers: dict[int, int] = {}
        self._errors: list[BaseException] = []

    def find(self, number: object) -> object:
        return self._objects[self._checked(number, self._objects)]

    def find_tuple(self, number: object) -> type:
        kind = self.find(number)
        if not (isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")):
            raise ValueError("no named tuple of the tests has that number")
        return kind

    def find_error(self, number: object) -> BaseException:
        return self._errors[self._checked(number, self._errors)]

    def _checked(self, number: object, held: list) -> int:
        if type(number) is not int or not 0 <= number < len(held):
            raise ValueError("no object of the tests has that number")
        return number

    def plain(self, value: object):
        return values.to_data(value, self.write)

    def write(self, value: object) -> dict:
        """The data that stands for an object of the tests. Raises CannotCross."""
        kind = type(value)
        named = _by_name(value)
        if named is not None:
            return {"~named": named}
        if isinstance(value, BaseException):
            return {"~error": self.describe(value)}
        if isinstance(value, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
            told = {"number": self._keep(kind), "kind": "named tuple", "name": kind.__name__, "fields": kind._fields}
            return {"~named tuple": [told, [self._wrapped(item) for item in tuple.__iter__(value)]]}
        if isinstance(value, str | int | float | list | tuple | dict | set | frozenset):
            return self._based_on_data(value)
        if isinstance(value, NOT_HANDED) or kind.__module__.startswith(("jail", "_pytest")):
            raise CannotCross(f"a {kind.__name__} of the test code cannot be handed to the program")
        if kind.__module__.startswith("sympy."):
            written = libraries.write_symbolic(value)
            if written is not None:
                return {"~symbolic": written}
        told = {"number": self._keep(value), "name": getattr(value, "__name__", kind.__name__), "operators": []}
        if isinstance(value, type) and issubclass(value, BaseException):
            told |= {"kind": "errors", "bases": [base.__name__ for base in value.__mro__]}
        elif isinstance(value, (*FUNCTIONS, type)):
            later = bool(getattr(getattr(value, "__code__", None), "co_flags", 0) & 0x80)
            told |= {"kind": "function", "doc": getattr(value, "__doc__", None), "async": later}
        else:
            told |= {"kind": "object", "operators": _operators(value)}
        told["name"] = str(told["name"])
        return {"~foreign": told}

    def _based_on_data(self, value: object):
        """A subclass of a data type that the tests have made: as the data."""
        for base in (str, int, float, tuple, list, dict, set, frozenset):
            if isinstance(value, base):
                return self._wrapped(base(value))
        raise CannotCross(f"a {type(value).__name__} of the test code cannot be handed to the program")

    def _wrapped(self, value: object):
        return values.to_data(value, self._link.write_other)

    def _keep(self, value: object) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return number

    def describe(self, error: BaseException) -> dict:
        self._errors.append(error)
        kind = self._link.write_other(type(error)) if type(error).__module__ != "builtins" else None
        try:
            args = values.to_data(error.args, self._link.write_other)
        except CannotCross:
            args = values.to_data((str(error),), self._link.write_other)
        return {"class": kind or {"~type": type(error).__name__}, "args": args, "number": len(self._errors) - 1}

    # ---- what the program asks ----

    def answer(self, question: object) -> dict:
        """The next request: what came of the program's question. Raises what no `except Exception` takes."""
        try:
            value = self._do(question)
        except Exception as error:
            return {"operation": "raise", "target": None, "args": [{"~error": self.describe(error)}], "kwargs": {}}
        try:
            with values.deep():
                data = values.to_data(value, self._link.write_other)
        except CannotCross as error:  # the program asked for it, so that it is the program's to deal with
            described = self.describe(TypeError(str(error)))
            return {"operation": "raise", "target": None, "args": [{"~error": described}], "kwargs": {}}
        return {"operation": "return", "target": None, "args": [data], "kwargs": {}}

    def _do(self, question: dict):
        target = self.find(question["object"])
        what = str(question["what"])
        args = [self._link.read(item) for item in question["args"]]
        kwargs = {str(name): self._link.read(item) for name, item in question["kwargs"].items()}
        match what:
            case "call":
                if not callable(target):
                    raise TypeError(f"a {type(target).__name__} cannot be called")
                result = target(*args, **kwargs)
                return _finished(result) if inspect.iscoroutine(result) else result
            case "next":
                try:
                    return [True, next(target)]
                except StopIteration:
                    return [False, None]
            case "getattr":
                return getattr(target, self._public(target, args[0]))
            case "setattr":
                if not _own(target):
                    raise AttributeError(f"attributes of a {type(target).__name__} are the test code's to set")
                return setattr(target, self._public(target, args[0]), args[1])
            case "enter" | "exit":
                return getattr(target, f"__{what}__")(*args)
        if f"__{what}__" not in _operators(target):
            raise TypeError(f"a {type(target).__name__} has no operation {what[:20]}")
        return OPERATORS[f"__{what}__" if what != "eq" else "__eq__"](target, *args)

    def _public(self, target: object, name: object) -> str:
        if (
            not isinstance(name, str)
            or name.startswith("_")
            or name in HIDDEN
            or isinstance(target, (*FUNCTIONS, type))
        ):
            raise AttributeError(f"{type(target).__name__!r} object has no attribute {str(name)[:100]!r}")
        return name


def _finished(coroutine):
    """What a coroutine of the tests gives: the program waits for it, so that it runs to its end, within any other loop."""
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return asyncio.new_event_loop().run_until_complete(coroutine)
    finally:
        asyncio._set_running_loop(running)


def _own(value: object) -> bool:
    return type(value).__module__ == "__main__"


def _by_name(value: object) -> list[str] | None:
    """[module, path] for functions and classes of the standard library, which the program's side has too."""
    if not isinstance(value, type | types.BuiltinFunctionType | types.MethodDescriptorType | types.FunctionType):
        return None
    module = getattr(value, "__module__", None)
    if isinstance(value, types.MethodDescriptorType):
        module = value.__objclass__.__module__
    path = getattr(value, "__qualname__", "")
    if module not in sys.stdlib_module_names or module not in sys.modules or module in ("__main__", "unittest"):
        return None
    found = sys.modules[module]
    for name in path.split("."):
        found = getattr(found, name, None)
    return [module, path] if found is value else None


def _operators(value: object) -> list[str]:
    """Which of Python's own methods an object of the tests has for the program."""
    kind = type(value)
    found = [name for name in OPERATORS if getattr(kind, name, None) is not getattr(object, name, None)]
    found = [name for name in found if getattr(kind, name, None) is not None]
    more = ("__call__", "__next__", "__enter__", "__exit__")
    return found + [name for name in more if hasattr(kind, name)]
