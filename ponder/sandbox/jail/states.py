"""What objects of the program hold, read without asking them."""

import contextlib
import enum
import types
from json import dumps

from jail import values

FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodWrapperType)
FUNCTIONS += (types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType)


class TooMuch(Exception):
    """A snapshot grows beyond its size."""


class State:
    """Reads what objects hold without asking them: two objects of a class hold the same when this is the same."""

    def __init__(self, spend):
        self._spend, self._seen = spend, {}

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
            plain = values.to_data(value, refuse)
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


def refuse(value: object):
    raise TypeError(f"a {type(value).__name__} is no data")
