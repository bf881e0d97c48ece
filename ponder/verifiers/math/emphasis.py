"""Markdown's emphasis: `**42**` and `*42*` are 42. Powers and products in plain text, `x**2` and `3 * 4`, are none."""

import re

MAX_EMPHASISED = 300  # characters between two marks
_INSIDE = rf"(?![\s*_])([^*\n]{{1,{MAX_EMPHASISED}}}?)(?<![\s*])"
BOTH = re.compile(rf"(?<![\w*\\)\]}}])\*\*\*{_INSIDE}\*\*\*(?![\w*({{\[\\])")
BOLD = re.compile(rf"(?<![\w*\\)\]}}])\*\*{_INSIDE}\*\*(?![\w*({{\[\\])")
ITALIC = re.compile(rf"(?<![\w*\\)\]}}])\*{_INSIDE}\*(?![\w*({{\[\\])")
UNDERLINED = re.compile(rf"(?<![\w\\)\]}}_])__(?![\s_])([^_\n]{{1,{MAX_EMPHASISED}}}?)(?<!\s)__(?!\w)")
FENCE = re.compile(r"^```[a-z]*\n|\n?```$")


def unemphasised(text: str) -> str:
    """The text without the marks of emphasis.

    >>> unemphasised("12 + 30 = **42**"), unemphasised("x**2 + 3*4*5")
    ('12 + 30 = 42', 'x**2 + 3*4*5')
    """
    if "*" in text:
        if "***" in text:
            text = BOTH.sub(r"\1", text)
        text = ITALIC.sub(r"\1", BOLD.sub(r"\1", text))
    if "__" in text:
        text = UNDERLINED.sub(r"\1", text)
    return text
