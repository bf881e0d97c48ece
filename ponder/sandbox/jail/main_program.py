"""A Python program as the interpreter's own main program, from its first line to what the interpreter does at its end."""

import atexit
import gc
import itertools
import os
import signal
import sys
import threading
import traceback
import types
import weakref
from collections.abc import Callable
from importlib.machinery import SourceFileLoader

from jail import bare, errors

PLACE = ""  # the program's directory
LAST = ("last_type", "last_value", "last_traceback")
_newest = ""  # of the modules that were loaded before any program was there


def remember_modules() -> None:
    """What is in sys.modules from now on is a program's."""
    global _newest
    _newest = next(reversed(sys.modules))


def run(codes: list[types.CodeType]) -> None:
    """Runs them one after another, the last of which is the program's own file, among the same names.

    Ends this process with the program's exit code, or, where it was interrupted, by SIGINT.
    """
    names = _main_module(codes[-1].co_filename).__dict__

    def whole() -> None:
        exit_code, interrupted = 0, False
        try:
            for code in codes:
                exec(code, names)
        except BaseException as error:
            exit_code, interrupted = _end_of(error), isinstance(error, KeyboardInterrupt)
        code = None
        names_are_gone()
        exit_code = _finish(exit_code)
        if interrupted:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        os._exit(exit_code)

    def names_are_gone() -> None:
        nonlocal codes, names
        codes = names = None

    bare.call(whole)


def _main_module(path: str) -> types.ModuleType:
    global PLACE
    PLACE = os.path.dirname(path)
    main = types.ModuleType("__main__")
    names = {"__annotations__": {}, "__builtins__": sys.modules["builtins"], "__file__": path, "__cached__": None}
    main.__dict__.update(names, __loader__=SourceFileLoader("__main__", path))
    sys.modules["__main__"] = main
    sys.dont_write_bytecode = False
    sys.set_int_max_str_digits(sys.int_info.default_max_str_digits)
    return main


def _end_of(error: BaseException) -> int:
    """Does with an exception that nobody has caught what the interpreter does: the exit code."""
    if isinstance(error, SystemExit):
        return _exit_code(error)
    error.__traceback__ = errors.without_own_frames(error.__traceback__)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    hook = getattr(sys, "excepthook", None)
    if hook is None:
        _complain("sys.excepthook is missing\n")
        hook = sys.__excepthook__
    try:
        hook(type(error), error, error.__traceback__)
    except SystemExit as end:
        return _exit_code(end)
    except BaseException as another:
        another.__traceback__ = errors.without_own_frames(another.__traceback__)
        another.__context__ = None  # the hook is not called while the first is handled
        _complain("Error in sys.excepthook:\n")
        sys.__excepthook__(type(another), another, another.__traceback__)
        _complain("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, error.__traceback__)
    return 1


def _finish(exit_code: int) -> int:
    """What the interpreter does at its end: waits for threads, runs what was registered, flushes the standard streams,
    and lets go of the program's modules, so that files are written out, generators closed, and `__del__` is called."""
    try:
        threading._shutdown()
    except BaseException as error:
        _ignored(error, threading)
    atexit._run_exitfuncs()
    flushed = _flush(_ignored)
    _let_go_of_modules()
    flushed &= _flush(lambda *_: None)  # what was to be said has been said
    return exit_code if flushed else 120


def _let_go_of_modules() -> None:
    """Of the main module and of those beside it. Those that something still holds lose their names at least."""
    for name in LAST:
        setattr(sys, name, None)
    for name in ("stdin", "stdout", "stderr"):  # what the program has put there may hold text yet
        setattr(sys, name, getattr(sys, f"__{name}__", None))
    beside = os.path.join(PLACE, "")
    alive = []
    # Of the others not even the names are looked at, which would copy the pages that they lie on.
    new = list(itertools.takewhile(lambda name: name != _newest, reversed(sys.modules)))
    for name in ("__main__", *reversed(new)):
        module = sys.modules.get(name)
        if name == "__main__" or str(getattr(module, "__file__", None)).startswith(beside):
            if isinstance(module, types.ModuleType):
                alive.append(weakref.ref(module))
            sys.modules.pop(name, None)
    module = None
    gc.collect()
    if any(reference() is not None for reference in alive):
        for reference in alive:
            _forget_names(reference())
        gc.collect()


def _forget_names(module: types.ModuleType | None) -> None:
    names = {} if module is None else vars(module)
    private = [name for name in names if name.startswith("_") and not name.startswith("__")]
    for name in [*private, *names]:
        if name != "__builtins__":
            names[name] = None


def _flush(complain: Callable) -> bool:
    """Whether nothing was lost."""
    kept = True
    for stream in (sys.stdout, sys.stderr):
        if stream is None or _is_closed(stream):
            continue
        try:
            stream.flush()
        except BaseException as error:
            kept = False
            if stream is not sys.stderr:
                complain(error, stream)
    return kept


def _is_closed(stream: object) -> bool:
    try:
        return bool(stream.closed)
    except BaseException:
        return False


def _ignored(error: BaseException, where: object) -> None:
    _complain(f"Exception ignored in: {where!r}\n" + "".join(traceback.format_exception_only(error)))


def _complain(text: str) -> None:
    try:
        sys.stderr.write(text)
    except BaseException:
        return  # there is nowhere left to say so


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    _complain(f"{error.code}\n")
    return 1
