"""How the start of a server goes on, for whoever waits for it: the seconds so far, and what it said last."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

EVERY_S, WIDTH = 10.0, 160  # between two lines where there is no terminal, and their letters
Progress = Callable[[float, str], None]


@contextmanager
def loading(console: Console, what: str) -> Iterator[Progress]:
    """Yields what is to be called with seconds and line: in a terminal one line changes; elsewhere, and where the terminal
    cannot do that (TERM=dumb), one comes now and then."""
    if console.is_interactive:
        with console.status(Text(f"{what} is starting")) as status:
            yield lambda seconds, line: status.update(_told(console, what, seconds, line))
        return
    console.print(Text(f"{what} is starting"))
    told = 0.0

    def tell(seconds: float, line: str) -> None:
        nonlocal told
        if seconds - told >= EVERY_S:
            told = seconds
            console.print(_told(console, what, seconds, line))

    yield tell


def _told(console: Console, what: str, seconds: float, line: str) -> Text:
    """On one line, whatever a server writes: none of it reaches the terminal but letters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in line).strip()
    text = Text(f"{what} is loading, {seconds:.0f} s" + (f": {printable}" if printable else ""))
    text.truncate(max(20, console.width - 4) if console.is_interactive else WIDTH, overflow="ellipsis")
    return text
