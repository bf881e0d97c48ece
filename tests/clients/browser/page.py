"""What the tests of the page in a browser share: scenes that its API plays, and fingers. Skips where there is no browser."""

import os
import shutil

import pytest

from tests.clients.page_api import Scene
from tests.clients.page_talk import HOSTILE

pytest.importorskip("gradio", reason="the chat page needs gradio")
sync_api = pytest.importorskip("playwright.sync_api", reason="tests in a browser need playwright")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
in_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: install it, or name it in CHROMIUM"),
]
expect = sync_api.expect

ANSWER = """It is **3**, since \\(1 + 2 = 3\\) and

\\[
\\frac{6}{2} = 3
\\]

```python
print(1 + 2 if 1 < 2 else "<b>")
```
"""
SCENES = {
    "sum": Scene("First \\(1 + 2\\).\n\nThen I add.", ANSWER),
    "hold": Scene("I think about it.", "So it is.", hold="thinking"),
    "write": Scene("Hm.", "It begins", hold="content"),
    "tool": Scene("I need it.", calls=(("get_weather", '{"city": "Paris"}'),)),
    "22 C": Scene("I see.", "It is 22 C."),
    "tools": Scene("Both.", calls=(("first", "{}"), ("second", "{}"))),
    "slow": Scene("word " * 3000, hold="thinking"),
    "cut": Scene("Hm.", "It ends", finish="length", thinking_end="budget", rope_factor=2.0),
    "hostile": Scene("\n\n".join(HOSTILE), "\n\n".join(HOSTILE), calls=(("<img src=x onerror=y>", HOSTILE[0]),)),
    "long": Scene("word " * 400, f"{'x' * 400}\n\n| a | b |\n|---|---|\n| {'y' * 300} | z |\n\n```\n{'z' * 300}"),
    "two\nlines": Scene(None, "Both."),
    "no": Scene(refuse="this is too much <b>for me</b>"),
}


def send(tab, text: str) -> None:
    tab.locator("#ponder-text").fill(text)
    tab.locator("#ponder-text").press("Enter")


def done(tab, answers: int = 1) -> None:
    """Waits until so many answers are shown, and none is in the making."""
    expect(tab.locator("article.model")).to_have_count(answers)
    expect(tab.locator(".log")).to_have_attribute("aria-busy", "false")
