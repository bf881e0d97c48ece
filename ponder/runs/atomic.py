"""Files and directories that are wholly there or not there at all, whatever kills the process.

Everything is written aside under a hidden name (`.name.tmp-PID`), flushed to the disk, and renamed into place.
"""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LEFTOVER = re.compile(r"\.(?P<name>.+)\.(?P<kind>tmp|old)-(?P<pid>\d+)")
_in_use: set[Path] = set()


INTACT = "Everything saved before it, the last good checkpoint included, is intact: make room, then resume."
NOTHING_YET = "Nothing had been saved before: make room, or name another place with --run, then start it again."


class SaveError(OSError):
    """There was no room to save something. What had been saved before is untouched; `advice` says how to go on."""

    def __init__(self, path: Path, cause: BaseException):
        free = shutil.disk_usage(path.parent).free / 2**20
        reason = getattr(cause, "strerror", None) or str(cause) or os.strerror(errno.ENOSPC)
        super().__init__(
            getattr(cause, "errno", None) or errno.ENOSPC,
            f"could not save {path}: {reason} ({free:,.1f} MiB are free there).",
        )
        self.advice = INTACT

    def __str__(self) -> str:
        return f"{self.strerror} {self.advice}"


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically. Lone surrogates, which UTF-8 cannot hold, become `?`."""
    write_bytes(path, text.encode("utf-8", "replace"))


def write_json(path: Path, data: Any) -> None:
    """Write plain data as JSON, atomically."""
    write_text(path, json.dumps(data, indent=1) + "\n")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically, making its directory if needed.

    Raises:
        SaveError: the disk, a quota or a file-size limit is full; a former file at `path` is untouched.
    """
    with replacing_file(path) as aside:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            _write_all(descriptor, data)
        finally:
            os.close(descriptor)


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield the name of a file to write, which takes the name `path` when the block ends well; its directory is made if
    needed. On any exception it is removed, and what was at `path` stays.

    Raises:
        SaveError: in place of whatever a library raised, when the cause was a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path, "tmp")
    with _claimed(aside):
        try:
            yield aside
            _fsync(aside)
            os.replace(aside, path)
        except BaseException as error:
            full = _is_full(error, path.parent)
            aside.unlink(missing_ok=True)
            if full:
                raise SaveError(path, error) from error
            raise
    _fsync(path.parent)


@contextmanager
def replacing_directory(final: Path) -> Iterator[Path]:
    """Yield a new empty directory that takes the name `final` when the block ends well.

    On success every file in it is flushed to the disk and it replaces whatever `final` was. On any exception it is
    removed and the exception goes on; `final` stays as it was. A kill at any moment leaves either the old or the new
    directory (`clean_leftovers` puts the old one back if the kill fell between the two renames).

    Raises:
        SaveError: in place of whatever a library raised, when the cause was a full disk.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    aside, old = _aside(final, "tmp"), _aside(final, "old")
    with _claimed(aside), _claimed(old):
        shutil.rmtree(aside, ignore_errors=True)
        try:
            aside.mkdir()
            yield aside
            _fsync_tree(aside)
            if final.exists():
                os.rename(final, old)
            os.rename(aside, final)
        except BaseException as error:
            full = _is_full(error, final.parent)
            if old.exists() and not final.exists():
                os.rename(old, final)
            shutil.rmtree(aside, ignore_errors=True)
            if full:
                raise SaveError(final, error) from error
            raise
        _fsync(final.parent)
        shutil.rmtree(old, ignore_errors=True)


def clean_leftovers(directory: Path, name: str | None = None) -> None:
    """Remove what dead processes of this machine left half-written in `directory` (not in its subdirectories); with `name`
    only of what was to bear it, in a directory that is not Ponder's own.

    A directory that was moved out of the way by a replacement which never finished gets its name back.
    """
    for path in sorted(directory.glob(".*")):
        match = _LEFTOVER.fullmatch(path.name)
        if not match or path in _in_use or _another_lives(int(match["pid"])):
            continue
        if name is not None and match["name"] != name:
            continue
        final = directory / match["name"]
        if match["kind"] == "old" and not final.exists():
            os.rename(path, final)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def put_aside(directory: Path) -> Path:
    """Rename a directory, so that another one can take its place; returns what it is called now: NAME.before-1, or the next
    number that is free."""
    names = (directory.with_name(f"{directory.name}.before-{number}") for number in range(1, 10_000))
    aside = next(name for name in names if not name.exists())
    directory.rename(aside)
    return aside


class AppendFile:
    """A file that grows by whole records: after a failed append it is as long as before."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)

    def append(self, data: bytes) -> None:
        """Hand `data` to the operating system, so that it outlives a kill of this process.

        Raises:
            SaveError: there was no room; nothing of `data` is in the file.
        """
        start = os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, data)
        except BaseException as error:
            os.ftruncate(self._descriptor, start)
            if _is_full(error, self.path.parent):
                raise SaveError(self.path, error) from error
            raise

    def sync(self) -> None:
        """Flush to the disk itself, so that it outlives a power cut."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def _aside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{kind}-{os.getpid()}")


@contextmanager
def _claimed(path: Path) -> Iterator[None]:
    _in_use.add(path)
    try:
        yield
    finally:
        _in_use.discard(path)


def _another_lives(pid: int) -> bool:
    """Whether `pid` is a living process other than this one (in containers, this one may bear a dead one's number)."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_full(error: BaseException, directory: Path) -> bool:
    """Whether a full disk is behind `error`; safetensors and torch raise types of their own, without an errno."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    if not isinstance(error, Exception):
        return False
    return "No space left" in str(error) or "File too large" in str(error) or shutil.disk_usage(directory).free == 0


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _fsync_tree(directory: Path) -> None:
    for parent, _, names in os.walk(directory):
        for name in names:
            _fsync(Path(parent, name))
        _fsync(Path(parent))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
