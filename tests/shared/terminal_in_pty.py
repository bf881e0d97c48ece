"""A person at a terminal: a command in a real pseudo-terminal, what is typed and what is seen."""

import os
import pty
import re
import select
import signal
import sys

SECONDS = 60.0
AGAIN_S, ATTEMPTS = 5.0, 10
CTRL_C = "\x03"


class Typist:
    """`seen`: all that has been written, as it was written."""

    def __init__(self, *arguments, **environment: str):
        self.pid, self._end = pty.fork()
        if not self.pid:
            os.environ.pop("NO_COLOR", None)
            os.environ.update({"TERM": "xterm"} | environment)
            os.execv(sys.executable, [sys.executable, "-m", "ponder.cli.main", *map(str, arguments)])
        self.seen, self._read = "", 0

    def until(self, pattern: str) -> str:
        """Reads on until there is something new that looks so. Returns what has come before it, and itself."""
        while not (found := re.compile(pattern).search(self.seen, self._read)):
            piece = self._piece()
            assert piece, f"{pattern!r} has not come, but: {self.seen[self._read :]!r}"
            self.seen += piece
        told, self._read = self.seen[self._read : found.end()], found.end()
        return told

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def say(self, text: str) -> str:
        """A line at the prompt, and what comes until the next prompt."""
        self.type(text + "\r")
        return self.until(r"\n> ")

    def interrupt(self, pattern: str) -> str:
        """Ctrl+C, and what comes until something looks so."""
        self._press(CTRL_C)
        return self.until(pattern)

    def leave(self, text: str = "/quit\r") -> int:
        """The exit code."""
        self._press(text)
        while piece := self._piece():
            self.seen += piece
        os.close(self._end)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _press(self, text: str) -> None:
        """Types until something comes. Python misses a Ctrl+C in the instant before it waits for a line, and notices it
        with the next one; a person would press again, too."""
        for _ in range(ATTEMPTS):
            self.type(text)
            if text != CTRL_C or select.select([self._end], [], [], AGAIN_S)[0]:
                return
        raise AssertionError(f"nothing comes of {text!r}, after {self.seen!r}")

    def _piece(self) -> str:
        """What comes next; "" where nothing comes any more, or for too long."""
        if not select.select([self._end], [], [], SECONDS)[0]:
            os.kill(self.pid, signal.SIGKILL)
            return ""
        try:
            return os.read(self._end, 65_536).decode("utf-8", "replace")
        except OSError:  # how Linux says that the other side has gone
            return ""
