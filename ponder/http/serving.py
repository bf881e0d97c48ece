"""How the servers here speak HTTP."""

from typing import Any

import uvicorn

# Connections that wait for a next request. Whoever keeps them in a pool must close first: a request that meets a closing
# connection fails, and as it may have been read, a POST is not sent again. Pools keep theirs up to 90 s (Go's; httpx 5, aiohttp 15,
# nginx 60), while uvicorn closes after 5.
IDLE_S = 120


def http_config(app: Any, **options: Any) -> uvicorn.Config:
    """For an ASGI application; options as uvicorn.Config's."""
    return uvicorn.Config(app, log_level="warning", access_log=False, timeout_keep_alive=IDLE_S, **options)
