"""Running a program in a worker: as a main program, as another language's command, or as functions to be called."""

import atexit
import os
import signal
import socket
import stat
import sys
import threading
import types

# Held by name here: a program may replace what the module offers.
from json import dumps, loads

from jail import errors, wire

STARTED = b"started"
LOADING = b"loading."  # in place of a number: the one answer that nobody asked for
MAX_COLLECTED = 64 << 20  # bytes of files brought back


def run_program(judge: socket.socket, job: dict) -> int:
    """A Python main program. Returns the exit code; messages: source, stdin. Nothing of the judge stays open."""
    code = _receive_program(judge, job)
    if code is None:
        return 1
    wire.send(judge, STARTED)
    judge.close()
    return _run_main(code)


def run_command(judge: socket.socket, job: dict) -> int:
    """Another program takes this process over. Messages: files, stdin."""
    _receive_files(judge, job)
    wire.send(judge, STARTED)
    judge.close()
    _reset_signals()
    try:
        os.execvpe(job["command"][0], job["command"], os.environ)
    except OSError as error:
        os.write(2, f"{job['command'][0]}: {error}\n".encode())
        return 127


def run_and_collect(judge: socket.socket, job: dict) -> int:
    """A command in a child process, then chosen files of the working directory as messages. Messages: files, stdin."""
    _receive_files(judge, job)
    wire.send(judge, STARTED)
    pid = os.fork()
    if pid == 0:
        judge.close()
        _reset_signals()
        try:
            os.execvpe(job["command"][0], job["command"], os.environ)
        except OSError as error:
            os.write(2, f"{job['command'][0]}: {error}\n".encode())
            os._exit(127)
    while True:  # orphans are ours too
        child, status = os.wait()
        if child == pid:
            break
    exit_code = os.waitstatus_to_exitcode(status)
    found = {}
    for name in job["collect"]:
        data = _read_plainly(name, MAX_COLLECTED - sum(map(len, found.values())))
        if data is not None:
            found[name] = data
    wire.send_json(judge, {"exit_code": exit_code, "files": list(found)})
    for data in found.values():
        wire.send(judge, data)
    return 0


def serve_calls(judge: socket.socket, job: dict) -> int:
    """The program is loaded once, then its functions are called one by one, as the judge asks. Message: source."""
    code = _receive_program(judge, job)
    if code is None:
        return 1
    own_pid = os.getpid()
    wire.send(judge, STARTED)
    module = types.ModuleType("solution")
    module.__file__ = code.co_filename
    sys.modules["solution"] = module
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        wire.send(judge, LOADING + dumps({"error": errors.describe(error)}).encode())
        return 1
    leave_if_forked(own_pid)
    wire.send(judge, LOADING + dumps({"loaded": True}).encode())
    calls = _Calls(module.__dict__, job["sets_as_lists"])
    while True:
        try:
            message = wire.receive(judge)
        except EOFError:
            return 0
        number, request = message[: wire.NUMBER], message[wire.NUMBER :]
        answer = calls.answer(request)
        leave_if_forked(own_pid)
        wire.send(judge, number + answer)


def leave_if_forked(own_pid: int) -> None:
    """Ends a copy of this process that the program has made by fork: only process 1 speaks with the judge."""
    if os.getpid() != own_pid:
        os._exit(0)


