"""Puts the chat page at `/` of the server's application, beside the API and not over it."""

from collections.abc import Callable
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match

from ponder.clients.page.layout import HERE, build, theme

# What the page needs of gradio's routes. The others (uploads, files, proxies, editing by AI, logins) are not there.
PATHS = {"/", "/config", "/theme.css", "/favicon.ico", "/manifest.json"}
PATHS |= {f"/gradio_api/{name}" for name in ("queue/join", "queue/data", "reset", "startup-events", "info", "app_id")}
TREES = ("/assets/", "/static/", "/gradio_api/heartbeat/")
MOST_BODY = 8 << 20  # bytes
HEADERS = {
    # The page's own scripts are inline, and gradio compiles templates. Nothing comes from elsewhere, nothing goes there.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
        "form-action 'none'; frame-ancestors 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
# How often gradio looks for work: what it does on Windows. Elsewhere it looks a thousand times a second, in two loops, which takes a
# twentieth of a core when nobody asks.
POLL_S = 0.05


def mount(app: FastAPI, base_url: str, model: str, api_key: str | None = None) -> Callable[[], None]:
    """Adds the page to an application. Call it last: it wraps the application's lifespan, as that stands now.

    Returns what lets open pages go. Each holds a connection, on which a server that ends would wait; it is to be called
    in the event loop, when what runs has ended.

    Args:
        base_url: of the API that the page talks to, with /v1
        model: its name there
        api_key: as for `build`
    """
    page = build(base_url, model, api_key)
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        show_error=False,
        theme=theme(),
        css_paths=[HERE / "page.css"],
    )
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = POLL_S
    # A mount at / would answer for every path that the API has not, and for its methods that are not allowed.
    mounted = app.router.routes[-1]
    app.router.routes[-1] = PageRoute(mounted)
    return mounted.app.stop_event.set


class PageRoute(BaseRoute):
    """Gradio's mount, for the paths of the page alone."""

    def __init__(self, inner: BaseRoute):
        self._inner = inner

    def matches(self, scope: Any) -> tuple[Match, Any]:
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path in PATHS or path.startswith(TREES)):
            return Match.NONE, {}
        return self._inner.matches(scope)

    def url_path_for(self, name: str, /, **path_params: Any):
        return self._inner.url_path_for(name, **path_params)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        if scope["method"] == "POST":
            length = headers.get(b"content-length", b"")
            if not length.isdigit() or len(length) > 10 or int(length) > MOST_BODY:
                await PlainTextResponse("the body is too large", 413)(scope, receive, send)
                return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = message | {"headers": [*message.get("headers", ()), *ours]}
            await send(message)

        await self._inner.handle(scope, receive, with_headers)
