"""What the terminal shows."""

import io

from rich.console import Console


def printed(shown, width: int = 200) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(shown)
    return console.export_text()
