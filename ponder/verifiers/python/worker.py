"""The process in which functions of the user's run, with the user's own rights: nothing is forbidden here.

Started by ponder.verifiers.process as `python -m ponder.verifiers.python.worker DEADLINE_S MEMORY_BYTES PARENT`. What a function
prints goes to standard error, of which the pool keeps the end; what it reads from standard input is empty. When its time
is up, the process writes where it is, and dies.
"""

import faulthandler
import hashlib
import inspect
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from ponder.engine.orphans import end_with_parent
from ponder.verifiers.python.function import PARAMETERS
from ponder.verifiers.scores import told, verdict_from
from ponder.verifiers.wire import failure, receive, send

_modules: dict[str, ModuleType] = {}  # by file


class RefusedError(Exception):
    """The function cannot be used; the message is for people."""


@dataclass(frozen=True)
class Function:
    """A function that can be called: its file, where in it it is defined, and which of PARAMETERS it takes."""

    call: Callable[..., Any]
    file: str
    title: str
    place: str
    takes: tuple[str, ...]


def main() -> None:
    deadline_s, memory_bytes = float(sys.argv[1]), int(sys.argv[2])
    end_with_parent(int(sys.argv[3]), sys.stdin.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Messages have descriptors of their own, which neither print nor input touch.
    requests, results = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    faulthandler.enable(file=2)
    faulthandler.register(signal.SIGPROF, file=2, chain=True)  # then it dies of the signal, as it would have
    own_process = os.getpid()

    while (job := receive(requests)) is not None:
        try:
            function: Function | dict = load(job)
        except RefusedError as refused:
            function = failure(str(refused))
        send(results, {"loaded": True})
        if isinstance(function, dict):
            result = function
        elif job["call"] is None:  # only asked whether it can be called
            result = {"status": "correct", "score": 1.0, "reason": "it is there"}
        else:
            signal.setitimer(signal.ITIMER_PROF, deadline_s)
            result = judge(function, job["call"])
            signal.setitimer(signal.ITIMER_PROF, 0)
        if os.getpid() != own_process:  # a fork that came back out of the function
            os._exit(0)
        send(results, result)


def judge(function: Function, values: dict[str, Any]) -> dict:
    """The result of one call, whatever it raises."""
    try:
        said = function.call(**{name: values[name] for name in function.takes})
    except BaseException as error:  # sys.exit and Ctrl+C too: nothing that a function does ends the process by mistake
        return failure(f"{_raised_at(error, function)}: {told(error)}")
    try:
        verdict = verdict_from(said, function.title)
    except BaseException as error:
        return failure(f"{function.place}: {error if isinstance(error, ValueError) else told(error)}")
    row = asdict(verdict)
    return {name: row[name] for name in ("status", "score", "reason", "parsed")}


def load(job: dict) -> Function:
    """The function of a job. RefusedError where there is none, or none that can be called."""
    file, name = job["file"], job["name"]
    if file not in _modules:
        _modules[file] = _imported(file, job["sha256"])
    module = _modules[file]
    function = getattr(module, name, None)
    if function is None:
        names = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        close = get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it defines {', '.join(names[:20]) or 'none'}"
        raise RefusedError(f"{file} has no function {name!r}; {hint}")
    place = _place(file, name, function)
    if not callable(function) or isinstance(function, type):
        raise RefusedError(f"{place} is no function but {type(function).__name__}")
    if inspect.iscoroutinefunction(function):
        raise RefusedError(
            f"{place} is a coroutine function (async def): write a plain one; calls run side by side anyway"
        )
    return Function(function, file, f"{Path(file).stem}.{name}", place, _taken(place, function))


def _imported(file: str, sha256: str) -> ModuleType:
    """The module of a file, made of the very bytes that have the given digest."""
    path = Path(file)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise RefusedError(f"{file} cannot be read: {error.strerror}") from None
    found = hashlib.sha256(source).hexdigest()
    if found != sha256:
        raise RefusedError(
            f"{file} has changed since the run began (its sha256 was {sha256[:12]}..., now it is {found[:12]}...): put it "
            "back as it was, or stop and resume the run, which takes the file as it then is"
        )
    # Not under its own name, which may be that of a library.
    module = ModuleType(f"_ponder_{path.stem}_{sha256[:12]}")
    module.__file__ = file
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(path.parent))  # what lies beside it can be imported
    try:
        exec(compile(source, file, "exec"), module.__dict__)
    except BaseException as error:
        del sys.modules[module.__name__]
        raise RefusedError(f"{file} cannot be imported: {_line_in(file, error)}{told(error)}") from None
    return module


def _taken(place: str, function: Callable) -> tuple[str, ...]:
    """Which of PARAMETERS to call a function with: those that it names, or all for **rest."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise RefusedError(f"{place} cannot be called by the names of its parameters: {error}") from None
    taken = []
    for one in parameters:
        if one.kind is one.VAR_KEYWORD:
            return PARAMETERS
        by_name = one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
        if by_name and one.name in PARAMETERS:
            taken.append(one.name)
        elif one.default is one.empty and one.kind is not one.VAR_POSITIONAL:
            raise RefusedError(
                f"{place} asks for {one.name!r}; what it can be given, by name: {', '.join(PARAMETERS)}. Write for "
                "instance: def score(response, reference, task)"
            )
    return tuple(taken)


def _place(file: str, name: str, function: Any) -> str:
    """my_rewards.py, line 3, in score"""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    line = f", line {code.co_firstlineno}" if code is not None and code.co_filename == file else ""
    return f"{Path(file).name}{line}, in {name}"


def _raised_at(error: BaseException, function: Function) -> str:
    """The innermost line of the user's file that an exception came through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == function.file:
            return f"{Path(function.file).name}, line {frame.lineno}, in {frame.name}"
    return function.place


def _line_in(file: str, error: BaseException) -> str:
    """`line 3: ` where an import came to its end there."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if isinstance(error, SyntaxError) and error.filename == file:
        lines = [error.lineno]
    return f"line {lines[-1]}: " if lines else ""


if __name__ == "__main__":
    main()
