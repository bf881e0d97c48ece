"""The program's objects, worked with step by step as test code in another process asks.

A request is one step: {"operation", "target", "args", "kwargs"} and, where the tests' side has replaced them, what the
step is to see: standard input, output that is to be caught, environment, functions of modules. An answer is an
envelope, {"value": data} or {"raised": data} with what else came of the step. What is no data stays here under a
number; classes are described once, in the envelope of the answer in which they occur first.
"""

import contextlib
import enum
import inspect
import io
import operator
import os
import sys
import threading
import types
from json import dumps

from jail import errors, libraries, values
from jail.files import Files

SNAPSHOT, WHOLE_STATE = 300, 200_000  # values that a description of an object's fields may hold
CAUGHT = 4 << 20  # characters of output that a step can hand to the tests
MOST_NEXT, PATIENCE_S = 256, 0.001  # items of an iterator that are made ahead at most
DATA_BASES = (bool, int, float, complex, str, bytes, bytearray, tuple, list, set, frozenset, dict)
COLLECTIONS = ("OrderedDict", "Counter", "defaultdict", "deque")
ITERATORS = {type(i).__name__ for i in (iter([]), iter(()), iter(set()), iter({}), iter(""), iter(range(0)), iter(b""))}
ITERATORS |= {"map", "filter", "zip", "enumerate", "reversed", "dict_valueiterator", "dict_itemiterator", "generator"}
ITERATORS |= {"callable_iterator", "longrange_iterator", "list_reverseiterator", "bytearray_iterator"}
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodWrapperType)
FUNCTIONS += (types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType)


def _reflected(function):
    return lambda target, other: function(other, target)


def _by_its_type(name: str):
    return lambda target, *args: getattr(type(target), name)(target, *args)


BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")
FUNCTION_OF = {name: getattr(operator, f"{name}_" if name in ("and", "or") else name) for name in BINARY} | {
    "divmod": divmod
}
# What test code may do with an object of the program, by the name of the method that Python would call.
OPERATORS = {f"__{name}__": function for name, function in FUNCTION_OF.items()}
OPERATORS |= {f"__r{name}__": _reflected(function) for name, function in FUNCTION_OF.items()}
OPERATORS |= {f"__i{name}__": getattr(operator, f"i{name}") for name in BINARY}
OPERATORS |= {f"__{name}__": getattr(operator, name) for name in ("neg", "pos", "abs", "invert", "index")}
OPERATORS |= {
    f"__{name}__": getattr(operator, name) for name in ("lt", "le", "gt", "ge", "getitem", "setitem", "delitem")
}
OPERATORS |= {
    "__contains__": operator.contains,
    **{f"__{kind.__name__}__": kind for kind in (int, float, complex, bool, bytes, reversed, str)},
    **{f"__{function.__name__}__": function for function in (len, hash, repr, format, round, iter, dir)},
}
OPERATORS |= {
    f"__{name}__": _by_its_type(f"__{name}__")
    for name in ("enter", "aenter", "aexit", "trunc", "floor", "ceil", "fspath", "length_hint")
}
FORWARDED = frozenset(OPERATORS) | {"__call__", "__next__", "__exit__", "__getattr__", "__getattribute__", "__eq__"}
FORWARDED |= {"__aiter__", "__anext__", "__await__", "__missing__"}


