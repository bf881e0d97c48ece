"""Running a program in a worker: as a main program, or as another language's command."""

import io
import os
import signal
import socket
import stat
import sys
import types

from jail import errors, main_program, wire

STARTED = b"started"


def run_program(judge: socket.socket, job: dict) -> int:
    """A Python main program, which ends this process. Messages: source, stdin. Nothing of the judge stays open."""
    codes = receive_program(judge, job)
    if codes is None:
        return 1
    wire.send(judge, STARTED)
    judge.close()
    main_program.run(codes)


def run_command(judge: socket.socket, job: dict) -> int:
    """Another program in place of this one. Messages: files, stdin. Nothing of the judge stays open."""
    if not _receive_files(judge, job):
        return 1
    wire.send(judge, STARTED)
    judge.close()
    return _become(job["command"])


def run_and_collect(judge: socket.socket, job: dict) -> int:
    """A command, then chosen files of the working directory as messages. Messages: files, stdin."""
    if not _receive_files(judge, job):
        return 1
    wire.send(judge, STARTED)
    exit_code = _run_child(job["command"])
    found = {}
    for name in job["collect"]:
        data = _read_plainly(name, wire.MAX_COLLECTED - sum(map(len, found.values())))
        if data is not None:
            found[name] = data
    wire.send_json(judge, {"exit_code": exit_code, "files": list(found)})
    for data in found.values():
        wire.send(judge, data)
    return 0


def _run_child(command: list[str]) -> int:
    """A command's exit code, or less than 0 for a signal."""
    pid = os.fork()
    if pid == 0:
        os._exit(_become(command))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _become(command: list[str]) -> int:
    """Returns only where the command cannot be started."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, os.environ)
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    return 127


def receive_program(judge: socket.socket, job: dict) -> list[types.CodeType] | None:
    """The program, compiled, and before it the job's preamble if it has one; standard input is in place.

    None after telling the judge that the program does not compile.
    """
    source = wire.receive(judge)
    put_stdin(wire.receive(judge))
    path = os.path.join(os.getcwd(), "main.py")
    with open(path, "wb") as file:
        file.write(source)
    sys.path.insert(0, os.getcwd())
    sys.argv = ["main.py"]
    sys.orig_argv = [sys.executable, "main.py"]
    try:
        preamble = compile(job["preamble"], "preamble.py", "exec", dont_inherit=True) if job["preamble"] else None
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        wire.send_json(judge, {"preamble_error": errors.describe_syntax_error(error)})
        return None
    try:
        program = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        wire.send_json(judge, {"compile_error": errors.describe_syntax_error(error)})
        return None
    return [program] if preamble is None else [preamble, program]


def _receive_files(judge: socket.socket, job: dict) -> bool:
    """Messages: a file each as the job lists them ([name, mode]), then the standard input.

    False after telling the judge that they cannot be written: there are too many, or too much is in them.
    """
    contents = [wire.receive(judge) for _ in job["files"]]
    try:
        for (name, mode), content in zip(job["files"], contents, strict=True):
            if os.path.dirname(name):
                os.makedirs(os.path.dirname(name), exist_ok=True)
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with open(descriptor, "wb") as file:
                file.write(content)
        put_stdin(wire.receive(judge))
    except OSError as error:
        said = {"type": type(error).__name__, "message": f"the files cannot be written: {error}", "traceback": ""}
        wire.send_json(judge, {"compile_error": said})
        return False
    return True


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
    """Text streams over descriptors 0 to 2, as the interpreter makes them. The zygote makes them once, for all its
    workers."""
    for number, name, errors_ in ((0, "stdin", "surrogateescape"), (1, "stdout", "surrogateescape"), (2, "stderr", "")):
        raw = io.FileIO(number, "w" if number else "r", closefd=False)
        raw.name = f"<{name}>"
        buffer = io.BufferedWriter(raw) if number else io.BufferedReader(raw)
        stream = io.TextIOWrapper(
            buffer, "utf-8", errors_ or "backslashreplace", newline="\n", line_buffering=number == 2
        )
        stream.mode = "w" if number else "r"
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _read_plainly(name: str, most: int) -> bytes | None:
    """A regular file by relative name, not through links; None where it is not that, or too large."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        information = os.fstat(descriptor)
        if not stat.S_ISREG(information.st_mode) or information.st_size > most:
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)
