"""What judges have answered, on disk by the hash of what they were asked, so that nothing is asked twice (law 5)."""

import json
import os
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from ponder.runs.atomic import AppendFile


@dataclass(frozen=True)
class Kept:
    """A judge's answer; `finish`: why it ended, in the server's word."""

    text: str
    finish: str


def key_of(asked: dict[str, Any]) -> str:
    """The SHA-256 of a request, which is JSON."""
    return sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


class KeptAnswers:
    """One JSON line for each request: {"judge", "key", "text", "finish"}, or {"judge", "key", "failure"} of one that has
    no answer, which is asked again. In memory only where `path` is None. Any thread may use it.

    Raises:
        ValueError: a line of the file, but for a torn last one, is none of its own.
    """

    def __init__(self, path: Path | None):
        self._path, self._lock = path, Lock()
        self._at: dict[str, tuple[int, int]] = {}  # where an answer's line begins, and its length
        self._answers: dict[str, Kept] = {}  # where there is no file
        self.asked: Counter[str] = Counter()  # requests so far, by judge
        self._file: AppendFile | None = None
        self._end = 0
        if path is not None:
            self._file = AppendFile(path)
            self._reader = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._read()

    def get(self, key: str) -> Kept | None:
        with self._lock:
            if self._file is None or key not in self._at:
                return self._answers.get(key)
            begin, size = self._at[key]
        row = json.loads(os.pread(self._reader, size, begin))
        return Kept(row["text"], row["finish"])

    def add(self, judge: str, key: str, kept: Kept) -> None:
        """Raises SaveError where the disk is full."""
        with self._lock:
            self._at[key] = self._write({"judge": judge, "key": key, "text": kept.text, "finish": kept.finish})
            if self._file is None:
                self._answers[key] = kept

    def add_failure(self, judge: str, key: str, why: str) -> None:
        with self._lock:
            self._write({"judge": judge, "key": key, "failure": why})

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            os.close(self._reader)

    def _write(self, row: dict[str, str]) -> tuple[int, int]:
        self.asked[row["judge"]] += 1
        line = json.dumps(row).encode() + b"\n"
        begin = self._end
        if self._file is not None:
            self._file.append(line)
            self._end += len(line)
        return begin, len(line)

    def _read(self) -> None:
        """Which answers there are; what a kill has left of a last line is cut off."""
        assert self._path is not None
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    os.truncate(self._path, self._end)
                    return
                try:
                    row = json.loads(line)
                    judge, key = row["judge"], row["key"]
                    if "failure" not in row:
                        Kept(row["text"], row["finish"])
                        self._at[key] = self._end, len(line)
                except (ValueError, LookupError, TypeError):
                    raise ValueError(
                        f"{self._path}, line {number}: no answer of a judge; remove the line, or the file to ask everything anew"
                    ) from None
                self.asked[judge] += 1
                self._end += len(line)
