"""A conversation without a terminal: lines in, text and notices out."""

import io

from ponder.clients.talk.asking import Settings
from ponder.clients.talk.client import Client
from ponder.clients.terminal.chat import Chat
from ponder.clients.terminal.reading import Reader
from ponder.clients.terminal.screen import Screen

GONE = "http://127.0.0.1:9/v1"


class Script:
    """Runs at once. `out`: thoughts and answers; `notes`: all else; `code`: the exit code."""

    def __init__(self, url: str, model: str, *lines: str, api_key: str | None = None, **options):
        self._out, self._notes = io.StringIO(), io.StringIO()
        settings = options.pop("settings", Settings())
        reader = Reader(io.StringIO("".join(f"{line}\n" for line in lines)), prompts=False)
        self.chat = Chat(
            Client(url, model, api_key), reader, Screen(self._out, self._notes), settings=settings, **options
        )
        self.code = self.chat.run()
        self.out, self.notes = self._out.getvalue(), self._notes.getvalue()
