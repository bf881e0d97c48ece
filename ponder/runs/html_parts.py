"""The small parts that every section of report.html is made of."""

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
