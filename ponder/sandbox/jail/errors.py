"""An exception of the program as data, and on standard error as Python itself would print it."""

import os
import sys
import traceback

HERE = "jail"  # the directory that the code of this package seems to come from
MESSAGE, TRACEBACK = 4_000, 8_000  # characters kept


def describe(error: BaseException) -> dict:
    """{"type", "message", "traceback"}; whatever the exception's own code does wrong stays out of it."""
    try:
        message = str(error)
    except BaseException as another:
        message = f"(its text cannot be made: {type(another).__name__})"
    try:
        without_harness(error)
        text = "".join(traceback.format_exception(error))
    except BaseException as another:
        text = f"(its traceback cannot be made: {type(another).__name__})"
    return {"type": type(error).__name__, "message": message[:MESSAGE], "traceback": text[-TRACEBACK:]}


def without_harness(error: BaseException) -> None:
    """Takes the frames of this package off the top of the traceback: the program's own come first then."""
    frames = error.__traceback__
    while frames is not None and os.path.dirname(frames.tb_frame.f_code.co_filename) == HERE:
        frames = frames.tb_next
    error.__traceback__ = frames


def show(error: BaseException) -> None:
    """Prints an uncaught exception through the program's own sys.excepthook."""
    without_harness(error)
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException:
        sys.__excepthook__(type(error), error, error.__traceback__)
