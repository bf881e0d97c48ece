"""A Python program as the interpreter's own main program, from its first line to what the interpreter does at its end."""

import atexit
import gc
import sys
import threading
import types

from jail import errors


def run(code: types.CodeType) -> int:
    main = types.ModuleType("__main__")
    main.__file__ = code.co_filename
    main.__builtins__ = sys.modules["builtins"]
    sys.modules["__main__"] = main
    exit_code = 0
    try:
        exec(code, main.__dict__)
    except SystemExit as error:
        exit_code = _exit_code(error)
    except BaseException as error:
        errors.show(error)
        exit_code = 1
    # What the interpreter does at its end: wait for threads, run what was registered, let go of the module's names
    # (files are written out then, generators closed), flush the standard streams.
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
    except SystemExit as error:
        exit_code = _exit_code(error)
    names = main.__dict__
    for name in sorted(names, key=lambda name: not name.startswith("_")):
        if name != "__builtins__":
            names[name] = None
    gc.collect()
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        if stream is not None and not getattr(stream, "closed", False):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                exit_code = exit_code or 120
    return exit_code


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1
