"""The chat page: `mount` puts it at `/` of an application, `build` makes it alone.

It is a client like others: all that it does goes through the API, at an address. It needs gradio, which is loaded when
it is built: a server without the page does without.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ponder.extras import how_to_install

if TYPE_CHECKING:
    import gradio
    from fastapi import FastAPI


def build(base_url: str, model: str, api_key: str | None = None) -> "gradio.Blocks":
    """See ponder.clients.page.layout.build. Raises ValueError where gradio is not installed."""
    _need_gradio()
    from ponder.clients.page import layout

    return layout.build(base_url, model, api_key)


def mount(app: "FastAPI", base_url: str, model: str, api_key: str | None = None) -> Callable[[], None]:
    """See ponder.clients.page.mounting.mount. Raises ValueError where gradio is not installed."""
    _need_gradio()
    from ponder.clients.page import mounting

    return mounting.mount(app, base_url, model, api_key)


def _need_gradio() -> None:
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise ValueError(f"the chat page needs gradio: {how_to_install('chat')}") from error
