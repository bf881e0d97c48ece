"""What test code has replaced around a call, so that the program in its own process sees the same, and back.

Standard input and output, the environment, the seed of `random`, and functions that are commonly patched.
"""

import builtins
import os
import random
import re
import sys
import warnings

from jail.files import ROOTS, Files

FILES = re.compile(r"tmp|tempfile|\bopen\(|write_text|write_bytes|\bPath\b|pathlib|\bos\.|shutil")
UNPICKLE = re.compile(
    r"pickle|marshal|shelve|joblib|dill|(np|numpy|torch|yaml)\.load"
)  # whoever reads such a file runs what it says
LOGS = re.compile(r"caplog|assertLogs|assertNoLogs|\blogging\b")
PATCHED = {
    "builtins": ("input", "print", "open"),
    "time": ("sleep", "time", "perf_counter", "monotonic"),
    "random": ("random", "randint", "choice", "uniform", "shuffle", "sample", "randrange"),
    "os": ("getenv", "listdir", "getcwd", "system"),
    "subprocess": ("run", "check_output"),
}


class Surroundings:
    """Remembers how things are before the test code runs."""

    def __init__(self, code: str):
        """`code` is that of the tests: files and logs are only carried where it speaks of them."""
        carried = os.path.realpath("/tmp") in ROOTS and FILES.search(code) and not UNPICKLE.search(code)
        self._files = Files() if carried else None
        self._logs = LOGS.search(code) is not None
        self._streams = {name: getattr(sys, name) for name in ("stdin", "stdout", "stderr")}
        self._environ, self._raw_environ = _environment(), dict(os.environ._data)
        self._argv = list(sys.argv)
        self._functions = [
            (module, name, getattr(sys.modules[module], name))
            for module, names in PATCHED.items()
            if module in sys.modules
            for name in names
        ]
        self._show = warnings._showwarnmsg_impl
        self._seed, self._seeded = random.seed, None
        random.seed = self._note_seed

    def _note_seed(self, *args, **kwargs):
        self._seed(*args, **kwargs)
        self._seeded = args

    def told(self, link) -> dict:
        """The parts of a request that say what is different now."""
        told: dict = {}
        if os.environ._data != self._raw_environ:
            self._raw_environ = dict(os.environ._data)
            if _environment() != self._environ:
                self._environ = _environment()
                told["environ"] = self._environ
        if sys.argv != self._argv:
            self._argv = list(sys.argv)
            told["argv"] = [str(item) for item in self._argv]
        if self._seeded is not None:
            told["seed"], self._seeded = [link.foreign.plain(item) for item in self._seeded], None
        if sys.stdin is not self._streams["stdin"] and hasattr(sys.stdin, "getvalue"):
            told["stdin"] = str(sys.stdin.getvalue())[sys.stdin.tell() :]
        catch = [name for name in ("stdout", "stderr") if getattr(sys, name) is not self._streams[name]]
        if catch:
            told["catch"] = catch
        replaced = [
            [module, name, link.foreign.write(getattr(sys.modules[module], name))]
            for module, name, original in self._functions
            if getattr(sys.modules[module], name) is not original
        ]
        if replaced:
            told["replaced"] = replaced
        if self._files is not None:
            told["files"] = self._files.changes()
        if self._logs:
            told["logs"] = _log_levels()
        if warnings._showwarnmsg_impl is not self._show:
            told["warnings"] = True
        return told

    def take(self, envelope: dict, link) -> None:
        """What a step has read, printed and warned of, as if it had happened here."""
        if "stdin" in envelope and hasattr(sys.stdin, "getvalue"):
            sys.stdin.seek(sys.stdin.tell() + min(max(int(envelope["stdin"]), 0), len(sys.stdin.getvalue())))
        for name in ("stdout", "stderr"):
            if isinstance(envelope.get(name), str) and getattr(sys, name) is not self._streams[name]:
                getattr(sys, name).write(envelope[name])
        if self._files is not None:
            self._files.take(envelope.get("files", []))
        for name, level, message in envelope.get("logs", ()) if self._logs else ():
            _log(str(name), int(level), str(message))
        for told in envelope.get("warnings", ()):
            kind = getattr(builtins, told["type"], None)
            if not (isinstance(kind, type) and issubclass(kind, Warning)):
                kind = link.class_of(told["class"]) if told["class"] is not None else UserWarning
            warnings.warn(str(told["message"]), kind if issubclass(kind, Warning) else UserWarning, stacklevel=4)


def _log_levels() -> dict[str, int]:
    """The level of each logger that the tests have set, the root's under the empty name."""
    import logging

    named = {
        name: logger.level for name, logger in logging.root.manager.loggerDict.items() if getattr(logger, "level", 0)
    }
    return {"": logging.root.level, **named}


def _log(name: str, level: int, message: str) -> None:
    import logging

    logger = logging.getLogger(name or None)
    if logger.isEnabledFor(level):
        logger.handle(logger.makeRecord(logger.name, level, "solution", 0, message, (), None))


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