class Objects:
    """Answers requests on the objects of one module. What is no data is kept here under a number (a handle).

    `talk(envelope)` sends an envelope in the middle of a step and returns the next request: so does the program call
    functions of the tests.
    """

    def __init__(self, names: dict, resolve, talk):
        self._names, self._resolve, self._talk = names, resolve, talk
        self._kept: list[object] = []
        self._numbers: dict[int, int] = {}
        self._described: set[int] = set()
        self._new_classes: dict[int, dict] = {}
        self._foreign: dict[int, object] = {}
        self._foreign_numbers: dict[int, int] = {}
        self._budget = 0  # values that snapshots of the present answer may still hold
        self._loop = None
        self._files: Files | None = None
        self._thread = threading.get_ident()

    def answer(self, request: dict) -> dict:
        """One step. Whatever goes wrong in it is in the envelope."""
        self._new_classes, self._budget = {}, SNAPSHOT
        envelope: dict = {}
        try:
            with contextlib.ExitStack() as stack:
                args = [self._read(item) for item in request["args"]]
                kwargs = {name: self._read(item) for name, item in request["kwargs"].items()}
                self._arrange(request, envelope, stack)
                target = self._target(request["target"])
                if "content" in request:
                    _fill(target, self._read(request["content"]))
                value = self._operate(request["operation"], target, args, kwargs)
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

    # ---- steps ----

    def _target(self, target):
        return self._kept[target] if isinstance(target, int) else target

    def _operate(self, operation: str, target, args: list, kwargs: dict):
        match operation:
            case "call":
                target = self._resolve(target) if isinstance(target, str) else target
                return target(*args, **kwargs)
            case "method":
                return getattr(target, args[0])(*args[1:], **kwargs)
            case "attribute":
                return getattr(target, args[0])
            case "attribute of":
                return getattr(*args)
            case "operator of":
                return OPERATORS[args[1]](args[0], *args[2:])
            case "set attribute":
                return setattr(target, *args)
            case "delete attribute":
                return delattr(target, *args)
            case "names":
                return [[name, self._names[name]] for name in args if name in self._names]
            case "global":
                return self._global(args[0])
            case "set global":
                self._names[args[0]] = args[1]
                return None
            case "delete global":
                del self._names[args[0]]
                return None
            case "next":
                return _next_items(target, args[0])
            case "step":
                return _step(target, *args)
            case "signature":
                return _signature(target)
            case "names of":
                return sum(value is args[0] for kind in type.mro(target) for value in vars(kind).values())
            case "equal":
                return bool(target == args[0])
            case "state":
                self._budget = WHOLE_STATE
                return dumps(self._state(target))
            case "exit":
                error = args[0]
                return target.__exit__(*((None, None, None) if error is None else (type(error), error, None)))
            case "copy":
                import copy

                return getattr(copy, args[0])(target)
            case "run":
                return self._run(target)
            case "anext":
                return self._run(_anext(target))
            case "return":
                return args[0]
        return OPERATORS[operation](target, *args)

    def _global(self, name: str):
        """A global for `from solution import name`; AttributeError where there is none."""
        if name not in self._names:
            raise AttributeError(f"the program defines no {name!r}")
        return self._names[name]

    def _run(self, awaitable):
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()

        async def wait():
            return await awaitable

        return self._loop.run_until_complete(wait())

    # ---- what a step is to see of the tests' side ----

    def _arrange(self, request: dict, envelope: dict, stack: contextlib.ExitStack) -> None:
        if "environ" in request:
            os.environ.clear()
            os.environ.update(request["environ"])
        if "seed" in request:
            import random

            random.seed(*(self._read(item) for item in request["seed"]))
        if "stdin" in request:
            given = io.StringIO(request["stdin"])
            stack.callback(lambda: envelope.update(stdin=given.tell()))
            stack.enter_context(_replaced(sys, "stdin", given))
        for name in request.get("catch", ()):
            caught = _Caught()
            stack.callback(lambda name=name, caught=caught: envelope.update({name: caught.getvalue()}))
            stack.enter_context(_replaced(sys, name, caught))
        for module, name, function in request.get("replaced", ()):
            if module in sys.modules:
                stack.enter_context(_replaced(sys.modules[module], name, self._read(function)))
        if "files" in request:
            if self._files is None:
                self._files = Files()
            self._files.take(request["files"])
            stack.callback(lambda: envelope.update(files=self._files.changes()))
        if "logs" in request:
            stack.enter_context(_logs(request["logs"], envelope))
        if request.get("warnings"):
            import warnings

            seen = stack.enter_context(warnings.catch_warnings(record=True))
            warnings.simplefilter("always")
            stack.callback(lambda: envelope.update(warnings=[self.describe(w.message) for w in seen[:100]]))

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
            base = _data_base(type(value))
            if base in (list, set, dict, bytearray) or (base is not None and base.__name__ in COLLECTIONS):
                told[number] = {"content": self._content(value, base)}
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
                    _fill(value, values.from_data(content, self._from_tests))
                return value
            case "~path":
                return self._resolve(inner)
            case "~named":
                return _named(*inner)
            case "~symbolic":
                return libraries.read_symbolic(inner)
            case "~pattern":
                import re

                return re.compile(*inner)
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
            self._foreign[number] = made = _make_foreign(self, told)
            self._foreign_numbers[id(made)] = number
        return self._foreign[number]

    def _error_class(self, told: dict) -> type:
        """A class of exceptions of the test code's, as one of the same descent here."""
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
        if isinstance(kind, enum.EnumMeta):
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
        if isinstance(value, FUNCTIONS) or kind.__name__ in ("partial", "_lru_cache_wrapper"):
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
        base = _data_base(kind)
        if base is None:
            return {"~object": [self.keep(value), self._class(kind), None, self._snapshot(value)]}
        return {"~object": [self.keep(value), self._class(kind), self._content(value, base), None]}

    def _content(self, value, base: type):
        """What an instance of a class based on data holds, as a value of that base: its own methods are not asked."""
        if base is int or base is bool:
            plain = int.__int__(value)
        elif base is float:
            plain = float.__float__(value)
        elif base is str:
            plain = str.__str__(value)
        elif base is complex:
            plain = complex(complex.real.__get__(value), complex.imag.__get__(value))
        elif base is bytes:
            plain = bytes.__getitem__(value, slice(None))
        elif base in (tuple, list, set, frozenset):
            plain = base(base.__iter__(value))
        elif base.__name__ == "deque":
            plain = base(base.__iter__(value), base.maxlen.__get__(value))
        elif base.__name__ == "defaultdict":
            plain = base(base.default_factory.__get__(value), dict.items(value))
        elif base.__name__ in COLLECTIONS:
            plain = base()
            for key, item in dict.items(value):
                dict.__setitem__(plain, key, item) if base.__name__ == "Counter" else plain.__setitem__(key, item)
        else:
            plain = base(dict.items(value)) if base is dict else base(value)
        return values.to_data(plain, self._other)

    def _snapshot(self, value: object):
        """The fields as JSON text; None where they hold more than a snapshot does."""
        before = self._budget
        try:
            return dumps(self._state(value))
        except _TooMuch:
            self._budget = before - SNAPSHOT // 10  # what is large is not looked at for ever in one answer
            return None
        except RecursionError:
            return None

    def _state(self, value: object):
        return _State(self).of(value)

    def spend(self) -> None:
        self._budget -= 1
        if self._budget < 0:
            raise _TooMuch

    # ---- classes and errors ----

    def _class(self, kind: type) -> int:
        number = self.keep(kind)
        if number not in self._described:
            self._described.add(number)
            bases = [self._base(base) for base in kind.__mro__[1:]]
            told = {
                "name": kind.__name__,
                "qualname": kind.__qualname__,
                "module": str(kind.__module__),
                "bases": [base for base in bases if base is not None],
                "doc": str(kind.__doc__)[:2000] if isinstance(kind.__doc__, str) else None,
                "own": [str(name) for name in vars(kind)][:1000],
                "operators": sorted(name for name in FORWARDED if _defines(kind, name)),
            }
            fields = getattr(kind, "__dataclass_fields__", None)
            if isinstance(fields, dict):
                told["dataclass"] = [str(name) for name, field in fields.items() if type(field).__name__ == "Field"]
            base = _data_base(kind)
            if base is not None:
                told["data"] = base.__name__
                fields = getattr(kind, "_fields", None)
                if base is tuple and type(fields) is tuple:
                    told["fields"] = [str(name) for name in fields]
            if isinstance(kind, enum.EnumMeta):
                told["members"] = self._members(kind)
            self._new_classes[number] = told
        return number

    def _base(self, kind: type):
        if kind is object:
            return None
        if kind.__module__ == "builtins":
            return kind.__name__
        if kind.__module__ == "enum" or kind.__module__ in ("abc", "typing"):
            return f"{kind.__module__}.{kind.__name__}"
        return self._class(kind)

    def _members(self, kind) -> list | None:
        """[name, value, whether another name stands for the same member]; None where a value is no data."""
        try:
            return [
                [name, values.to_data(member._value_, _refuse), member._name_ != name]
                for name, member in kind.__members__.items()
            ]
        except TypeError:
            return None

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


