"""The house stays as drawn: a room imports only from floors below it (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

FLOORS = {
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


def imported_rooms(path: Path) -> set[str]:
    """Rooms of ponder that a file imports, at the top or inside functions."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative imports hide the room"
            names = [node.module] if node.module != "ponder" else [f"ponder.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("ponder.")}
    return rooms


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = path.relative_to(PACKAGE).parts[0]
    if room == "__init__.py":
        return
    for other in imported_rooms(path) - {room, "__version__"}:
        assert FLOORS[other] < FLOORS[room], f"{room} (floor {FLOORS[room]}) imports {other} (floor {FLOORS[other]})"


def test_every_room_is_on_a_floor():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} <= set(FLOORS)
