"""What is written to a terminal, or to a pipe. Nothing from a model or a server reaches it as a control sequence."""

import os
from typing import TextIO

DIM, RED, RESET = "\x1b[2m", "\x1b[31m", "\x1b[0m"


def _shown_as() -> dict[int, str]:
    table = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
    table |= {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}  # some terminals take these for escape sequences
    table |= {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}  # turn text around
    table |= dict.fromkeys(range(55296, 57344), "�")  # halves of characters, which cannot be written
    return table | {ord("\r"): "", 0x7F: "\u2421"}


_SHOWN_AS = _shown_as()


def visible(text: str) -> str:
    """The text with all that would command a terminal made visible: ESC as \u241b."""
    return text.translate(_SHOWN_AS)


class Screen:
    """On a terminal all goes to `out`; else `out` has thoughts and answers alone, as bare text, `notes` the rest."""

    def __init__(self, out: TextIO, notes: TextIO):
        self.is_terminal = out.isatty()
        commands = self.is_terminal and os.environ.get("TERM") != "dumb"
        self._colours = commands and not os.environ.get("NO_COLOR")
        self._overwrites = commands
        self._out, self._notes = out, out if self.is_terminal else notes
        self._in_line = False  # something stands in the line of `out`
        self._live = 0  # characters of the line that may be written over
        for stream in (out, notes):
            if reconfigure := getattr(stream, "reconfigure", None):
                reconfigure(errors="replace")  # what the terminal's encoding does not have is a question mark

    def text(self, text: str, dim: bool = False) -> None:
        """A piece of a thought or an answer."""
        if text:
            self._clear_live()
            self._write(visible(text), DIM if dim else "")

    def line(self, text: str, dim: bool = False) -> None:
        """A line of its own beside the text of the model."""
        self.end_line()
        self._write(visible(text) + "\n", DIM if dim else "")

    def notice(self, text: str) -> None:
        self._note(text, DIM)

    def error(self, text: str) -> None:
        self._note(text, RED)

    def live(self, text: str) -> None:
        """A line that whatever comes next replaces. Not on a pipe, nor on terminals that cannot."""
        if self._overwrites and not (self._in_line and not self._live):
            self._clear_live()
            self._write(text, DIM)
            self._live = len(text)

    def end_line(self) -> None:
        """The next text begins a line."""
        self._clear_live()
        if self._in_line:
            self._write("\n", "")

    def _note(self, text: str, style: str) -> None:
        self.end_line()
        styled = f"{style}{visible(text)}{RESET}" if self._colours else visible(text)
        self._notes.write(styled + "\n")
        self._notes.flush()

    def _write(self, text: str, style: str) -> None:
        self._in_line = not text.endswith("\n")
        body = text.removesuffix("\n")
        styled = f"{style}{body}{RESET}{text[len(body) :]}" if style and body and self._colours else text
        self._out.write(styled)
        self._out.flush()

    def _clear_live(self) -> None:
        if self._live:
            self._write("\r" + " " * self._live + "\r", "")
            self._live, self._in_line = 0, False