class _TooMuch(Exception):
    """A snapshot grows beyond its size."""


class _State:
    """Reads what objects hold without asking them: two objects of a class hold the same when this is the same."""

    def __init__(self, objects: Objects):
        self._spend, self._seen = objects.spend, {}

    def of(self, value: object):
        self._spend()
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind in (int, float):
            return value if kind is int else ["number", repr(value)] if value != value else value
        if id(value) in self._seen:
            return ["seen", self._seen[id(value)]]
        if isinstance(value, list | tuple) or kind.__name__ == "deque":
            self._mark(value)
            base = list if isinstance(value, list) else tuple if isinstance(value, tuple) else kind
            return [base.__name__, [self.of(item) for item in base.__iter__(value)], *self._fields(value)]
        if isinstance(value, set | frozenset):
            self._mark(value)
            return ["set", sorted(dumps(self.of(item)) for item in list(value))]
        if isinstance(value, dict):
            self._mark(value)
            pairs = [[self.of(key), self.of(item)] for key, item in dict.items(value)]
            return ["dict", sorted(pairs, key=lambda pair: dumps(pair[0])), *self._fields(value)]
        if isinstance(kind, enum.EnumMeta):
            return ["member", kind.__qualname__, str(value._name_)]
        if isinstance(value, (type, *FUNCTIONS)):
            return ["named", value.__qualname__ if hasattr(value, "__qualname__") else repr(value)]
        try:
            plain = values.to_data(value, _refuse)
        except TypeError:
            self._mark(value)
            return ["object", kind.__qualname__, *self._fields(value)]
        return ["data", plain]

    def _mark(self, value: object) -> None:
        self._seen[id(value)] = len(self._seen)

    def _fields(self, value: object) -> list:
        held = {}
        for kind in type(value).__mro__:
            for name, slot in vars(kind).items():
                if type(slot) is types.MemberDescriptorType and kind.__module__ != "builtins":
                    with contextlib.suppress(AttributeError):
                        held[name] = slot.__get__(value)
            own = vars(kind).get("__dict__")
            if type(own) is types.GetSetDescriptorType:
                held.update(own.__get__(value))
        return [[[str(name), self.of(held[name])] for name in sorted(held, key=str)]] if held else []


