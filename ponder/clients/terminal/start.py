"""From the command line to a conversation: which server, which model, which key."""

import asyncio
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ponder.clients.talk.asking import Settings
from ponder.clients.talk.client import Client
from ponder.clients.talk.models import listed_models
from ponder.clients.terminal.chat import Chat
from ponder.clients.terminal.reading import Reader
from ponder.clients.terminal.screen import Screen
from ponder.engine.openai_models import only_model
from ponder.engine.openai_profile import KEY_VARIABLE
from ponder.server.start.checkpoint import find_checkpoint


@dataclass(frozen=True)
class ChatOptions:
    """What `ponder chat` is told. `model`, `key_file`: of a server that runs already. `exact`: of a model of this machine."""

    model: str | None = None
    key_file: Path | None = None
    thinking: bool | None = None
    budget: int | None = None
    folded: bool = False
    settings: Settings = field(default_factory=Settings)
    exact: bool = False


def chat_with_checkpoint(where: str | Path, options: ChatOptions) -> int:
    """Talks to a model of this machine or the hub (what `find_checkpoint` takes). Returns the exit code.

    Raises:
        ValueError: there is none, or it cannot be served.
        OSError: the hub's could not be fetched.
    """
    reader, screen = _ends()
    found = find_checkpoint(where)  # what it fetches shows its own progress
    with ExitStack() as stack:
        if reader.prompts:
            screen.live(f"Loading {where}...")
        from ponder.clients.terminal.local import LocalServer  # torch takes its time

        server = LocalServer(found.directory, found.name, options.exact)
        stack.callback(server.close)
        greeting = f"This is {found.hub or found.directory}."
        return _chat(Client(server.url, found.name, server.api_key), greeting, reader, screen, options)


def chat_with_server(url: str, options: ChatOptions) -> int:
    """Talks to a model behind an OpenAI-compatible API. Returns the exit code.

    Raises:
        ValueError: an address that is none, a key file that cannot be read, several models and no choice.
        ConnectionError: the server cannot be reached, or refuses to name its models.
    """
    base_url, api_key = api_address(url), _api_key(options.key_file)
    model = options.model or asyncio.run(_only_model(base_url, api_key))
    reader, screen = _ends()
    return _chat(Client(base_url, model, api_key), f"This is {model} at {base_url}.", reader, screen, options)


def api_address(url: str) -> str:
    """The base of the API: /v1 where the address has no path. Raises ValueError where it is no address."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises where it is no number)
    except ValueError as error:
        raise ValueError(f"--server {url!r} is no address ({error}); write http://HOST:PORT/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"--server {url!r} is no address; write http://HOST:PORT/v1")
    if parts.username or parts.password:
        raise ValueError(f"--server has a password in it: set {KEY_VARIABLE} instead, or --api-key-file")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v1'}"


def _ends() -> tuple[Reader, Screen]:
    screen = Screen(sys.stdout, sys.stderr)
    return Reader(sys.stdin, prompts=sys.stdin.isatty() and screen.is_terminal), screen


def _chat(client: Client, greeting: str, reader: Reader, screen: Screen, options: ChatOptions) -> int:
    chat = Chat(client, reader, screen, options.settings, options.thinking, options.budget, options.folded)
    if reader.prompts:
        screen.notice(f"{greeting} /help lists the commands, Ctrl+C stops an answer, Ctrl+D leaves.")
    return chat.run()


async def _only_model(base_url: str, api_key: str | None) -> str:
    return only_model(base_url, await listed_models(base_url, api_key), "--model")


def _api_key(file: Path | None) -> str | None:
    """Never from the command line, which every user of the machine can read."""
    if file is None:
        return os.environ.get(KEY_VARIABLE) or None
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    keys = [words[0] for words in lines if words and not words[0].startswith("#")]
    if not keys:
        raise ValueError(f"{file} holds no key: write one on a line")
    if not keys[0].isascii() or not keys[0].isprintable():
        raise ValueError(f"{file} holds a key with characters that no key has")
    return keys[0]
