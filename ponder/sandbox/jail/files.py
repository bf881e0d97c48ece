"""Files of the scratch that test code and program share: each has its own, and what changed goes over with a step.

What holds Python is never taken over, in either direction: neither side is to run or read the other's code.
"""

import contextlib
import os
import stat

ROOTS = ("/job/tmp", "/job/work")
MOST_FILES, MOST_BYTES = 300, 4 << 20
CODE = (".py", ".pyc", ".pyo", ".pyd", ".so", ".pth", ".egg", ".zip", ".ini", ".cfg", ".toml")


class Files:
    """What lies in the scratch, and what of it is new since the other side was told."""

    def __init__(self):
        self._seen = _scan()

    def changes(self) -> list:
        """[path, content in hexadecimal, or None for a directory, or False for what is gone], directories first."""
        now, told, room = _scan(), [], MOST_BYTES
        for path, state in now.items():
            if self._seen.get(path, False) == state:
                continue
            if state is None:
                told.append([path, None])
                continue
            room -= state[1]
            content = _read(path) if room >= 0 else None
            if content is not None:
                told.append([path, content.hex()])
        told += [[path, False] for path in self._seen if path not in now]
        self._seen = now
        return told

    def take(self, told: list) -> None:
        """Does the same here. What cannot be done is left out; ValueError for what is no change."""
        for path, content in told[: 2 * MOST_FILES]:
            if not _is_shared(path) or not isinstance(content, str | bool | None):
                raise ValueError("no file of the scratch")
            with contextlib.suppress(OSError):  # the program's own doings may be in the way
                _apply(path, content)
        self._seen = _scan()


def _is_shared(path: object) -> bool:
    if not isinstance(path, str) or os.path.normpath(path) != path or path.lower().endswith(CODE) or "\0" in path:
        return False
    if "__pycache__" in path or not path.startswith(tuple(root + "/" for root in ROOTS)):
        return False
    return os.path.realpath(os.path.dirname(path)).startswith(ROOTS)


def _apply(path: str, content: str | bool | None) -> None:
    if content is None:
        os.makedirs(path, exist_ok=True)
    elif content is False:
        os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
        with open(os.open(path, flags, 0o600), "wb") as file:
            file.write(bytes.fromhex(content))


def _scan() -> dict[str, tuple[int, int] | None]:
    """Modification time and size of each plain file, None for each directory."""
    found: dict[str, tuple[int, int] | None] = {}
    for root in ROOTS:
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if "__pycache__" not in name]
            if folder != root:
                found[folder] = None
            for name in names:
                path = f"{folder}/{name}"
                with contextlib.suppress(OSError):
                    state = os.lstat(path)
                    if stat.S_ISREG(state.st_mode) and not name.lower().endswith(CODE):
                        found[path] = state.st_mtime_ns, state.st_size
            if len(found) > MOST_FILES:
                return found
    return found


def _read(path: str) -> bytes | None:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return None
