"""Python values as data: JSON, where what JSON cannot carry is a tagged object, {"~tuple": [...]}.

Types are told by exact class. What is no plain value is left to a function of each side: `other(value)` gives its data,
`other(tag, inner)` makes something of data with a tag that is not known here. Reading is safe for data that a hostile
process has written: it gives plain values, or raises one of UNREADABLE.
"""

import math
import sys

from jail import dates

UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError, MemoryError)
DEEPEST = 12_000  # levels of Python calls while a value is written or read
NAMED = {kind.__name__: kind for kind in (bool, int, float, complex, str, bytes, bytearray, list, tuple, set, dict)}
NAMED |= {kind.__name__: kind for kind in (frozenset, range, slice, object, type, type(None))}
NAMED |= {name: kind for name, kind in vars(sys.modules["builtins"]).items() if isinstance(kind, type)}
VIEWS = {"dict_keys": type({}.keys()), "dict_values": type({}.values()), "dict_items": type({}.items())}
PATHS = ("PosixPath", "PurePosixPath", "PureWindowsPath")


class deep:
    """While it lasts, nested values may be read and written to a depth of thousands."""

    def __enter__(self):
        self._before = sys.getrecursionlimit()
        sys.setrecursionlimit(max(self._before, DEEPEST))

    def __exit__(self, *error):
        try:
            sys.setrecursionlimit(self._before)
        except RecursionError:  # the caller itself is deeper than its own limit
            return


def to_data(value: object, other) -> object:
    """A Python value as tagged JSON."""
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if -(1 << 62) < value < 1 << 62 else {"~int": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"~float": repr(value)}
    if kind is list:
        return [to_data(item, other) for item in value]
    if kind in (tuple, set, frozenset):
        return {f"~{kind.__name__}": [to_data(item, other) for item in value]}
    if kind is dict:
        return {"~dict": _pairs(value, other)}
    writer = WRITERS.get(kind) or WRITERS_BY_NAME.get((kind.__module__, kind.__name__))
    data = writer(value, other) if writer is not None else None
    return other(value) if data is None else data


def from_data(data: object, other) -> object:
    """The inverse of `to_data`. Raises one of UNREADABLE for what is no value."""
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if isinstance(data, list):
        return [from_data(item, other) for item in data]
    if not isinstance(data, dict) or len(data) != 1:
        raise ValueError("not a value")
    ((tag, inner),) = data.items()
    reader = READERS.get(tag)
    return other(tag, inner) if reader is None else reader(inner, other)


def _pairs(value: dict, other) -> list:
    return [[to_data(k, other), to_data(v, other)] for k, v in dict.items(value)]


def _read_pairs(inner: list, other) -> list:
    return [(from_data(key, other), from_data(item, other)) for key, item in inner]


def _items(inner: list, other) -> list:
    return [from_data(item, other) for item in inner]


def _read_collection(name: str):
    def read(inner, other):
        import collections

        kind = getattr(collections, name)
        match name:
            case "deque":
                return kind(_items(inner[0], other), inner[1])
            case "defaultdict":
                return kind(from_data(inner[0], other), _read_pairs(inner[1], other))
            case "Counter":
                counter = kind()
                counter.update(dict(_read_pairs(inner, other)))
                return counter
        return kind(_read_pairs(inner, other))

    return read


def _read_decimal(inner, other):
    from decimal import Decimal

    return Decimal(inner)


def _read_fraction(inner, other):
    from fractions import Fraction

    return Fraction(from_data(inner[0], other), from_data(inner[1], other))


def _read_path(inner, other):
    import pathlib

    if inner[0] not in PATHS:
        raise ValueError("not a path")
    return getattr(pathlib, inner[0])(inner[1])


def _read_uuid(inner, other):
    import uuid

    return uuid.UUID(inner)


def _read_namespace(inner, other):
    import types

    return types.SimpleNamespace(**{str(name): item for name, item in _read_pairs(inner, other)})


