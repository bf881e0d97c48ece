"""The house stays as drawn: a room imports only from floors below it (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

FLOORS = {
    "extras": -1,
    "recipe": 0,
    "ledger": 0,
    "http": 0,
    "model": 1,
    "chat": 1,
    "tasks": 1,
    "runs": 1,
    "sandbox": 2,
    "engine": 2,
    "verifiers": 3,
    "agents": 4,
    "evals": 5,
    "server": 5,
    "training": 6,
    "clients": 6,
    "cli": 8,
}
PACKAGE = Path(__file__).parent.parent / "ponder"
FILES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    """Modules of ponder that a file imports, at the top or inside functions."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative imports hide the room"
            # What is taken from a package may be one of its folders.
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module.count(".") < 2 else [node.module]
            )
        modules |= {name for name in names if name.startswith("ponder.")}
    return modules


def imported_rooms(path: Path) -> set[str]:
    """Rooms of ponder that a file imports."""
    return {name.split(".")[1] for name in imported_modules(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = path.relative_to(PACKAGE).parts[0]
    if room == "__init__.py":
        return
    for other in imported_rooms(path) - {room, "__version__"}:
        assert FLOORS[other] < FLOORS[room], f"{room} (floor {FLOORS[room]}) imports {other} (floor {FLOORS[other]})"


def test_every_room_is_on_a_floor():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(FLOORS) - {"extras"}


# The server reads in the order of the data; a folder imports only from those before it.
SERVER_ORDER = ("requests", "answer", "replies", "front", "start")
SERVER_FILES = sorted((PACKAGE / "server").rglob("*.py"))


@pytest.mark.parametrize("path", SERVER_FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_server_has_no_arrow_back(path):
    folder = path.relative_to(PACKAGE / "server").parts[0]
    if folder == "__init__.py":
        assert not imported_modules(path), "what is above the folders imports nothing"
        return
    for name in imported_modules(path):
        if name.startswith("ponder.server"):
            other = name.split(".")[2]
            assert SERVER_ORDER.index(other) <= SERVER_ORDER.index(folder), f"{folder} imports {name}"


# Files of one room that need each other: a grammar that recurses through its parts.
CIRCLES = [
    {f"ponder.verifiers.math.{name}" for name in ("arithmetic", "functions", "parse", "remarks", "symbols")},
]


def modules_imported(path: Path, modules: set[str]) -> set[str]:
    """Those of `modules` that a file imports, at the top, inside functions, or for the sake of types."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & modules


def test_no_files_import_each_other_in_a_circle():
    modules = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in FILES}
    imports = {name: modules_imported(path, set(modules)) - {name} for name, path in modules.items()}
    reached = {name: set(others) for name, others in imports.items()}
    for middle in modules:  # Warshall: what can be reached through more and more files
        for others in reached.values():
            if middle in others:
                others |= reached[middle]
    circles = [
        {other for other in reached[name] if name in reached[other]} for name in modules if name in reached[name]
    ]
    unknown = [sorted(circle) for circle in circles if not any(circle <= known for known in CIRCLES)]
    assert not unknown, f"these import each other: {unknown[0]}"