class _Calls:
    """Answers requests on the objects of one module. What is no data is kept here under a number (a handle)."""

    def __init__(self, names: dict, sets_as_lists: bool):
        self._names, self._sets_as_lists = names, sets_as_lists
        self._kept: list[object] = []

    def answer(self, asked: bytes) -> bytes:
        """What the program returns or raises, as one JSON object.

        The program may replace what this code uses: it can only fool itself, since all that leaves here is its answer.
        """
        request = loads(asked)
        try:
            if "function" in request:
                value = self._resolve(request["function"])(*request["args"], **request["kwargs"])
                return dumps({"result": value}, default=self._as_json).encode()
            value = self._operate(request)
            return dumps({"value": wire.to_data(value, self._keep)}).encode()
        except _NotData as error:
            return dumps({"not_data": str(error)}).encode()
        except BaseException as error:
            return dumps({"error": errors.describe(error)}).encode()

    def _resolve(self, path: str):
        """`f`, `Class.method` (an instance made without arguments), or a method of the class Solution."""
        first, *rest = path.split(".")
        if first not in self._names and not rest and hasattr(self._names.get("Solution"), first):
            first, rest = "Solution", [first]
        if first not in self._names:
            raise NameError(f"the program defines no {first!r}")
        target = self._names[first]
        for name in rest:
            if isinstance(target, type) and not isinstance(vars(target).get(name), staticmethod | classmethod):
                target = target()
            target = getattr(target, name)
        return target

    def _operate(self, request: dict):
        """One step of test code on an object of the program: its arguments are data, or handles of earlier results."""
        target = self._target(request["target"])
        args = [wire.from_data(item, self._kept.__getitem__) for item in request["args"]]
        kwargs = {name: wire.from_data(item, self._kept.__getitem__) for name, item in request["kwargs"].items()}
        match request["operation"]:
            case "call":
                return target(*args, **kwargs)
            case "get":
                return target
            case "attribute":
                return getattr(target, *args)
            case "iterate":
                return list(target)
            case "length":
                return len(target)
            case "item":
                return target[args[0]]
            case "text":
                return str(target)
        raise ValueError(f"unknown operation {request['operation']!r}")

    def _target(self, target: str | int):
        return self._kept[target] if isinstance(target, int) else self._resolve(target)

    def _keep(self, value: object) -> int:
        self._kept.append(value)
        return len(self._kept) - 1

    def _as_json(self, value: object):
        """What `json.dumps` cannot write by itself."""
        if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
            return value.tolist()
        if self._sets_as_lists and isinstance(value, set | frozenset):
            return list(value)
        raise _NotData(f"a {type(value).__name__} is not JSON")


class _NotData(TypeError):
    """The result of a call cannot cross over."""


def _receive_program(judge: socket.socket, job: dict) -> types.CodeType | None:
    """The compiled source, with its standard input in place; None after telling the judge that it does not compile."""
    source = wire.receive(judge)
    put_stdin(wire.receive(judge))
    path = os.path.join(os.getcwd(), "main.py")
    with open(path, "wb") as file:
        file.write(source)
    sys.path.insert(0, os.getcwd())
    sys.argv = ["main.py"]
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        wire.send_json(judge, {"compile_error": errors.describe(error)})
        return None


def _run_main(code: types.CodeType) -> int:
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
    # What the interpreter does at its end: wait for threads, run what was registered, write what is left.
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
    except SystemExit as error:
        exit_code = _exit_code(error)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
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


def _receive_files(judge: socket.socket, job: dict) -> None:
    """Messages: a file each as the job lists them ([name, mode]), then the standard input."""
    for name, mode in job["files"]:
        if os.path.dirname(name):
            os.makedirs(os.path.dirname(name), exist_ok=True)
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with open(descriptor, "wb") as file:
            file.write(wire.receive(judge))
    put_stdin(wire.receive(judge))


def put_stdin(data: bytes) -> None:
    """Standard input as a file of the scratch: nobody has to feed it, and /dev/stdin leads to it."""
    path = os.path.join(os.path.dirname(os.getcwd()), "stdin")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.dup2(descriptor, 0)
    os.close(descriptor)


def open_streams() -> None:
    """Text streams over descriptors 0 to 2. The zygote makes them once, for all its workers."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        errors_ = "backslashreplace" if number == 2 else "strict"
        stream = open(number, mode, encoding="utf-8", errors=errors_, closefd=False)  # noqa: SIM115 - stays open
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.stderr.reconfigure(line_buffering=True)


def _read_plainly(name: str, most: int) -> bytes | None:
    """A regular file by relative name, not through links; None where it is not that, or too large."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        information = os.fstat(descriptor)
        if not stat.S_ISREG(information.st_mode) or information.st_size > most:
            return None
        return file.read(most)


def _reset_signals() -> None:
    """Python ignores some signals; the program that takes over expects the defaults."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