def _read_view(inner, other):
    name, content = inner
    if name == "dict_values":
        return dict(enumerate(_items(content, other))).values()
    pairs = _read_pairs(content, other) if name == "dict_items" else [(k, None) for k in _items(content, other)]
    return dict(pairs).items() if name == "dict_items" else dict(pairs).keys()


def _write_view(value, other):
    pairs = type(value) is VIEWS["dict_items"]
    content = (
        [[to_data(k, other), to_data(v, other)] for k, v in value] if pairs else [to_data(i, other) for i in value]
    )
    return {"~view": [type(value).__name__, content]}


def _write_match(match, other):
    """A match as what is searched again: the pattern, the text, and in which way it was found."""
    pattern = match.re
    for how in ("search", "match", "fullmatch"):
        again = getattr(pattern, how)(match.string, match.pos, match.endpos)
        if again is not None and again.span() == match.span():
            text = [to_data(pattern.pattern, other), int(pattern.flags), to_data(match.string, other)]
            return {"~match": [*text, match.pos, match.endpos, how]}
    return None


def _read_pattern(inner, other):
    import re

    return re.compile(from_data(inner[0], other), inner[1])


def _read_match(inner, other):
    pattern, text, how = _read_pattern(inner, other), from_data(inner[2], other), inner[5]
    if how not in ("search", "match", "fullmatch"):
        raise ValueError("no match")
    found = getattr(pattern, how)(text, inner[3], inner[4])
    if found is None:
        raise ValueError("no match")
    return found


def _read_array(inner, other):
    import array

    return array.array(inner[0], _items(inner[1], other))


def _read_proxy(inner, other):
    import types

    return types.MappingProxyType(dict(_read_pairs(inner, other)))


LIBRARIES: dict = {}  # readers and writers of values of numpy, pandas and sympy; from jail.libraries, which needs this


def _library(name: str):
    return lambda value, other: LIBRARIES[name](value, other)


