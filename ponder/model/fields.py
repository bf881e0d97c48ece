"""Fields of a JSON object that others wrote: each is read with its type, and what has another is refused by name."""

import math
from collections.abc import Mapping
from typing import Any

MOST = 2**40  # of any whole number in a config


class Fields:
    """
    Args:
        raw: the parsed object
        where: of it, for errors: a path, such as `model/config.json`
    """

    def __init__(self, raw: Mapping[str, Any], where: str):
        self.raw, self.where = raw, where

    def refused(self, key: str, want: str) -> ValueError:
        return ValueError(f"{self.where}: {key} is {_shown(self.raw.get(key))}; it must be {want}")

    def has(self, key: str) -> bool:
        return self.raw.get(key) is not None

    def whole(self, key: str, default: int | None = None, most: int = MOST) -> int:
        """A whole number from 1 to `most`. Raises ValueError where it is missing and there is no default."""
        return self._whole(key, default, 1, most)

    def token_id(self, key: str) -> int | None:
        """None where there is none; old configs write -1 for that."""
        return None if self.raw.get(key) in (None, -1) else self._whole(key, None, 0, MOST)

    def token_ids(self, key: str) -> tuple[int, ...]:
        """One id, a list of them, or none."""
        value = self.raw.get(key)
        found = value if isinstance(value, list) else [] if value is None else [value]
        if not all(_is_whole(token) and 0 <= token <= MOST for token in found):
            raise self.refused(key, "a token's id, or a list of ids")
        return tuple(map(int, found))

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number of at least 0."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise self.refused(key, "a number of at least 0")
        return float(value)

    def number_or_none(self, key: str) -> float | None:
        return self.number(key) if self.has(key) else None

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.refused(key, "true or false")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self._value(key, default)
        if not isinstance(value, str):
            raise self.refused(key, "a string")
        return value

    def texts(self, key: str) -> list[str]:
        value = self.raw.get(key)
        found = [] if value is None else value
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self.refused(key, "a list of strings")
        return found

    def object(self, key: str) -> "Fields":
        """The fields of an object inside this one; none where it is missing."""
        value = self.raw.get(key)
        if not isinstance(value, Mapping | None):
            raise self.refused(key, "an object")
        return Fields(value or {}, f"{self.where}: {key}")

    def _whole(self, key: str, default: int | None, least: int, most: int) -> int:
        value = self._value(key, default)
        if not _is_whole(value) or not least <= value <= most:
            raise self.refused(key, f"a whole number from {least} to {most}")
        return int(value)

    def _value(self, key: str, default: Any) -> Any:
        value = self.raw.get(key)
        if value is None and default is None:
            raise ValueError(f"{self.where}: the field {key!r} is missing")
        return default if value is None else value


def _is_whole(value: Any) -> bool:
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text[:60]}... ({type(value).__name__})" if len(text) > 60 else f"{text} ({type(value).__name__})"
