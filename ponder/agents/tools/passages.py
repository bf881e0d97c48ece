"""A folder's text files, in passages."""

import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_FILE = 4 * 2**20  # bytes
MOST_TEXT = 64 * 2**20  # bytes of all files together: an index of it takes some seconds, and a gigabyte
PASSAGE = 1_000  # characters
# A run of letters or digits; writing without spaces counts by the character.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


@dataclass(frozen=True)
class Passage:
    """`path`: within the folder. `line`: at which it begins, from 1."""

    path: str
    line: int
    text: str


@dataclass(frozen=True)
class Folder:
    """`skipped`: how many files were left out, by why."""

    path: Path
    files: int
    passages: list[Passage]
    skipped: Counter[str]

    def told(self) -> str:
        """For people."""
        text = f"search: {self.path}: {self.files:,} text files in {len(self.passages):,} passages"
        return f"{text}; left out: {_listed(self.skipped)}" if self.skipped else text


def read_folder(path: str | Path) -> Folder:
    """All text of a folder and its folders. Hidden files, and links of any kind, are left out: nothing is read that does not lie
    in it.

    Raises:
        ValueError: no folder, no text in it, or more than MOST_TEXT.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise ValueError(f"search: {root}: there is no such folder")
    passages: list[Passage] = []
    skipped: Counter[str] = Counter()
    files = size = 0
    for file in _files(root, skipped):
        text = _text(file, skipped)
        if text is None:
            continue
        size += len(text)
        if size > MOST_TEXT:
            raise ValueError(f"search: {root} has more than {MOST_TEXT // 2**20} MiB of text: name a smaller folder")
        files += 1
        passages += _passages(file.relative_to(root).as_posix(), text)
    if not passages:
        left = f" (left out: {_listed(skipped)})" if skipped else ""
        raise ValueError(f"search: {root} has no text file that could be searched{left}")
    return Folder(root, files, passages, skipped)


def words_of(text: str) -> list[str]:
    """What is compared: words in lower case, the parts of a snake_case name apart."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _listed(skipped: Counter[str]) -> str:
    return ", ".join(f"{count:,} {why}" for why, count in sorted(skipped.items()))


def _files(root: Path, skipped: Counter[str]) -> Iterator[Path]:
    """In an order that does not depend on the file system."""

    def fail(error: OSError) -> None:
        skipped["not readable"] += 1

    for place, folders, names in os.walk(root, onerror=fail):
        here = Path(place)
        for name in list(folders):
            hidden = name.startswith(".")
            if hidden or (here / name).is_symlink():
                skipped["hidden" if hidden else "links"] += 1
                folders.remove(name)
        folders.sort()
        for name in sorted(names):
            if name.startswith("."):
                skipped["hidden"] += 1
            else:
                yield here / name


def _text(path: Path, skipped: Counter[str]) -> str | None:
    try:
        # What is no plain file (a link, a pipe that would hang) is found out by what was opened, not before.
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        skipped["links" if path.is_symlink() else "not readable"] += 1
        return None
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            skipped["no files"] += 1
            return None
        try:
            raw = file.read(MOST_FILE + 1)
        except OSError:
            skipped["not readable"] += 1
            return None
    if len(raw) > MOST_FILE:
        skipped[f"over {MOST_FILE // 2**20} MiB"] += 1
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        skipped["binary"] += 1
        return None
    return text


def _passages(path: str, text: str) -> Iterator[Passage]:
    """Whole lines up to PASSAGE characters, of paragraphs that belong together where that is possible; a line that is longer than
    that is cut."""
    held: list[str] = []
    size, first = 0, 1
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        ends_here = not line.strip() and size > PASSAGE // 2
        if held and (size + len(line) > PASSAGE or ends_here):
            yield from _made(path, first, held)
            held, size = [], 0
        if not held:
            first = number
        held.append(line)
        size += len(line) + 1
    yield from _made(path, first, held)


def _made(path: str, line: int, held: list[str]) -> Iterator[Passage]:
    while held and not held[0].strip():
        held, line = held[1:], line + 1
    text = "\n".join(held).rstrip()
    for start in range(0, len(text), PASSAGE):
        yield Passage(path, line, text[start : start + PASSAGE])