def _signature(function) -> list | None:
    """[name, kind, default in a list or nothing] of each parameter."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return None
    return [[p.name, int(p.kind), [] if p.default is inspect.Parameter.empty else [p.default]] for p in parameters]


def _refuse(value: object):
    raise TypeError(f"a {type(value).__name__} is no data")


def _defines(kind: type, name: str) -> bool:
    """Whether the class itself, or one of the program's that it comes from, has this method."""
    for base in kind.__mro__:
        if name in vars(base):
            return base is not object and vars(base)[name] is not None and not (name == "__eq__" and base in DATA_BASES)
    return False


def _data_base(kind: type) -> type | None:
    """The data type that instances of this class hold; None for objects of other kinds."""
    for base in kind.__mro__:
        if base in DATA_BASES or (base.__module__ == "collections" and base.__name__ in COLLECTIONS):
            return base
    return None


def _fill(value: object, plain: object) -> None:
    """Gives a container of the program's class the content that the tests' side has given it."""
    if isinstance(value, list):
        list.__setitem__(value, slice(None), plain)
    elif isinstance(value, dict):
        if list(dict.items(value)) != list(plain.items()):
            dict.clear(value)
            dict.update(value, plain)
    elif isinstance(value, set):
        set.clear(value)
        set.update(value, plain)
    elif type(plain).__name__ == "deque":
        type(plain).clear(value)
        type(plain).extend(value, plain)


