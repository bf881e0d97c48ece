"""An exception of the program as data, and on standard error as Python itself would print it."""

import builtins
import sys
import traceback

OWN_FILES = "jail/"  # where the code of this package seems to come from
MESSAGE, TRACEBACK = 4_000, 8_000  # characters kept


def describe(error: BaseException) -> dict:
    """{"type", "bases", "message", "traceback"}; whatever the exception's own code does wrong stays out of it.

    `bases` are the names of the built-in classes it descends from, the nearest first.
    """
    try:
        message = str(error)
    except BaseException as another:
        message = f"(its text cannot be made: {type(another).__name__})"
    try:
        shown = traceback.TracebackException.from_exception(error)
        _drop_own_frames(shown)
        text = "".join(shown.format())
    except BaseException as another:
        text = f"(its traceback cannot be made: {type(another).__name__})"
    return {
        "type": type(error).__name__,
        "bases": builtin_bases(type(error)),
        "message": message[:MESSAGE],
        "traceback": text[-TRACEBACK:],
    }


def builtin_bases(kind: type) -> list[str]:
    return [base.__name__ for base in type.mro(kind) if getattr(builtins, base.__name__, None) is base]


def show(error: BaseException) -> None:
    """Prints an uncaught exception through the program's own sys.excepthook."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(OWN_FILES):
        frames = frames.tb_next
    error.__traceback__ = frames
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException:
        sys.__excepthook__(type(error), error, error.__traceback__)


def _drop_own_frames(shown: traceback.TracebackException) -> None:
    shown.stack[:] = [frame for frame in shown.stack if not frame.filename.startswith(OWN_FILES)]
    for before in (shown.__cause__, shown.__context__):
        if before is not None:
            _drop_own_frames(before)
