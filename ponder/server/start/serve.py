"""Starting the HTTP server: address, keys, model, and an orderly end."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from rich.console import Console

from ponder.http.listening import address_from_here, address_of, is_loopback, listen
from ponder.http.serving import http_config
from ponder.server.answer.gateway import Gateway
from ponder.server.front.admission import Admission
from ponder.server.front.api_keys import Keys, Limits
from ponder.server.front.app import create_app
from ponder.server.front.middleware import access_log
from ponder.server.start.chat_form import ChatForm
from ponder.server.start.checkpoint import find_checkpoint
from ponder.server.start.engine_choice import EngineChoice
from ponder.server.start.gateway_for import open_gateway

DRAIN_S = 30.0  # what runs may take this long to end
CLOSE_S = 5.0  # and this long to be told that it was stopped
# How tokens are drawn where a request says nothing.
DRAWING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
)
# Puts a page at / of the application: given that, the address of the API with /v1, and the model's name there. Returns what
# lets open pages go, each of which holds a connection. ValueError: it cannot be had here, and why.
Mount = Callable[[FastAPI, str, str], Callable[[], None]]


@dataclass(frozen=True)
class ServeSettings:
    """What `ponder serve` is told. `names`: what clients call the model, the first of them in metrics and on the page; none
    is the model's own. `limits`: of each key, or of each address where there are no keys."""

    host: str = "127.0.0.1"
    port: int = 8000
    names: tuple[str, ...] = ()
    key_file: Path | None = None
    cors_origins: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    engine: EngineChoice = field(default_factory=EngineChoice)
    chat: ChatForm = field(default_factory=ChatForm)


def serve(model: str | Path, settings: ServeSettings, mount_page: Mount) -> None:
    """Serves a model (what `find_checkpoint` takes) until Ctrl+C or SIGTERM; then finishes what has been taken on.

    Raises:
        ValueError: no model, a model that does not fit, an address that is taken, a broken key file.
        ConnectionError, ChildProcessError: no vLLM answers, or the one that was started has failed.
    """
    found = find_checkpoint(model, weights=False)
    keys = Keys.load(settings.key_file, settings.limits) if settings.key_file else None
    # The address first: nobody wants to hear after minutes of fetching and loading that it is taken.
    with listen(settings.host, settings.port) as listener:
        checkpoint = find_checkpoint(found.lasting).directory
        name, *others = settings.names or (found.name,)
        gateway = open_gateway(checkpoint, name, settings.engine, others, settings.chat)
        # A signal that comes before the server runs is remembered. (uvicorn raises the one that ended it once more at its
        # end: by then there is nothing left to do.)
        early: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: early.append(number))
        asyncio.run(_serve(gateway, listener, keys, settings, mount_page, early))


async def _serve(
    gateway: Gateway,
    listener: socket.socket,
    keys: Keys | None,
    settings: ServeSettings,
    mount_page: Mount,
    early: list[int],
) -> None:
    _log_access()
    admission = Admission()
    app = create_app(gateway, keys, settings.limits, settings.cors_origins, admission)
    config = http_config(
        app,
        lifespan="on",
        timeout_graceful_shutdown=int(CLOSE_S),
        proxy_headers=False,  # whoever asks could write X-Forwarded-For, and be a new caller every time
    )
    server = uvicorn.Server(config)
    ending = _Ending(server, gateway, admission)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Here, because by now uvicorn has set its own handlers, which would turn new requests away without an answer.
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ending.begin)
        gc.freeze()  # what is there now stays: collections during the reading of large bodies need not look at it
        gateway.engine.load()  # an engine elsewhere is watched from the first look on
        _announce(gateway, listener, keys)
        if missing is not None:
            Console(soft_wrap=True, highlight=False, markup=False).print(missing)
        if early:
            ending.begin()
        yield

    app.router.lifespan_context = lifespan
    missing = _mount(mount_page, app, listener, gateway, ending)
    try:
        await server.serve(sockets=[listener])
    finally:
        await gateway.engine.close()


class _Ending:
    """The first signal lets what runs come to its end, and answers 503 to what is new; the second stops it."""

    def __init__(self, server: uvicorn.Server, gateway: Gateway, admission: Admission):
        self._server, self._gateway, self._admission = server, gateway, admission
        self._running: asyncio.Task | None = None
        self.let_pages_go: Callable[[], None] = lambda: None

    def begin(self) -> None:
        patience = DRAIN_S
        if self._running is not None:
            self._running.cancel()
            patience = 0.0
        self._running = asyncio.ensure_future(self._end(patience))

    async def _end(self, patience: float) -> None:
        self._admission.draining = True
        try:
            await asyncio.wait_for(self._admission.idle(), patience)
        except TimeoutError:
            await self._gateway.engine.close()  # streams end with an error, which their clients are told
        self.let_pages_go()
        self._server.should_exit = True


def _mount(mount_page: Mount, app: FastAPI, listener: socket.socket, gateway: Gateway, ending: _Ending) -> str | None:
    """The chat page at /; or, where it cannot be had, the sentence that says why. A server does its work without it."""
    try:
        ending.let_pages_go = mount_page(app, f"http://{address_from_here(listener)}/v1", gateway.name)
    except ValueError as error:
        return f"no chat page at /: {error}"
    return None


def _announce(gateway: Gateway, listener: socket.socket, keys: Keys | None) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    names = ", ".join(gateway.names)
    console.print(f"Ponder serves {names} on http://{address_of(listener)}/v1  (requests and answers: /docs)")
    lengths = gateway.lengths
    longer = f", up to {lengths.longest} with YaRN" if lengths.longest > lengths.context else ""
    defaults = ", ".join(f"{name} {getattr(gateway.planner.defaults, name):g}" for name in DRAWING)
    console.print(f"context {lengths.context} tokens{longer}; {defaults} where a request says nothing")
    written = (
        "" if gateway.renderer.shows_tools else "; tools stand in the system message, since its template shows none"
    )
    console.print(f"tool calls are read in the form {gateway.renderer.call_style}{written}")
    if gateway.engine.about:
        console.print(gateway.engine.about)
    if keys is not None:
        console.print(f"{len(keys)} API keys")
    elif not is_loopback(listener.getsockname()[0]):
        console.print("no API keys: whoever reaches this address may ask (--api-key-file changes that)")


def _log_access() -> None:
    """To standard error, a line of JSON for each request."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    access_log.addHandler(handler)
    access_log.setLevel(logging.INFO)
    access_log.propagate = False
