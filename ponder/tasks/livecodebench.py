"""LiveCodeBench's test cases: JSON, or JSON text that was pickled, compressed and written in base64; and what its judge
puts before every program.

https://github.com/LiveCodeBench/LiveCodeBench
"""

import base64
import binascii
import io
import json
import pickle
import pickletools
import zlib
from collections.abc import Mapping
from typing import Any

# Its testing_util.py imports all names of these, in this order, then some of the modules themselves. Answers lean on it:
# the starter code says `List[int]`.
_STARS = (
    *(
        "string",
        "re",
        "datetime",
        "collections",
        "heapq",
        "bisect",
        "copy",
        "math",
        "random",
        "statistics",
        "itertools",
    ),
    *("functools", "operator", "io", "sys", "json", "builtins", "typing"),
)
_MODULES = tuple(name for name in _STARS if name not in ("builtins", "typing"))
PREAMBLE = "\n".join(
    [
        *(f"from {name} import *" for name in _STARS),
        *(f"import {name}" for name in _MODULES),
        "sys.setrecursionlimit(50_000)",
        "sys.set_int_max_str_digits(50_000)",
    ]
)
MAX_BYTES = 1 << 30  # of unpacked test cases in one row


def read_cases(row: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    """The public and private tests of a row, as stdin/stdout or function call tests. ValueError, by `place`."""
    cases = [
        case
        for name in ("public_test_cases", "private_test_cases")
        for case in _unpack(row.get(name), f"{place}, {name}")
    ]
    if not cases:
        raise ValueError(f"{place}: the tests are missing: both public_test_cases and private_test_cases are empty")
    kinds = {case.get("testtype", "stdin") for case in cases}
    if kinds == {"stdin"}:
        return [{"stdin": case["input"], "stdout": case["output"]} for case in cases]
    if kinds == {"functional"}:
        function = _function_name(row, place)
        return [_call(function, case, f"{place}, test {number}") for number, case in enumerate(cases, start=1)]
    raise ValueError(
        f"{place}: test cases of type {' and '.join(sorted(map(str, kinds)))}: stdin or functional is known"
    )


def _unpack(value: Any, place: str) -> list[dict[str, Any]]:
    if isinstance(value, str) and value.strip():
        value = _from_text(value, place)
    if not value:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{place}: a list of test cases is expected, not {type(value).__name__}")
    for number, case in enumerate(value, start=1):
        if not isinstance(case, dict) or not all(isinstance(case.get(name), str) for name in ("input", "output")):
            raise ValueError(f"{place}: case {number} is not {{input: TEXT, output: TEXT, testtype: ...}}")
    return value


def _from_text(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(f"{place}: {error}") from None
    except ValueError:
        packed = text
    try:
        return json.loads(_unpickle(_decompress(base64.b64decode(packed, validate=True))))
    except (ValueError, RecursionError, binascii.Error, zlib.error, pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"{place}: neither JSON nor packed JSON (base64, zlib, a pickled text): {error}") from None


def _decompress(data: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    unpacked = unpacking.decompress(data, MAX_BYTES)
    if not unpacking.eof:
        raise ValueError(f"the data breaks off, or has more than {MAX_BYTES:,} bytes")
    return unpacked


class _TextUnpickler(pickle.Unpickler):
    """Without names there are no classes and no functions: nothing of the file is ever called."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}; only text is allowed")


def _unpickle(data: bytes) -> str:
    try:
        # A text takes a handful of operations; a few bytes of others can ask for many gigabytes.
        if any(
            count > 1_000 or (operation.name in ("PUT", "LONG_BINPUT") and argument != 0)
            for count, (operation, argument, _) in enumerate(pickletools.genops(data))
        ):
            raise pickle.UnpicklingError("the pickle holds more than one text")
        value = _TextUnpickler(io.BytesIO(data)).load()
    except (AttributeError, IndexError, KeyError, TypeError, MemoryError, OverflowError, ImportError) as error:
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from None
    if not isinstance(value, str):
        raise pickle.UnpicklingError(f"the pickle holds a {type(value).__name__}; only text is allowed")
    return value


def _function_name(row: Mapping[str, Any], place: str) -> str:
    metadata = row.get("metadata") or {}
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except ValueError as error:
            raise ValueError(f"{place}: metadata is not JSON: {error}") from None
    name = metadata.get("func_name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise ValueError(f"{place}: functional tests need metadata with func_name, the function to call")
    return name


def _call(function: str, case: dict[str, Any], place: str) -> dict[str, Any]:
    """The arguments are one JSON value a line."""
    try:
        args = [json.loads(line) for line in case["input"].split("\n") if line.strip()]
        expected = json.loads(case["output"])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place}: an argument or the result is not JSON: {error}") from None
    return {"function": function, "args": args, "expected": expected}
