"""What the user writes: lines with a history on a terminal, messages of more than one line, a script from a pipe."""

from dataclasses import dataclass
from typing import TextIO

BLOCK = '"""'


@dataclass(frozen=True)
class Entry:
    """`is_command`: it begins with a slash, and stands alone in its line."""

    text: str
    is_command: bool = False


class Reader:
    """`prompts`: somebody sits at a terminal. Interrupts (Ctrl+C) come through as KeyboardInterrupt."""

    def __init__(self, source: TextIO, prompts: bool):
        self._source, self.prompts = source, prompts
        self._readline = None
        if prompts:
            try:
                import readline  # from now on input() edits lines and remembers them
            except ImportError:
                readline = None  # not on every system; lines are read all the same
            self._readline = readline
        elif reconfigure := getattr(source, "reconfigure", None):
            reconfigure(errors="replace")

    def next(self) -> Entry | None:
        """What is written next; None at the end. A line that ends with a backslash goes on in the next one; a block
        between lines of three quotes is one message."""
        line = self._line("> ")
        if line is None:
            return None
        if line.lstrip().startswith(BLOCK):
            return Entry(self._block(line.lstrip().removeprefix(BLOCK)))
        lines = [line]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            more = self._line(". ")
            if more is None:
                break
            lines.append(more)
        return Entry("\n".join(lines), is_command=len(lines) == 1 and line.startswith("/"))

    def edited(self, text: str) -> str | None:
        """The text as the user has changed it in place. None where that cannot be done here."""
        readline = self._readline
        if readline is None:
            return None
        readline.set_startup_hook(lambda: readline.insert_text(text))
        try:
            return self._line("edit> ")
        finally:
            readline.set_startup_hook(None)

    def _block(self, first: str) -> str:
        lines, line = [], first
        while not line.rstrip().endswith(BLOCK):
            lines.append(line)
            more = self._line(". ")
            if more is None:
                return "\n".join(lines).strip("\n")
            line = more
        return "\n".join([*lines, line.rstrip().removesuffix(BLOCK)]).strip("\n")

    def _line(self, prompt: str) -> str | None:
        if self.prompts:
            try:
                return input(prompt)
            except EOFError:
                return None
        line = self._source.readline()
        return line.rstrip("\r\n") if line else None
