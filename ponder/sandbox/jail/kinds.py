"""The program's classes, described for the tests' side, and what instances of classes based on data hold."""

import enum
import inspect

from jail import values
from jail.operations import FORWARDED
from jail.states import refuse

DATA_BASES = (bool, int, float, complex, str, bytes, bytearray, tuple, list, set, frozenset, dict)
COLLECTIONS = ("OrderedDict", "Counter", "defaultdict", "deque")


def describe_class(kind: type, number_of) -> dict:
    """Name, ancestors and methods of a class. `number_of(class)` gives the number of another."""
    bases = [number_of(base) for base in kind.__bases__ if not _common(base)]
    told = {
        "name": kind.__name__,
        "qualname": kind.__qualname__,
        "module": str(kind.__module__),
        "bases": bases,
        "lineage": [_common(base) for base in kind.__mro__ if _common(base)],
        "doc": str(kind.__doc__)[:2000] if isinstance(kind.__doc__, str) else None,
        "own": [str(name) for name in vars(kind)][:1000],
        "operators": sorted(name for name in FORWARDED if defines(kind, name)),
    }
    fields = getattr(kind, "__dataclass_fields__", None)
    if isinstance(fields, dict):
        told["dataclass"] = [str(name) for name, field in fields.items() if type(field).__name__ == "Field"]
    base = data_base(kind)
    if base is not None:
        told["data"] = base.__name__
        fields = getattr(kind, "_fields", None)
        if base is tuple and type(fields) is tuple:
            told["fields"] = [str(name) for name in fields]
    if isinstance(kind, enum.EnumMeta):
        told["members"] = _members(kind)
    return told


def _common(kind: type) -> str:
    """The name of a class that the tests' side has too; empty for others."""
    if kind.__module__ == "builtins":
        return kind.__name__
    return f"{kind.__module__}.{kind.__name__}" if kind.__module__ in ("enum", "abc", "typing") else ""


def _members(kind) -> list | None:
    """[name, value, whether another name stands for the same member]; None where a value is no data."""
    try:
        return [
            [name, values.to_data(member._value_, refuse), member._name_ != name]
            for name, member in kind.__members__.items()
        ]
    except TypeError:
        return None


def defines(kind: type, name: str) -> bool:
    """Whether the class itself, or one of the program's that it comes from, has this method."""
    for base in kind.__mro__:
        if name in vars(base):
            return base is not object and vars(base)[name] is not None and not (name == "__eq__" and base in DATA_BASES)
    return False


def data_base(kind: type) -> type | None:
    """The data type that instances of this class hold; None for objects of other kinds."""
    for base in kind.__mro__:
        if base in DATA_BASES or (base.__module__ == "collections" and base.__name__ in COLLECTIONS):
            return base
    return None


def content_of(value, base: type, other):
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
    return values.to_data(plain, other)


def fill(value: object, plain: object) -> None:
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


def signature(function) -> list | None:
    """[name, kind, default in a list or nothing] of each parameter."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return None
    return [[p.name, int(p.kind), [] if p.default is inspect.Parameter.empty else [p.default]] for p in parameters]
