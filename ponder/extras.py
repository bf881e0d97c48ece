"""Parts that Ponder does without until they are wanted, and how to get them where the user stands."""

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

_PROJECT = Path(__file__).parents[1]


def how_to_install(extra: str) -> str:
    """The command that brings an extra of pyproject.toml: `pip install -e '.[chat]'` in a checkout of the project, else the
    extra's own packages by name. Never `ponder[chat]`: that name is not the project's at any package index."""
    if checkout := _checkout():
        here = checkout == Path.cwd()
        return f"pip install -e '{'.' if here else checkout}[{extra}]'"
    return f"pip install {' '.join(repr(package) for package in _packages(extra))}"


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
