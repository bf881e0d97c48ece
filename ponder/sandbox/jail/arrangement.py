"""What the tests' side has replaced, put in place around a step of the program's."""

import contextlib
import io
import os
import sys

from jail.files import Files

CAUGHT = 4 << 20  # characters of output that a step can hand to the tests


def arrange(
    request: dict, envelope: dict, stack: contextlib.ExitStack, read, describe, files: Files | None
) -> Files | None:
    """Has the program see what the tests' side has replaced, for one step; what came of it goes into the envelope."""
    if "environ" in request:
        os.environ.clear()
        os.environ.update(request["environ"])
    if "argv" in request:
        sys.argv = request["argv"]
    if "seed" in request:
        import random

        random.seed(*(read(item) for item in request["seed"]))
    if "stdin" in request:
        given = io.StringIO(request["stdin"])
        stack.callback(lambda: envelope.update(stdin=given.tell()))
        stack.enter_context(_replaced(sys, "stdin", given))
    for name in request.get("catch", ()):
        caught = _Caught()
        stack.callback(lambda name=name, caught=caught: envelope.update({name: caught.getvalue()}))
        stack.enter_context(_replaced(sys, name, caught))
    for module, name, function in request.get("replaced", ()):
        if module in sys.modules:
            stack.enter_context(_replaced(sys.modules[module], name, read(function)))
    if "files" in request:
        files = files or Files()
        files.take(request["files"])
        stack.callback(lambda: envelope.update(files=files.changes()))
    if "logs" in request:
        stack.enter_context(_logs(request["logs"], envelope))
    if request.get("warnings"):
        import warnings

        seen = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        stack.callback(lambda: envelope.update(warnings=[describe(w.message) for w in seen[:100]]))
    return files


@contextlib.contextmanager
def _replaced(module, name: str, value: object):
    before = getattr(module, name, None)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


@contextlib.contextmanager
def _logs(levels: dict[str, int], envelope: dict):
    """Has what is logged told, as the levels that the tests have set let it through."""
    import logging

    records: list = []

    class Told(logging.Handler):
        def emit(self, record):
            if len(records) < 1000:
                records.append([record.name if record.name != "root" else "", record.levelno, record.getMessage()])

    handler = Told(0)
    logging.root.addHandler(handler)
    before = [(logging.getLogger(name or None), logging.getLogger(name or None).level) for name in levels]
    for name, level in levels.items():
        logging.getLogger(name or None).setLevel(level)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)
        for logger, level in before:
            logger.setLevel(level)
        envelope["logs"] = records


class _Caught(io.StringIO):
    """A standard stream whose text goes to the tests; what is beyond CAUGHT is dropped."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        room = CAUGHT - self.tell()
        super().write(text[: max(room, 0)])
        return len(text)
