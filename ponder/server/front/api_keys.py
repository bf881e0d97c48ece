"""API keys: who may ask, by what name, and how much."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """Of one caller; None is without a limit."""

    concurrent: int | None = None
    per_minute: int | None = None


@dataclass(frozen=True)
class Caller:
    name: str
    limits: Limits


class Keys:
    """API keys, of which only digests are kept."""

    def __init__(self, callers: dict[bytes, Caller]):
        self._callers = callers

    @classmethod
    def load(cls, path: Path, default: Limits) -> "Keys":
        """A file with a key on each line, and behind it, where wanted: name=WORD concurrent=N per_minute=N.
        Empty lines and those that begin with # are passed over.

        Raises:
            ValueError: a line that cannot be read, by its number; a key that stands there twice; no key at all.
        """
        callers: dict[bytes, Caller] = {}
        lines: dict[bytes, int] = {}
        # Editors on Windows write a byte order mark, which would be part of the first key.
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
            key, *settings = line.split() or [""]
            if not key or key.startswith("#"):
                continue
            digest = _digest(key)
            if digest in lines:
                raise ValueError(
                    f"{path}, line {number}: the key of line {lines[digest]} again; remove one of the lines"
                )
            lines[digest] = number
            callers[digest] = _caller(settings, default, path, number)
        if not callers:
            raise ValueError(f"{path} holds no key: write one on each line")
        if len({caller.name for caller in callers.values()}) < len(callers):
            raise ValueError(f"{path} gives two keys the same name")
        return cls(callers)

    @classmethod
    def of(cls, key: str) -> "Keys":
        """A single key, without limits."""
        return cls({_digest(key): Caller("the key", Limits())})

    def __len__(self) -> int:
        return len(self._callers)

    def caller(self, authorization: bytes) -> Caller | None:
        """Whose key is in the header `Authorization: Bearer KEY`."""
        scheme, _, key = authorization.partition(b" ")
        return self._callers.get(_digest(key.strip())) if scheme.lower() == b"bearer" else None


def _caller(settings: list[str], default: Limits, path: Path, line: int) -> Caller:
    given = dict(setting.partition("=")[::2] for setting in settings)
    unknown = given.keys() - {"name", "concurrent", "per_minute"}
    numbers = {name: text for name, text in given.items() if name != "name"}
    if unknown or not all(text.isdecimal() and int(text) > 0 for text in numbers.values()):
        raise ValueError(
            f"{path}, line {line}: behind the key may stand name=WORD, concurrent=N and per_minute=N, N above 0"
        )
    limits = Limits(
        concurrent=int(numbers["concurrent"]) if "concurrent" in numbers else default.concurrent,
        per_minute=int(numbers["per_minute"]) if "per_minute" in numbers else default.per_minute,
    )
    return Caller(given.get("name") or f"key of line {line}", limits)


def _digest(key: str | bytes) -> bytes:
    return hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()
