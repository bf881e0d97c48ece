"""A session in a worker: Python cells one after another, in one namespace."""

import ast
import builtins
import linecache
import os
import signal
import socket
import sys
import types

from jail import calls, errors, execution, wire

MAX_REPR = 64 << 10  # characters


def serve_cells(judge: socket.socket, job: dict) -> int:
    """Messages in: {"code"}; out: {"result", "error"} after the cell's output has been written."""
    execution.put_stdin(b"")
    main = types.ModuleType("__main__")
    main.__builtins__ = builtins
    sys.modules["__main__"] = main
    sys.path.insert(0, os.getcwd())
    sys.argv = [""]
    wire.send(judge, execution.STARTED)
    interrupts = _Interrupts()
    own_pid = os.getpid()
    count = 0
    while True:
        try:
            request = wire.receive_json(judge)
        except EOFError:
            return 0
        count += 1
        answer = _run_cell(request["code"], f"<cell {count}>", main.__dict__, interrupts)
        interrupts.off()
        calls.leave_if_forked(own_pid)
        wire.send_json(judge, answer)


class _Interrupts:
    """SIGINT raises KeyboardInterrupt in a cell, and nothing between cells."""

    def __init__(self):
        self._armed = False
        signal.signal(signal.SIGINT, self._handle)

    def on(self) -> None:
        self._armed = True

    def off(self) -> None:
        self._armed = False
        signal.signal(signal.SIGINT, self._handle)  # the cell may have set its own

    def _handle(self, number: int, frame: object) -> None:
        if self._armed:
            raise KeyboardInterrupt


def _run_cell(source: str, name: str, namespace: dict, interrupts: _Interrupts) -> dict:
    result = None
    try:
        body, last = _compile(source, name)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        return {"result": None, "error": errors.describe_syntax_error(error)}
    try:
        try:
            linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
            interrupts.on()
            exec(body, namespace)
            if last is not None:
                value = eval(last, namespace)
                if value is not None:
                    namespace["_"] = value
                    result = repr(value)
        finally:
            _flush()
            interrupts.off()
    except BaseException as error:
        return {"result": None, "error": errors.describe(error)}
    return {"result": None if result is None else str.__str__(result)[:MAX_REPR], "error": None}


def _compile(source: str, name: str) -> tuple[types.CodeType, types.CodeType | None]:
    """The cell's statements, and its last one by itself where that is an expression."""
    tree = ast.parse(source, name)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = compile(ast.Expression(tree.body.pop().value), name, "eval", dont_inherit=True)
    return compile(tree, name, "exec", dont_inherit=True), last


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # the cell closed or replaced it: what it wrote so is its own affair
    if any(getattr(stream, "closed", True) for stream in (sys.stdin, sys.stdout, sys.stderr)):
        execution.open_streams()  # exit() closes standard input
