"""Starting the HTTP server: address, token, isolation, and an orderly end."""

import asyncio
import errno
import ipaddress
import signal
import socket

import uvicorn
from rich.console import Console

from ponder.sandbox.app import create_app
from ponder.sandbox.pool import Pool, Settings


def serve(settings: Settings, host: str, port: int, token: str | None) -> None:
    """Serves until Ctrl+C or SIGTERM; then finishes what has been taken on.

    Raises ValueError for an address that is taken or open to others without a token, IsolationError.
    """
    if token is None and not _is_loopback(host):
        raise ValueError(
            f"{host} is open to other machines, so the sandbox asks for a token: put one into the environment as "
            "PONDER_SANDBOX_TOKEN, or serve on 127.0.0.1"
        )
    listener = _listen(host, port)
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
        config = uvicorn.Config(create_app(pool, token), log_level="warning", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        await server.serve(sockets=[listener])
    finally:
        await pool.close()


def _announce(pool: Pool, listener: socket.socket) -> None:
    told = pool.describe()
    host, port = listener.getsockname()[:2]
    active = ", ".join(name for name, here in told["layers"].items() if here)
    missing = ", ".join(name for name, here in told["layers"].items() if not here)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"Ponder sandbox on http://{host}:{port}  (requests and answers: http://{host}:{port}/docs)")
    console.print(f"isolation {told['isolation']}: {active}")
    if missing:
        console.print(f"not active: {missing}")
    here = ", ".join(name for name, installed in told["languages"].items() if installed)
    console.print(
        f"{told['workers']} jobs at a time, each up to {told['timeout_s']:g} s and {told['memory_mb']} MB; languages: {here}"
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by name, since asyncio switches off the delay of small answers only where it sees it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)  # whoever comes before the server is ready waits
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ValueError(f"port {port} on {host} is taken: choose another with --port") from None
        raise ValueError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from None
    return listener


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
