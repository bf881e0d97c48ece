"""The frame of a page that stands alone in one file, and the small parts that every section of report.html is made of."""

import base64
import hashlib
from html import escape
from typing import Any

from ponder.runs.wording import printable

LONGEST_TEXT = 8000  # characters of one answer or its thinking
SYMBOLS = {"correct": "&#10003;", "wrong": "&#10007;", "truncated": "&#8230;", "unparseable": "?"}


def text(value: Any, longest: int | None = LONGEST_TEXT) -> str:
    """Any text as inert HTML: escaped, control characters made visible, cut where it is endless."""
    shown = printable(str(value))
    if longest is not None and len(shown) > longest:
        shown = f"{shown[:longest]} ... ({len(shown) - longest:,} more characters are in evals/)"
    return escape(shown)


def badge(status: str) -> str:
    """A verdict's status with its sign."""
    kind = status if status in ("correct", "wrong") else "other"
    return f'<span class="badge {kind}">{SYMBOLS.get(status, "!")} {text(status)}</span>'


def terms(meanings: dict[str, str]) -> str:
    """A definition list, without its own tag."""
    return "".join(f"<div><dt>{text(term)}</dt><dd>{text(words)}</dd></div>" for term, words in meanings.items())


def page(title: str, style: str, body: str, script: str) -> str:
    """A whole page. `title` and `body` are HTML. It may load nothing, and run no script but this one."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
<footer>Made by Ponder from the files beside it; nothing on this page is loaded from elsewhere.</footer>
</main>
<script>{script}</script>
</body>
</html>
"""