def _next_items(target, most: int) -> dict:
    """{"items": up to so many items, "stop": the value of StopIteration where it ended}. An error comes in its place."""
    from time import monotonic

    items, end = [], monotonic() + PATIENCE_S
    while len(items) < min(most, MOST_NEXT) and (not items or monotonic() < end):
        try:
            items.append(next(target))
        except StopIteration as stop:
            return {"items": items, "stop": stop.value}
        except BaseException as error:
            if not items:
                raise
            return {"items": items, "error": error}
    return {"items": items}


def _step(target, what: str, *args) -> dict:
    """One step of a generator that is given something: {"items": [item]} or {"items": [], "stop": value}."""
    try:
        if what == "close":
            target.close()
            return {"items": [], "stop": None}
        return {"items": [getattr(target, what)(*args)]}
    except StopIteration as stop:
        return {"items": [], "stop": stop.value}


async def _anext(target) -> dict:
    if not hasattr(target, "__anext__"):
        target = target.__aiter__()
    try:
        return {"items": [await target.__anext__()]}
    except StopAsyncIteration:
        return {"items": [], "stop": None}


@contextlib.contextmanager
def _replaced(module, name: str, value: object):
    before = getattr(module, name, None)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


@contextlib.contextmanager
def _logs(levels: dict[str, int], envelope: dict):
    """Has what is logged told, as the levels that the tests have set let it through."""
    import logging

    records: list = []

    class Told(logging.Handler):
        def emit(self, record):
            if len(records) < 1000:
                records.append([record.name if record.name != "root" else "", record.levelno, record.getMessage()])

    handler = Told(0)
    logging.root.addHandler(handler)
    before = [(logging.getLogger(name or None), logging.getLogger(name or None).level) for name in levels]
    for name, level in levels.items():
        logging.getLogger(name or None).setLevel(level)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)
        for logger, level in before:
            logger.setLevel(level)
        envelope["logs"] = records


class _Caught(io.StringIO):
    """A standard stream whose text goes to the tests; what is beyond CAUGHT is dropped."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        room = CAUGHT - self.tell()
        super().write(text[: max(room, 0)])
        return len(text)


# ---- objects of the tests, as the program sees them ----


class Foreign:
    """An object of the test code: what is done with it is done there."""

    def __init__(self, objects: Objects, number: int):
        object.__setattr__(self, "_objects", objects)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return _ask(self, "getattr", name)

    def __setattr__(self, name: str, value: object):
        _ask(self, "setattr", name, value)

    def __eq__(self, other):
        return self is other or (bool(_ask(self, "eq", other)) if isinstance(other, Foreign) else NotImplemented)

    def __hash__(self):
        return object.__hash__(self)


def _ask(foreign: Foreign, what: str, *args, **kwargs):
    get = object.__getattribute__
    return get(foreign, "_objects").ask(get(foreign, "_number"), what, args, kwargs)


def _asking(what: str):
    def method(self, *args, **kwargs):
        return _ask(self, what, *args, **kwargs)

    return method


def _foreign_next(self):
    told = _ask(self, "next")
    if told[0]:
        return told[1]
    raise StopIteration


def _make_foreign(objects: Objects, told: dict) -> object:
    """A stand-in of a class with the methods that the object has."""
    number = told["number"]
    if told["kind"] == "errors":
        return objects._error_class(told)
    if told["kind"] == "named tuple":
        import collections

        return collections.namedtuple(told["name"], told["fields"])
    if told["kind"] == "function":

        def function(*args, **kwargs):
            return objects.ask(number, "call", args, kwargs)

        function.__name__ = function.__qualname__ = told["name"]
        function.__doc__ = told.get("doc")
        if told.get("async"):

            async def later(*args, **kwargs):
                return objects.ask(number, "call", args, kwargs)

            function, later.__name__ = later, told["name"]
        return function
    methods = {name: _asking(name.strip("_")) for name in told["operators"]}
    if "__next__" in methods:
        methods |= {"__next__": _foreign_next, "__iter__": lambda self: self}
    kind = type(told["name"], (Foreign,), methods)
    return kind(objects, number)


def _named(module: str, path: str):
    """What the tests' side calls by the name of a module and a path in it: len, operator.add, str.upper."""
    import importlib

    found = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found
