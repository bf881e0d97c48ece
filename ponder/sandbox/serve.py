"""Starting the HTTP server: address, token, isolation, and an orderly end."""

import asyncio
import signal
import socket

import uvicorn
from rich.console import Console

from ponder.http.listening import address_of, is_loopback, listen
from ponder.http.serving import http_config
from ponder.sandbox.app import create_app
from ponder.sandbox.pool import Pool
from ponder.sandbox.settings import Settings


def serve(settings: Settings, host: str, port: int, token: str | None) -> None:
    """Serves until Ctrl+C or SIGTERM; then finishes what has been taken on.

    Raises ValueError for an address that is taken or open to others without a token, IsolationError.
    """
    if token is None and not is_loopback(host):
        raise ValueError(
            f"{host} is open to other machines, so the sandbox asks for a token: put one into the environment as "
            "PONDER_SANDBOX_TOKEN, or serve on 127.0.0.1"
        )
    listener = listen(host, port)
    # uvicorn raises the signal that ended it once more at its end: by then there is nothing left to do.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    with listener:
        asyncio.run(_serve(settings, listener, token))


async def _serve(settings: Settings, listener: socket.socket, token: str | None) -> None:
    pool = Pool(settings)
    await pool.start()
    try:
        _announce(pool, listener)
        config = http_config(create_app(pool, token), lifespan="off")
        server = uvicorn.Server(config)
        await server.serve(sockets=[listener])
    finally:
        await pool.close()


def _announce(pool: Pool, listener: socket.socket) -> None:
    told = pool.describe()
    url = f"http://{address_of(listener)}"
    active = ", ".join(name for name, here in told["layers"].items() if here)
    missing = ", ".join(name for name, here in told["layers"].items() if not here)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"Ponder sandbox on {url}  (requests and answers: {url}/docs)")
    console.print(f"isolation {told['isolation']}: {active}")
    if missing:
        console.print(f"not active: {missing}")
    here = ", ".join(name for name, installed in told["languages"].items() if installed)
    console.print(
        f"{told['workers']} jobs at a time, each up to {told['timeout_s']:g} s and {told['memory_mb']} MB; languages: {here}"
    )
