"""The page as a gradio application: one element of ours (frame.html, page.js, page.css), and two ways from the browser to
here: `tell`, done at once, and `ask`, where the model answers. gradio brings the session, the queue and the stream of
what has changed, and KaTeX.
"""

import re
from pathlib import Path
from typing import Any

import gradio as gr

from ponder.clients.page.labels import all_labels, language_of
from ponder.clients.page.session import Session
from ponder.clients.talk.acts import read_act
from ponder.clients.talk.asking import read_settings
from ponder.clients.talk.client import Client

MOST_SESSIONS = 200  # pages whose conversations are held; where there are more, the oldest one's is let go
HERE = Path(__file__).parent
GRADIO_ASSETS = Path(gr.__file__).parent / "templates" / "frontend" / "assets"


def build(base_url: str, model: str, api_key: str | None = None) -> gr.Blocks:
    """The chat page for a model behind a chat API.

    Args:
        base_url: of the API, with /v1
        model: its name there
        api_key: for every request; without one the page has a field for it, and what is typed there is used
    """
    client = Client(base_url, model, api_key)
    with gr.Blocks(analytics_enabled=False, title=f"Ponder: {model}", fill_width=True) as blocks:
        session_state = gr.State(Session())  # each session gets its own copy of this
        chat = gr.HTML(
            None,
            html_template=_read("frame.html"),
            js_on_load=_read("page.js"),
            apply_default_css=False,
            elem_id="ponder",
            model=model,
            katex=katex_assets(),
            labels={language: all_labels(language) for language in ("en", "zh")},
            asks_key=api_key is None,
        )

        async def ask(event: gr.EventData, session: Session):
            session.asks += 1
            try:
                told = sound(event._data)
                act, settings = read_act(told), read_settings(told.get("settings"))
            except ValueError as error:
                yield session, await session.view(str(error))
                return
            async for problem in session.answers(client, act, settings):
                yield session, await session.view(problem)

        async def tell(event: gr.EventData, session: Session):
            try:
                told = sound(event._data)
                act = read_act(told)
                match act.name:
                    case "hello":
                        session.language = language_of(act.text)
                        if "kept" in told:
                            session.restore(told["kept"])
                        problem = await session.hello(client, read_settings(told.get("settings")))
                        return session, await session.view(problem)
                    case "language":
                        session.language = language_of(act.text)
                    case "stop":
                        session.stop()
                    case "answer_now":
                        await session.answer_now()
                    case "show":
                        session.show(act.node)
                    case "clear":
                        session.clear()
            except ValueError as error:
                return session, await session.view(str(error))
            return session, await session.view()

        quiet = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
        # An answer ends when its page has gone: gradio closes the iterator then.
        # Whether an act fits is the session's to say: it knows what runs.
        for event, act in ((chat.ask, ask), (chat.tell, tell)):
            event(act, [session_state], [session_state, chat], trigger_mode="multiple", **quiet)
    blocks.queue(default_concurrency_limit=None, api_open=False)
    blocks.state_session_capacity = MOST_SESSIONS
    return blocks


def katex_assets() -> dict[str, str]:
    """Where gradio's own copy of KaTeX is served, relative to the page. Empty where this gradio has none: then formulas
    are shown as they were written."""
    scripts = [path.name for path in GRADIO_ASSETS.glob("katex-*.js")]
    styles = [path.name for path in GRADIO_ASSETS.glob("katex-*.css")]
    if len(scripts) != 1 or len(styles) != 1:
        return {}
    return {"script": f"assets/{scripts[0]}", "style": f"assets/{styles[0]}"}


def sound(data: object) -> Any:
    """What a browser sends, with halves of characters replaced (a text cut in the middle of an emoji): they are no UTF-8,
    and so could be sent to nobody."""
    match data:
        case str():
            return data.encode("utf-8", "replace").decode()
        case list():
            return [sound(one) for one in data]
        case dict():
            return {sound(name): sound(value) for name, value in data.items()}
    return data


def theme() -> gr.themes.Base:
    """Fonts of the reader's system: nothing is fetched."""
    sans = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "sans-serif")
    mono = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Noto Sans Mono", "monospace")
    return gr.themes.Base(primary_hue="indigo", neutral_hue="slate", font=sans, font_mono=mono)


def _read(name: str) -> str:
    text = (HERE / name).read_text(encoding="utf-8")
    # gradio evaluates these as templates.
    assert name != "frame.html" or not re.search(r"`|\$\{|\{\{", text)
    return text
