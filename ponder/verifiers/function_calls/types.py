"""Whether an argument is among the values that a reference accepts, by the rules of BFCL's AST checker (Python part).

The rules, as bfcl-eval 2026.3.23 applies them:
- The type is that of the tool's schema, exactly: a bool is no integer; an integer passes for a float, not the other
  way round. The items of an array are checked one level deep; there BFCL's `float` takes no integer, but JSON's `number`,
  which its Python part does not know, does.
- A value that has the type of the reference's first accepted value passes too, whatever the schema says ("variable");
  such a value is compared as it is.
- Strings are compared without case, spaces and the characters , . / - _ * ^, and with ' as ". So are the strings in a
  list or in a dict, one level deep. Lists are ordered. `1 == 1.0 == True`, as in Python.
- A dict holds accepted values by key; a key that has "" among them may be left out.
- An accepted "" says that the argument may be left out. It also matches an empty list.
"""

from dataclasses import dataclass
from reprlib import Repr
from typing import Any

TYPES = {
    "string": str,
    "integer": int,
    "float": float,
    "number": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "object": dict,
    "any": str,
    "null": type(None),
}
IGNORED = str.maketrans("", "", " ,./-_*^")
MAX_INTEGER_BITS = 200  # larger ones are described rather than written out


@dataclass(frozen=True)
class Parameter:
    """What a tool's schema says of one parameter: the name of its type, and for arrays that of the items' type."""

    type: str
    item_type: str | None = None

    @property
    def python_type(self) -> type:
        return TYPES[self.type]

    @property
    def python_item_type(self) -> type | None:
        return TYPES[self.item_type] if self.item_type else None

    @property
    def item_types(self) -> tuple[type, ...]:
        """The types that an item may have."""
        return (float, int) if self.item_type == "number" else (TYPES[self.item_type],) if self.item_type else ()


def disagreement(value: Any, parameter: Parameter, accepted: list) -> str | None:
    """Why `value` is not among the `accepted` values of a parameter, in words; None if it is.

    ValueError for an accepted dict whose values are not lists.
    """
    expected, item_type = parameter.python_type, parameter.python_item_type
    if parameter.type == "tuple" and type(value) is tuple:
        value = list(value)
    if expected is float and type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            return f"{shown(value)} is too large for a float"
    reference_type = _type_of_first(accepted)
    if type(value) is expected:
        if item_type and not any(_items_have_type(value, option, parameter.item_types) for option in accepted):
            return f"expected {parameter.type} of {parameter.item_type}, got {shown(value)}"
        as_it_is = reference_type not in (None, expected)
    elif reference_type is not None and type(value) is reference_type:
        as_it_is = True
    else:
        return f"expected {parameter.type}, got {shown(value)} ({type(value).__name__})"
    if as_it_is or expected not in (str, list, dict):
        agrees = value in accepted
    elif expected is dict:
        agrees = any(_dict_agrees(value, option) for option in accepted)
    elif item_type is dict:
        agrees = any(_dicts_agree(value, option) for option in accepted)
    elif expected is list:
        agrees = any(_folded_items(value) == _folded_items(o) for o in accepted if isinstance(o, list | str))
    else:
        agrees = fold(value) in [fold(option) for option in accepted if type(option) is str]
    return None if agrees else f"expected {_alternatives(accepted)}, got {shown(value)}"


def fold(text: str) -> str:
    """A string as it is compared.

    >>> fold("New York, N.Y.") == fold("new-york NY")
    True
    """
    return text.translate(IGNORED).lower().replace("'", '"')


class _Shown(Repr):
    """Short forms for reasons: bounded in length and depth, and never an error."""

    def repr_int(self, value: int, level: int) -> str:
        bits = value.bit_length()
        return repr(value) if bits <= MAX_INTEGER_BITS else f"an integer of {bits} bits"


_SHOWN = _Shown()
_SHOWN.maxstring = _SHOWN.maxother = 80
_SHOWN.maxlevel = 3


def shown(value: Any) -> str:
    """A value as a reason shows it, at most a few hundred characters.

    >>> shown("a" * 1000), shown(10**5000)
    ("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", 'an integer of 16610 bits')
    """
    return _SHOWN.repr(value)


def _alternatives(accepted: list) -> str:
    options = [shown(option) for option in accepted[:6] if option != ""]
    return " or ".join(options) + (" or others" if len(accepted) > 6 else "") if options else "it to be left out"


def _type_of_first(accepted: list) -> type | None:
    """The type of the first accepted value that is more than leave to omit the argument."""
    return next((type(option) for option in accepted if option != ""), None)


def _items_have_type(items: list, option: Any, item_types: tuple[type, ...]) -> bool:
    """Whether the items have the schema's type, or that of the option's first item. Anything passes beside a non-list."""
    if type(option) is not list:
        return True
    return all(type(item) in item_types or type(item) is _type_of_first(option) for item in items)


def _folded_items(items: list | str) -> list:
    return [fold(item) if type(item) is str else item for item in items]


def _dict_agrees(value: Any, option: Any) -> bool:
    """Whether every value of a dict is accepted under its key, and every key is there that may not be left out."""
    if not isinstance(value, dict) or not isinstance(option, dict):
        return False
    for key, accepted in option.items():
        if not isinstance(accepted, list):
            raise ValueError(f"the reference's {key!r} holds {shown(accepted)}; write a list of accepted values")
        if key not in value and "" not in accepted:
            return False
    return all(
        key in option and (fold(item) if type(item) is str else item) in _folded_items(option[key])
        for key, item in value.items()
    )


def _dicts_agree(values: list, option: Any) -> bool:
    if not isinstance(option, list | str) or len(values) != len(option):
        return False
    return all(_dict_agrees(value, expected) for value, expected in zip(values, option, strict=True))
