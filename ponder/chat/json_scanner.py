"""JSON read character by character, as it is written: what has been read is known to be right so far."""

import re

MAX_DEPTH = 128

_SPACE = re.compile(r"[ \t\n\r]+")
_PLAIN = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]+')
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX = frozenset("0123456789abcdefABCDEF")
_LITERALS = {"t": "true", "f": "false", "n": "null"}

# RFC 8259's numbers: from the part reached so far, by kind of character, to the next part.
_NUMBER = {
    "sign": {"0": "zero", "d": "int"},
    "zero": {".": "point", "e": "exponent"},
    "int": {"0": "int", "d": "int", ".": "point", "e": "exponent"},
    "point": {"0": "fraction", "d": "fraction"},
    "fraction": {"0": "fraction", "d": "fraction", "e": "exponent"},
    "exponent": {"0": "power", "d": "power", "s": "power sign"},
    "power sign": {"0": "power", "d": "power"},
    "power": {"0": "power", "d": "power"},
}
_WHOLE_NUMBERS = ("zero", "int", "fraction", "power")
_KINDS = {"-": "s", "+": "s", ".": ".", "e": "e", "E": "e", "0": "0"} | dict.fromkeys("123456789", "d")


class JsonScanner:
    """A state machine for one JSON object, as strict as RFC 8259: no NaN, no half of a surrogate pair in a string.

    `step` reads a little and tells with these attributes where it has come to:

    - `depth`: open objects and arrays. `done`: the object is complete; only white space may follow.
    - `in_string`, `in_scalar` (a number, true, false or null), `is_key` (the string, until the colon behind it).
    - `text`: what the last step added to a string, with escapes resolved; "" where there was no string.
    """

    def __init__(self) -> None:
        self.done = self.in_string = self.is_key = False
        self.text = ""
        self._open: list[str] = []
        self._expects = "object"  # object, value, item, key, first key, colon, comma
        self._scalar = ""  # the number part reached, or the rest of a literal
        self._literal = False
        self._escape: str | None = None  # what stands behind the backslash so far
        self._high = 0  # first half of a surrogate pair, whose second half has to follow at once

    @property
    def depth(self) -> int:
        return len(self._open)

    @property
    def in_scalar(self) -> bool:
        return bool(self._scalar)

    def step(self, text: str, at: int) -> int:
        """Reads from `text[at]` on: white space, a piece of a string, or one character; returns where it stopped.

        Raises ValueError where this cannot become a JSON object any more; nothing may be read after that.
        """
        self.text = ""
        if self.in_string:
            return self._string(text, at)
        if self._scalar and self._continues_scalar(text[at]):
            return at + 1
        if space := _SPACE.match(text, at):
            return space.end()
        self._structure(text[at])
        return at + 1

    def _structure(self, character: str) -> None:
        expects = self._expects
        if self.done:
            raise ValueError(f"{character!r} after the end of the JSON object")
        if expects == "object" and character != "{":
            raise ValueError(f"a JSON object begins with {{, not with {character!r}")
        if character in "}]" and self._closes(character):
            self._open.pop()
            self.done, self._expects = not self._open, "comma"
        elif expects == "comma" and character == ",":
            self._expects = "key" if self._open[-1] == "{" else "value"
        elif expects == "colon" and character == ":":
            self._expects, self.is_key = "value", False
        elif expects in ("key", "first key") and character == '"':
            self.in_string = self.is_key = True
        elif expects in ("object", "value", "item"):
            self._value(character)
        else:
            raise ValueError(f"{character!r} where JSON needs a {expects.removeprefix('first ')}")

    def _closes(self, bracket: str) -> bool:
        if not self._open or self._open[-1] != {"}": "{", "]": "["}[bracket]:
            return False
        return self._expects in ("comma", "first key" if bracket == "}" else "item")

    def _value(self, character: str) -> None:
        if character in "{[":
            if len(self._open) == MAX_DEPTH:
                raise ValueError(f"JSON is nested deeper than {MAX_DEPTH}")
            self._open.append(character)
            self._expects = "first key" if character == "{" else "item"
            return
        self._expects = "comma"
        if character == '"':
            self.in_string = True
        elif character in _LITERALS:
            self._scalar, self._literal = _LITERALS[character][1:], True
        elif character == "-" or _KINDS.get(character) in ("0", "d"):
            self._scalar, self._literal = {"-": "sign", "0": "zero"}.get(character, "int"), False
        else:
            raise ValueError(f"{character!r} begins no JSON value")

    def _continues_scalar(self, character: str) -> bool:
        """Whether the character belongs to the number or literal; where not, the scalar ends before it."""
        if self._literal:
            if character != self._scalar[0]:
                raise ValueError(f"{character!r} where JSON needs {self._scalar!r}")
            self._scalar = self._scalar[1:]
            return True
        following = _NUMBER[self._scalar].get(_KINDS.get(character, ""))
        if following is None and self._scalar not in _WHOLE_NUMBERS:
            raise ValueError(f"{character!r} inside a number")
        self._scalar = following or ""
        return following is not None

    def _string(self, text: str, at: int) -> int:
        if self._escape is not None:
            self._escaped(text[at])
            return at + 1
        character = text[at]
        if character == "\\":
            self._escape = ""
            return at + 1
        if self._high:
            raise ValueError("half of a surrogate pair in a JSON string")
        if plain := _PLAIN.match(text, at):
            self.text = plain[0]
            return plain.end()
        if character != '"':
            raise ValueError(f"{character!r} in a JSON string must be escaped")
        self.in_string = False
        self._expects = "colon" if self.is_key else "comma"
        return at + 1

    def _escaped(self, character: str) -> None:
        escape = (self._escape or "") + character
        if escape[0] != "u":
            if escape not in _ESCAPES or self._high:
                raise ValueError(f"\\{escape} in a JSON string")
            self._escape, self.text = None, _ESCAPES[escape]
            return
        if len(escape) > 1 and character not in _HEX:
            raise ValueError(f"\\{escape} in a JSON string")
        self._escape = escape
        if len(escape) == 5:
            self._escape = None
            self._unit(int(escape[1:], 16))

    def _unit(self, unit: int) -> None:
        """One UTF-16 unit, as \\uXXXX gives it."""
        if self._high:
            if not 0xDC00 <= unit < 0xE000:
                raise ValueError("half of a surrogate pair in a JSON string")
            self.text = chr(0x10000 + ((self._high - 0xD800) << 10) + unit - 0xDC00)
            self._high = 0
        elif 0xD800 <= unit < 0xDC00:
            self._high = unit
        elif 0xDC00 <= unit < 0xE000:
            raise ValueError("half of a surrogate pair in a JSON string")
        else:
            self.text = chr(unit)
