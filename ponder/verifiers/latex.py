"""A plain spelling for short LaTeX: what is only typesetting goes, so that equal answers more often look equal."""

import re

DELIMITERS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"))
TEXT = re.compile(
    r"\\(?:text|textbf|textit|textnormal|textrm|mathrm|mathbf|mathit|mbox|hbox|operatorname)\s*\{([^{}]*)\}"
)
SPELLINGS = (
    (re.compile(r"\\(?:left|right|displaystyle|big|Big|bigg|Bigg)(?![A-Za-z])"), ""),
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (TEXT, r" \1 "),
    (re.compile(r"\{,\}|,\\!"), ","),
    (re.compile(r"\\!"), ""),
    (re.compile(r"\\[,;: ]|~|\\q?quad(?![A-Za-z])|[\u00a0\u2009\u202f]"), " "),
    (re.compile(r"\^\s*\{?\s*\\circ\s*\}?|°|\\degree(?![A-Za-z])"), " degrees "),
    (re.compile(r"\\%|％"), "%"),
    (re.compile(r"\\\$"), "$"),
    (re.compile(r"[\u2212\u2013]"), "-"),
    (re.compile(r"\\frac\s*(\d)\s*(\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"\s+"), " "),
    # A space means something only between two letters or digits.
    (re.compile(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])"), ""),
)


def clean(latex: str) -> str:
    """The same answer in plain spelling, on one line.

    >>> clean("$\\\\dfrac{1}{2}\\\\,$."), clean("\\\\text{Evelyn }")
    ('\\\\frac{1}{2}', 'Evelyn')
    """
    text = latex.strip().rstrip(".").strip()
    for opening, closing in DELIMITERS:
        inner = text[len(opening) : -len(closing)]
        if text.startswith(opening) and text.endswith(closing) and inner and opening not in inner:
            text = inner
            break
    for pattern, replacement in SPELLINGS:
        text = pattern.sub(replacement, text)
    return text.strip().rstrip(".").strip()