# What is made of each type, by class; None from a writer leaves the value to the caller.
WRITERS = {
    complex: lambda value, other: {"~complex": [repr(value.real), repr(value.imag)]},
    bytes: lambda value, other: {"~bytes": value.hex()},
    bytearray: lambda value, other: {"~bytearray": value.hex()},
    memoryview: lambda value, other: {"~memoryview": value.hex()},
    range: lambda value, other: {"~range": [to_data(i, other) for i in (value.start, value.stop, value.step)]},
    slice: lambda value, other: {"~slice": [to_data(i, other) for i in (value.start, value.stop, value.step)]},
    type(...): lambda value, other: {"~constant": "Ellipsis"},
    type(NotImplemented): lambda value, other: {"~constant": "NotImplemented"},
    type: lambda value, other: {"~type": value.__name__} if NAMED.get(value.__name__) is value else None,
    **dict.fromkeys(VIEWS.values(), _write_view),
}
# By module and name, for what is not loaded unless a program does.
WRITERS_BY_NAME = {
    ("collections", "deque"): lambda value, other: {"~deque": [[to_data(i, other) for i in value], value.maxlen]},
    ("collections", "OrderedDict"): lambda value, other: {"~OrderedDict": _pairs(value, other)},
    ("collections", "Counter"): lambda value, other: {"~Counter": _pairs(value, other)},
    ("collections", "defaultdict"): lambda value, other: {
        "~defaultdict": [to_data(value.default_factory, other), _pairs(value, other)]
    },
    ("datetime", "date"): lambda value, other: {"~date": [value.year, value.month, value.day]},
    ("datetime", "datetime"): dates.write_datetime,
    ("datetime", "time"): dates.write_time,
    ("datetime", "timedelta"): lambda value, other: {"~timedelta": [value.days, value.seconds, value.microseconds]},
    ("datetime", "timezone"): lambda value, other: {"~zone": dates.write_zone(value)},
    ("zoneinfo", "ZoneInfo"): lambda value, other: {"~zone": dates.write_zone(value)} if value.key else None,
    ("decimal", "Decimal"): lambda value, other: {"~Decimal": str(value)},
    ("fractions", "Fraction"): lambda value, other: {
        "~Fraction": [to_data(value.numerator, other), to_data(value.denominator, other)]
    },
    ("array", "array"): lambda value, other: {"~items": [value.typecode, [to_data(i, other) for i in value]]},
    ("builtins", "mappingproxy"): lambda value, other: {"~proxy": _pairs(dict(value), other)},
    ("re", "Match"): _write_match,
    ("re", "Pattern"): lambda value, other: {"~pattern": [to_data(value.pattern, other), int(value.flags)]},
    ("uuid", "UUID"): lambda value, other: {"~UUID": value.hex},
    ("types", "SimpleNamespace"): lambda value, other: {"~namespace": _pairs(vars(value), other)},
    **{("pathlib", name): lambda value, other: {"~path": [type(value).__name__, str(value)]} for name in PATHS},
    **{("pathlib._local", name): lambda value, other: {"~path": [type(value).__name__, str(value)]} for name in PATHS},
    ("numpy", "ndarray"): _library("write_array"),
    **{
        ("numpy", name): _library("write_scalar")
        for name in (
            *("bool", "bool_", "str_", "bytes_", "datetime64", "timedelta64", "complex64", "complex128"),
            *(f"{kind}{size}" for kind in ("int", "uint", "float") for size in (8, 16, 32, 64)),
        )
    },
    **{
        (module, name): _library(f"write_{name.lower()}")
        for module in ("pandas", "pandas.core.frame", "pandas.core.series")
        for name in ("DataFrame", "Series")
    },
    **{
        (module, name): _library("write_timestamp")
        for module in ("pandas", "pandas._libs.tslibs.timestamps", "pandas._libs.tslibs.timedeltas")
        for name in ("Timestamp", "Timedelta")
    },
    **{
        (module, name): _library("write_index")
        for module in ("pandas", "pandas.core.indexes.base", "pandas.core.indexes.range")
        for name in ("Index", "RangeIndex")
    },
}
CONSTANTS = {"Ellipsis": ..., "NotImplemented": NotImplemented}
READERS = {
    "~int": lambda inner, other: int(inner, 16),
    "~float": lambda inner, other: float(inner),
    "~tuple": lambda inner, other: tuple(_items(inner, other)),
    "~set": lambda inner, other: set(_items(inner, other)),
    "~frozenset": lambda inner, other: frozenset(_items(inner, other)),
    "~dict": lambda inner, other: dict(_read_pairs(inner, other)),
    "~complex": lambda inner, other: complex(float(inner[0]), float(inner[1])),
    "~bytes": lambda inner, other: bytes.fromhex(inner),
    "~memoryview": lambda inner, other: memoryview(bytes.fromhex(inner)),
    "~bytearray": lambda inner, other: bytearray.fromhex(inner),
    "~range": lambda inner, other: range(*_items(inner, other)),
    "~slice": lambda inner, other: slice(*_items(inner, other)),
    "~constant": lambda inner, other: CONSTANTS[inner],
    "~type": lambda inner, other: NAMED[inner],
    "~view": _read_view,
    **{f"~{name}": _read_collection(name) for name in ("deque", "OrderedDict", "Counter", "defaultdict")},
    "~date": dates.read_of_datetime("date"),
    "~timedelta": dates.read_of_datetime("timedelta"),
    "~datetime": dates.read_datetime,
    "~time": dates.read_time,
    "~zone": lambda inner, other: dates.read_zone(inner),
    "~Decimal": _read_decimal,
    "~Fraction": _read_fraction,
    "~UUID": _read_uuid,
    "~items": _read_array,
    "~proxy": _read_proxy,
    "~match": _read_match,
    "~pattern": _read_pattern,
    "~path": _read_path,
    "~namespace": _read_namespace,
    **{f"~{name}": _library(f"read_{name}") for name in ("array", "scalar", "frame", "series", "index", "moment")},
}
