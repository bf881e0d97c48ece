"""Stands between us and a server that we started: `keeper.py GRACE_S DIRECTORY COMMAND...`, with a pipe from us as its
standard input.

When the pipe ends, however we came to our end, the server and all that it has started are ended, and the directory of
its log goes; when the server ends by itself, what it has left running is ended. A script of the standard
library alone, so that it is small and starts at once.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading


def main(grace_s: float, directory: str, command: list[str]) -> int:
    """Returns the server's exit code. `grace_s`: how long it may take to end when it is told to."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # the pipe decides; a handler is not inherited, as ignoring would be
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    abandoned = threading.Event()
    threading.Thread(target=_end_with_pipe, args=(server, grace_s, abandoned), daemon=True).start()
    code = server.wait()
    _signal_all(server.pid, signal.SIGKILL)
    if abandoned.is_set():
        shutil.rmtree(directory, ignore_errors=True)
    return code if code >= 0 else 128 - code


def _end_with_pipe(server: subprocess.Popen, grace_s: float, abandoned: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    abandoned.set()
    _signal_all(server.pid, signal.SIGTERM)
    try:
        server.wait(grace_s)
    except subprocess.TimeoutExpired:
        _signal_all(server.pid, signal.SIGKILL)


def _signal_all(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return  # all of them have ended


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2], sys.argv[3:]))
