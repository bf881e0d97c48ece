"""The files of a release, from the view to where they go: all of them or none, with what is made of them."""

import errno
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from ponder.evals.release.wanted import Wanted
from ponder.runs.atomic import SaveError, clean_leftovers, replacing_directory

SUMS = "SHA256SUMS"
GGUF_TYPES = {"f16": "float16", "q8_0": "q8_0"}
NOTHING_LEFT = "Nothing of the release was left behind: make room, or name another place with --to, then release again."


def write(wanted: Wanted, view: Path, say: Callable[[str], None]) -> dict[str, int]:
    """Into the directory that is wanted, which is there when all of it is. Returns bytes by name.

    Raises:
        SaveError: there is no room; nothing is left.
    """
    to = wanted.directory
    to.parent.mkdir(parents=True, exist_ok=True)
    clean_leftovers(to.parent, to.name)
    paths = sorted(path for path in view.rglob("*") if path.is_file())
    try:
        _refuse_full(sum(path.stat().st_size for path in paths), to)
        with replacing_directory(to) as aside:
            for path in paths:
                place = aside / path.relative_to(view)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
            return finish(wanted, view, aside, say)
    except SaveError as error:
        error.advice = NOTHING_LEFT
        raise


def finish(wanted: Wanted, view: Path, directory: Path, say: Callable[[str], None]) -> dict[str, int]:
    """What is made of the files that lie there: GGUF and checksums. Returns bytes by name, of all."""
    if wanted.gguf:
        from ponder.model.gguf.exporting import plan_export, write_export

        say(f"writing {wanted.gguf_name}")
        write_export(plan_export(view), directory / wanted.gguf_name, GGUF_TYPES[wanted.gguf])
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    lines = [f"{_sha256(path)}  {path.relative_to(directory).as_posix()}\n" for path in paths]
    (directory / SUMS).write_text("".join(lines), encoding="utf-8")
    return {path.relative_to(directory).as_posix(): path.stat().st_size for path in [*paths, directory / SUMS]}


def _refuse_full(need: int, to: Path) -> None:
    """Before hours of copying."""
    if need > shutil.disk_usage(to.parent).free:
        raise SaveError(to, OSError(errno.ENOSPC, f"it takes {need / 2**20:,.1f} MiB"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
