"""The program's objects, worked with step by step as test code in another process asks.

A request is one step: {"operation", "target", "args", "kwargs"} and, where the tests' side has replaced them, what the
step is to see: standard input, output that is to be caught, environment, functions of modules. An answer is an
envelope, {"value": data} or {"raised": data} with what else came of the step. What is no data stays here under a
number; classes are described once, in the envelope of the answer in which they occur first.
"""

import contextlib
import enum
import inspect
import threading
import types
from json import dumps

from jail import errors, kinds, libraries, states, values
from jail.arrangement import arrange
from jail.borrowed import find_named, make_stand_in
from jail.files import Files
from jail.steps import Steps

SNAPSHOT, WHOLE_STATE = 300, 200_000  # values that a description of an object's fields may hold
ITERATORS = {type(i).__name__ for i in (iter([]), iter(()), iter(set()), iter({}), iter(""), iter(range(0)), iter(b""))}
ITERATORS |= {"map", "filter", "zip", "enumerate", "reversed", "dict_valueiterator", "dict_itemiterator", "generator"}
ITERATORS |= {"callable_iterator", "longrange_iterator", "list_reverseiterator", "bytearray_iterator"}


class Objects:
    """Answers requests on the objects of one module. What is no data is kept here under a number (a handle).

    `talk(envelope)` sends an envelope in the middle of a step and returns the next request: so does the program call
    functions of the tests.
    """

    def __init__(self, names: dict, resolve, talk):
        self._resolve, self._talk = resolve, talk
        self._steps = Steps(names, resolve, self._whole_state)
        self._kept: list[object] = []
        self._numbers: dict[int, int] = {}
        self._described: set[int] = set()
        self._enumerations: set[type] = set()  # those whose members are data
        self._new_classes: dict[int, dict] = {}
        self._foreign: dict[int, object] = {}
        self._foreign_numbers: dict[int, int] = {}
        self._compared: dict[type, bool] = {}
        self._budget = 0  # values that snapshots of the present answer may still hold
        self._files: Files | None = None
        self._thread = threading.get_ident()

    def answer(self, request: dict) -> dict:
        """One step. Whatever goes wrong in it is in the envelope."""
        self._new_classes = {}
        self._budget = SNAPSHOT if request["operation"] == "call" else SNAPSHOT // 8
        envelope: dict = {}
        try:
            with contextlib.ExitStack() as stack:
                args = [self._read(item) for item in request["args"]]
                kwargs = {name: self._read(item) for name, item in request["kwargs"].items()}
                self._files = arrange(request, envelope, stack, self._read, self.describe, self._files)
                target = self._target(request["target"])
                if "content" in request:
                    kinds.fill(target, self._read(request["content"]))
                value = self._steps.do(request["operation"], target, args, kwargs)
            with values.deep():
                envelope["value"] = values.to_data(value, self._other)
                if value is None and request["operation"] in ("call", "method"):
                    self._tell_changes(request, args, kwargs, envelope)
                self._tell_contents(request, args, envelope)
        except BaseException as error:
            envelope.pop("value", None)
            with values.deep():
                envelope["raised"] = self.describe(error)
        envelope["classes"] = self._new_classes
        return envelope

    def _target(self, target):
        return self._kept[target] if isinstance(target, int) else target

    # ---- what changed ----

    def _tell_changes(self, request: dict, args: list, kwargs: dict, envelope: dict) -> None:
        """Containers that a function which returns nothing has changed in place, by position or name."""
        changed = []
        given = [*zip(range(len(args)), request["args"], args, strict=True)]
        given += [(name, request["kwargs"][name], value) for name, value in kwargs.items()]
        for place, before, value in given:
            if type(value) in (list, dict, set, bytearray) or type(value).__name__ in ("deque", "ndarray", "DataFrame"):
                after = values.to_data(value, self._other)
                if after != before:
                    changed.append([place, after])
        if changed:
            envelope["changed"] = changed

    def _tell_contents(self, request: dict, args: list, envelope: dict) -> None:
        """How the objects that took part in a step are afterwards: contents of containers, fields of others."""
        told = {}
        target = request["target"]
        parts = [target] if isinstance(target, int) and target >= 0 else []
        parts += [item["~handle"][0] for item in request["args"] if type(item) is dict and "~handle" in item]
        for number in dict.fromkeys(parts):
            value = self._kept[number]
            if isinstance(value, type) or callable(value) or request["operation"] in ("attribute", "equal", "state"):
                continue
            base = kinds.data_base(type(value))
            if base in (list, set, dict, bytearray) or (base is not None and base.__name__ in kinds.COLLECTIONS):
                told[number] = {"content": kinds.content_of(value, base, self._other)}
            elif base is None:
                told[number] = {"state": self._snapshot(value)}
        if told:
            envelope["told"] = told

    # ---- values ----

    def _read(self, data):
        with values.deep():
            return values.from_data(data, self._from_tests)

    def _from_tests(self, tag: str, inner):
        match tag:
            case "~handle":
                number, content = inner
                value = self._kept[number]
                if content is not None:
                    kinds.fill(value, values.from_data(content, self._from_tests))
                return value
            case "~path":
                return self._resolve(inner)
            case "~named":
                return find_named(*inner)
            case "~symbolic":
                return libraries.read_symbolic(inner)
            case "~member":
                kind, name, value = inner
                kind = self._kept[kind]
                return kind.__members__[name] if name is not None else kind(values.from_data(value, self._from_tests))
            case "~foreign":
                return self._stand_in(inner)
            case "~named tuple":
                told, items = inner
                return self._stand_in(told)._make(values.from_data(item, self._from_tests) for item in items)
            case "~error":
                return self._make_error(inner)
        raise ValueError(f"not a value: {tag[:40]}")

    def _stand_in(self, told: dict):
        number = told["number"]
        if number not in self._foreign:
            self._foreign[number] = made = make_stand_in(self, told)
            self._foreign_numbers[id(made)] = number
        return self._foreign[number]

    def error_class(self, told: dict) -> type:
        """A class of exceptions of the test code's, as one with the same base class here."""
        number = told["number"]
        if number not in self._foreign:
            base = next((values.NAMED[name] for name in told["bases"] if name in values.NAMED), Exception)
            self._foreign[number] = made = type(told["name"], (base,), {"__module__": "__main__"})
            self._foreign_numbers[id(made)] = number
        return self._foreign[number]

    def _make_error(self, told: dict) -> BaseException:
        kind = self._read(told["class"])
        try:
            error = kind(*self._read(told["args"]))
        except TypeError:  # a class of the program's that wants something else
            error = kind.__new__(kind)
        error._of_tests = told["number"]
        return error

    def ask(self, number: int, what: str, args: tuple, kwargs: dict):
        """Lets the tests' side do something with an object of its own, in the middle of a step."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("functions of the test code can be called from the program's main thread only")
        with values.deep():
            question = {
                "object": number,
                "what": what,
                "args": [values.to_data(item, self._other) for item in args],
                "kwargs": {name: values.to_data(item, self._other) for name, item in kwargs.items()},
            }
        envelope = {"question": question, "classes": self._new_classes}
        budget, self._new_classes = self._budget, {}
        request = self._talk(envelope)
        while request["operation"] not in ("return", "raise"):
            request = self._talk(self.answer(request))
        self._new_classes, self._budget = {}, budget
        value = self._read(request["args"][0])
        if request["operation"] == "return":
            return value
        raise value

    def keep(self, value: object) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._kept)
            self._kept.append(value)
        return number

    def _other(self, value: object):
        """What is no plain data: as the data it is based on, and a number that stands for it."""
        if id(value) in self._foreign_numbers:
            return {"~foreign": self._foreign_numbers[id(value)]}
        kind = type(value)
        if isinstance(kind, enum.EnumMeta) and self._class(kind) is not None and kind in self._enumerations:
            name = value._name_ if isinstance(value._name_, str) and value._name_ in kind.__members__ else None
            plain = value._value_ if name is None else None
            return {"~member": [self._class(kind), name, values.to_data(plain, self._other)]}
        if isinstance(value, type):
            return {"~class": self._class(value)}
        if isinstance(value, BaseException):
            return {"~error": self.describe(value)}
        if inspect.iscoroutine(value) or inspect.isasyncgen(value):
            return {"~async": [self.keep(value), inspect.iscoroutine(value)]}
        if (kind.__name__ in ITERATORS and kind.__module__ == "builtins") or kind.__module__ == "itertools":
            return {"~iterator": [self.keep(value), kind.__name__]}
        if isinstance(value, states.FUNCTIONS) or kind.__name__ in ("partial", "_lru_cache_wrapper"):
            name, module = getattr(value, "__name__", kind.__name__), getattr(value, "__module__", None)
            return {"~function": [self.keep(value), str(name), str(module)]}
        if isinstance(value, types.ModuleType):
            return {"~module": [self.keep(value), str(value.__name__)]}
        if kind.__module__ == "collections.abc" and kind.__name__ in ("KeysView", "ItemsView", "ValuesView"):
            name = f"dict_{kind.__name__.removesuffix('View').lower()}"
            content = [values.to_data(item, self._other) for item in value]
            pairs = [item["~tuple"] for item in content] if name == "dict_items" else content
            return {"~view": [name, pairs]}
        if kind.__module__.startswith("sympy."):
            written = libraries.write_symbolic(value)
            if written is not None:
                return {"~symbolic": written}
        if id(kind) in self._foreign_numbers:  # a named tuple of the tests'
            items = [values.to_data(item, self._other) for item in tuple.__iter__(value)]
            return {"~of tests": [self._foreign_numbers[id(kind)], items]}
        base = kinds.data_base(kind)
        if base is None:
            return {"~object": [self.keep(value), self._class(kind), None, self._snapshot(value)]}
        return {"~object": [self.keep(value), self._class(kind), kinds.content_of(value, base, self._other), None]}

    def _snapshot(self, value: object):
        """The fields as JSON text; None where they hold more than a snapshot does, or no class compares by them."""
        kind = type(value)
        if kind not in self._compared:
            self._compared[kind] = kinds.defines(kind, "__eq__")
        if not self._compared[kind]:
            return None
        before = self._budget
        try:
            return dumps(self._state(value))
        except states.TooMuch:
            self._budget = before - SNAPSHOT // 10  # what is large is not looked at for ever in one answer
            return None
        except RecursionError:
            return None

    def _whole_state(self, value: object) -> str:
        self._budget = WHOLE_STATE
        return dumps(self._state(value))

    def _state(self, value: object):
        return states.State(self.spend).of(value)

    def spend(self) -> None:
        self._budget -= 1
        if self._budget < 0:
            raise states.TooMuch

    # ---- classes and errors ----

    def _class(self, kind: type) -> int:
        number = self.keep(kind)
        if number not in self._described:
            self._described.add(number)
            self._new_classes[number] = kinds.describe_class(kind, self._class)
            if self._new_classes[number].get("members") is not None:
                self._enumerations.add(kind)
        return number

    def describe(self, error: BaseException, depth: int = 0) -> dict:
        """An exception: its class and ancestors, text, arguments, attributes, and what led to it."""
        told = errors.describe(error)
        kind = type(error)
        told["class"] = None if kind.__module__ == "builtins" else self._class(kind)
        told["number"] = None if kind.__module__ == "builtins" else self.keep(error)
        told["foreign"] = error.__dict__.get("_of_tests") if isinstance(error.__dict__, dict) else None
        try:
            args = tuple.__getitem__(error.args, slice(None))
            if isinstance(error, OSError) and len(args) == 2 and error.filename is not None:
                args = (*args, error.filename)
            told["args"] = values.to_data(args, self._other)
            attributes = {str(k): v for k, v in error.__dict__.items() if k != "_of_tests"}
            told["attributes"] = values.to_data(attributes, self._other)
        except BaseException:
            told["args"], told["attributes"] = None, None
        told["suppress"] = bool(error.__suppress_context__)
        if depth < 8:
            for name in ("__cause__", "__context__"):
                before = getattr(error, name, None)
                # A context is only what the cause is not, and is left out where the program hid it.
                if before is not None and not (name == "__context__" and error.__cause__ is not None):
                    told[name] = self.describe(before, depth + 1)
        return told
