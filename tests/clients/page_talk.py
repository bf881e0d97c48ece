"""What the tests of the chat page share: hostile text, and conversations made at once."""

import re
from html.parser import HTMLParser

from ponder.clients.talk.conversation import Answer, Conversation

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 2'>",
    "[click](javascript:window.hacked=3) [data](data:text/html,x) [v](vbscript:x)",
    "![picture](http://evil.test/x.png) ![p](javascript:x)",
    "<style>body { display: none }</style><div style='position:fixed;inset:0'>over it all</div>",
    "```html\n<script>x</script>\n```\n`<b onclick=x>`",
    "\\(<img src=x onerror=y>\\) \\[\\href{javascript:z}{x}\\]",
    "[x](http://a.test/\"onmouseover='y') <http://a.test/\"><script>",
    '```"><script>x</script>\ncode\n```',
    "&lt;script&gt; &#60;img&#62;",
    "| <b>a</b> |\n|---|\n| <script>x</script> |",
]
TAGS = {"p", "a", "b", "i", "em", "strong", "s", "code", "pre", "span", "div", "button", "br", "hr", "ul", "ol", "li"}
TAGS |= {"h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {"href", "target", "rel", "class", "type", "data-copy", "data-display", "tabindex", "start", "style"}


class Tags(HTMLParser):
    """All that a browser would take for an element."""

    def __init__(self, html: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def assert_harmless(html: str) -> None:
    for tag, attrs in Tags(html).found:
        assert tag in TAGS, html
        assert set(attrs) <= ATTRIBUTES, html
        assert re.fullmatch(r"text-align:(left|right|center)", attrs.get("style", "text-align:left")), html
        assert attrs.get("href", "http://").startswith(("http://", "https://", "mailto:")), html


def talked(*turns) -> Conversation:
    conversation = Conversation()
    for turn in turns:
        conversation = conversation.add(conversation.tip, turn)
    return conversation


DONE = Answer(phase="done", finish_reason="stop")
