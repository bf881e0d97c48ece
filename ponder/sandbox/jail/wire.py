"""Messages between the judge and a worker, and Python values as data.

A message is a length in four bytes (big-endian) and that many bytes. Values that JSON cannot carry are tagged objects,
{"~tuple": [...]}; what is no data at all stays on the candidate's side and crosses over as a numbered handle.
"""

import math
import socket

# Held by name here: a program may replace what the module offers.
from json import dumps, loads

TAG = "~"
TYPES = {kind.__name__: kind for kind in (bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict)}
MAX_DIGITS = 50_000  # of integers as text; as LiveCodeBench's own runner has it
MAX_COLLECTED = 64 << 20  # bytes of files that a run may bring back
NUMBER = 8  # bytes before each call and its answer: a secret number that says which answer belongs to which call


def send(channel: socket.socket, data: bytes) -> None:
    channel.sendall(len(data).to_bytes(4, "big") + data)


def receive(channel: socket.socket) -> bytes:
    """The next message; EOFError when the judge has closed the channel."""
    return receive_exactly(channel, int.from_bytes(receive_exactly(channel, 4), "big"))


def receive_exactly(channel: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = channel.recv(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def send_json(channel: socket.socket, value: object) -> None:
    send(channel, dumps(value).encode())


def receive_json(channel: socket.socket):
    return loads(receive(channel))


def to_data(value: object, keep) -> object:
    """A Python value as tagged JSON. `keep(object)` is asked for a number for anything that is not plain data.

    Types are told by exact class, except that subclasses of numbers, texts and containers lose their class.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        value = int.__int__(value)
        return value if -(1 << 62) < value < 1 << 62 else {"~int": hex(value)}
    if isinstance(value, float):
        value = float.__float__(value)
        return value if math.isfinite(value) else {"~float": repr(value)}
    if isinstance(value, list):
        return [to_data(item, keep) for item in list.__iter__(value)]
    for name, kind in (("tuple", tuple), ("set", set), ("frozenset", frozenset)):
        if isinstance(value, kind):
            return {TAG + name: [to_data(item, keep) for item in kind.__iter__(value)]}
    if isinstance(value, dict):
        return {"~dict": [[to_data(k, keep), to_data(v, keep)] for k, v in dict.items(value)]}
    if isinstance(value, complex):
        return {"~complex": [repr(value.real), repr(value.imag)]}
    if isinstance(value, bytes | bytearray):
        return {"~bytes": bytes(value).hex()}
    if isinstance(value, type) and TYPES.get(value.__name__) is value:
        return {"~type": value.__name__}
    module, name = type(value).__module__, type(value).__name__
    if module == "numpy" and hasattr(value, "tolist"):
        kind = "~array" if name == "ndarray" else "~scalar"
        return {kind: to_data(value.tolist(), keep)}
    if (module, name) == ("builtins", "range"):
        return {"~range": [to_data(item, keep) for item in (value.start, value.stop, value.step)]}
    if (module, name) == ("collections", "deque"):
        return {"~deque": [to_data(item, keep) for item in value]}
    if (module, name) == ("datetime", "date"):
        return {"~date": [value.year, value.month, value.day]}
    if (module, name) == ("datetime", "datetime") and value.tzinfo is None:
        return {"~datetime": [*value.timetuple()[:6], value.microsecond]}
    if (module, name) == ("datetime", "timedelta"):
        return {"~timedelta": [value.days, value.seconds, value.microseconds]}
    if (module, name) in (("decimal", "Decimal"), ("fractions", "Fraction")):
        return {TAG + name: str(value)}
    return {"~handle": keep(value)}


def from_data(data: object, handle) -> object:
    """The inverse of `to_data`; `handle(number)` stands in for what stayed behind. ValueError for what is not data."""
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if isinstance(data, list):
        return [from_data(item, handle) for item in data]
    if not isinstance(data, dict) or len(data) != 1:
        raise ValueError("not a value")
    ((tag, inner),) = data.items()
    match tag:
        case "~int":
            return int(inner, 16)
        case "~float":
            return float(inner)
        case "~tuple":
            return tuple(from_data(item, handle) for item in inner)
        case "~set":
            return {from_data(item, handle) for item in inner}
        case "~frozenset":
            return frozenset(from_data(item, handle) for item in inner)
        case "~dict":
            return {from_data(key, handle): from_data(item, handle) for key, item in inner}
        case "~complex":
            return complex(float(inner[0]), float(inner[1]))
        case "~bytes":
            return bytes.fromhex(inner)
        case "~range":
            return range(*(from_data(item, handle) for item in inner))
        case "~deque":
            from collections import deque

            return deque(from_data(item, handle) for item in inner)
        case "~Decimal":
            from decimal import Decimal

            return Decimal(inner)
        case "~Fraction":
            from fractions import Fraction

            return Fraction(inner)
        case "~type":
            return TYPES[inner]
        case "~date" | "~datetime" | "~timedelta":
            import datetime

            return getattr(datetime, tag[1:])(*(from_data(item, handle) for item in inner))
        case "~scalar":
            return from_data(inner, handle)
        case "~array":
            import numpy

            return numpy.array(from_data(inner, handle))
        case "~handle":
            return handle(inner)
    raise ValueError(f"not a value: {str(tag)[:40]}")
