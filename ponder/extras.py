"""Parts that Ponder does without until they are wanted, and how to get them where the user stands."""

import os
import re
import shlex
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

_PROJECT = Path(__file__).parents[1]


def how_to_install(extra: str) -> str:
    """The command that brings an extra of pyproject.toml into the environment of this Python: `pip install -e '.[chat]'` in
    a checkout of the project, else the extra's own packages by name. Never `ponder[chat]`: at a package index that name is
    not this project's."""
    if checkout := _checkout():
        where = "." if checkout == Path.cwd() else str(checkout)
        wanted = ["-e", f"{where}[{extra}]"]
    else:
        wanted = _packages(extra)
    return f"{_pip()} install {shlex.join(wanted)}"


def _pip() -> str:
    """`pip`, where that is this environment's."""
    first, own = shutil.which("pip"), Path(sys.executable).parent
    if first and Path(first).parent == own:
        return "pip"
    python = Path(sys.executable)
    return f"{shlex.quote(os.path.relpath(python) if python.is_relative_to(Path.cwd()) else str(python))} -m pip"


def _checkout() -> Path | None:
    """The directory of the project where this package is imported from it."""
    try:
        text = (_PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    except OSError:
        return None
    return _PROJECT if re.search(r'^name = "ponder"$', text, re.MULTILINE) else None


def _packages(extra: str) -> list[str]:
    """What an installed Ponder says that the extra needs."""
    try:
        lines = requires("ponder") or []
    except PackageNotFoundError:
        lines = []
    wanted = [line.partition(";") for line in lines]
    packages = [name.strip() for name, _, marker in wanted if re.search(rf"""extra == ['"]{extra}['"]""", marker)]
    return packages or [extra]
