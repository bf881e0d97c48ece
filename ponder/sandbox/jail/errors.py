"""An exception of the program as data, and on standard error as Python itself would print it."""

import builtins
import contextlib
import io
import sys
import traceback
import types

OWN_FILES = "<sandbox>/"  # where the code of this package seems to come from: no file, whatever a program writes
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


def describe_syntax_error(error: BaseException) -> dict:
    """The same for what the compiler says, before any of a program has run: its text is the interpreter's own."""
    told, printed = describe(error), io.StringIO()
    error.__traceback__ = None
    with contextlib.redirect_stderr(printed):
        sys.__excepthook__(type(error), error, None)
    return told | {"traceback": printed.getvalue()[-TRACEBACK:]}


def builtin_bases(kind: type) -> list[str]:
    return [base.__name__ for base in type.mro(kind) if getattr(builtins, base.__name__, None) is base]


def without_own_frames(frames: types.TracebackType | None) -> types.TracebackType | None:
    """A traceback from the first frame of the program's on."""
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(OWN_FILES):
        frames = frames.tb_next
    return frames


def _drop_own_frames(shown: traceback.TracebackException) -> None:
    shown.stack[:] = [frame for frame in shown.stack if not frame.filename.startswith(OWN_FILES)]
    for before in (shown.__cause__, shown.__context__):
        if before is not None:
            _drop_own_frames(before)
