"""A model of this machine behind the API, for as long as somebody talks to it: the same server that others have."""

import asyncio
import secrets
import socket
import threading
from pathlib import Path

import uvicorn

from ponder.server.front.api_keys import Keys
from ponder.server.front.app import create_app
from ponder.server.start.engine_choice import EngineChoice
from ponder.server.start.gateway_for import open_gateway


class LocalServer:
    """Serves a checkpoint on a loopback port behind a key that nobody else knows, in a thread of its own.

    Raises:
        ValueError: the checkpoint is broken or does not fit into memory.
    """

    def __init__(self, checkpoint: Path, name: str, exact: bool = False):
        gateway = open_gateway(checkpoint, name, EngineChoice(exact=exact))
        self.api_key = secrets.token_urlsafe(32)
        self._listener = socket.create_server(("127.0.0.1", 0))  # whoever comes before the server is ready waits
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        app = create_app(gateway, keys=Keys.of(self.api_key))
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=2, proxy_headers=False)
        )

        async def run() -> None:
            try:
                await self._server.serve(sockets=[self._listener])
            finally:
                await gateway.engine.close()

        self._thread = threading.Thread(target=asyncio.run, args=(run(),), name="server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
