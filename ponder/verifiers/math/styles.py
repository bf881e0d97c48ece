"""LaTeX that is only typesetting: sizes, fonts, colours, spaces; and what stands for a character of money."""

import re

SWITCHES = (
    "tiny scriptsize footnotesize small normalsize large Large LARGE huge Huge bfseries itshape rmfamily sffamily ttfamily "
    "mdseries upshape scshape boldmath unboldmath displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits rm bf "
    "it tt sf sl em cal sc strut mathstrut centering nobreak allowbreak hfill hfil hfilneg noindent"
)
SPACES = "enspace enskip thinspace medspace thickspace negthinspace negmedspace negthickspace newline nobreakspace"
TYPESETTING = (
    (re.compile(r"(?<![A-Za-z}^_])\{\s*\}"), ""),
    (re.compile(r"(?<!\\)\\[()\[\]]"), " "),
    (re.compile(r"\\(?:left|right|middle|big|Big|bigg|Bigg)[lrm]?(?![A-Za-z])(?:\s*\.(?!\d))?"), ""),
    (re.compile(rf"\\(?:{SWITCHES.replace(' ', '|')})(?![A-Za-z])"), ""),
    (re.compile(r"\\(?:color|cellcolor|hspace|vspace|label|tag)\*?\s*(?:\[[^\[\]]*\]\s*)?\{[^{}]*\}"), " "),
    (re.compile(r"\\(?:textcolor|mathcolor|colorbox)\s*(?:\[[^\[\]]*\]\s*)?\{[^{}]*\}"), ""),
    (re.compile(r"\\fcolorbox\s*\{[^{}]*\}\s*\{[^{}]*\}"), ""),
    (re.compile(r"\\(?:[dtc]frac|nicefrac|sfrac|flatfrac)(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\[dt]binom(?![A-Za-z])"), r"\\binom"),
    (re.compile(r"\\(begin|end)\s*\{[dr]cases\*?\}"), r"\\\1{cases}"),
    (re.compile(r"\{\s*,\s*\}|,\s*\\!\s*"), r"{,}"),
    (re.compile(r"\{([:.=])\}"), r"\1"),
    (re.compile(r"\\!"), ""),
    (re.compile(r"(?<=\d)\\[, ](?=\d{3}(?!\d))"), "{,}"),
    (re.compile(rf"(?<!\\)\\[,;: >]|~|\\q?quad|\\(?:{SPACES.replace(' ', '|')})(?![A-Za-z])"), " "),
    (re.compile(r"(?<![A-Za-z\\])([A-Za-z])\{\s*(\([^{}()]*\))\s*\}"), r"\1\2"),
    (re.compile(r"\^\s*\{\s*\\prime\s*\\prime\s*\}"), "''"),
    (re.compile(r"\^\s*(?:\{\s*\\prime\s*\}|\\prime(?![A-Za-z]))"), "'"),
    (re.compile(r"\^\s*\{?\s*\\circ\s*\}?|\\degree(?![A-Za-z])|\\textdegree(?![A-Za-z])"), r"^\\circ "),
    (
        re.compile(
            r"^\s*\\(?:Rightarrow|Longrightarrow|implies|rightarrow|to|therefore)(?![A-Za-z])\s*|\\checkmark\s*$"
        ),
        "",
    ),
    (re.compile(r"\\lnot(?![A-Za-z])"), r"\\neg"),
    (re.compile(r"\\(?:pounds|textsterling)(?![A-Za-z])"), "£"),
    (re.compile(r"\\(?:euro|EUR|texteuro)(?![A-Za-z])(?:\{\})?"), "€"),
    (re.compile(r"\\(?:yen|textyen)(?![A-Za-z])"), "¥"),
    (re.compile(r"\\(?:textdollar|dollar)(?![A-Za-z])"), r"\\$"),
    (re.compile(r"\\(?:text|mathrm|textrm)\{\s*(\\\$|[€£¥₹])\s*\}"), r"\1"),
    (re.compile(r"\\(?:text|mathrm|textrm)\{\s*(?:Rs\.?|INR)\s*\}(?=\s*\d)"), "₹"),
    (re.compile(r"\\text\s*\{\s*&\s*\}"), r"\\text{ and }"),
    (re.compile(r"^\s*(-?\d[\d.,{}]*)\s*\\\$\s*$"), r"\\$\1"),
)
UNITS = (
    (re.compile(r"\\mu\s*\\(?:text|mathrm|textrm)\s*\{\s*"), r"\\text{micro"),
    (re.compile(r"(\\(?:text|mathrm|textrm)\s*\{\s*)\\mu\s*"), r"\1micro"),
    (re.compile(r"(?<=\d)\s*\\mu\s*(?=[mslgFACVJW]\s*$)(\w)"), r"\\text{micro\1}"),
    (re.compile(r"(\\(?:text|mathrm|textrm)\s*\{\s*[kMGm]?)\s*\\Omega\s*(?=\})"), r"\1ohms"),
    (
        re.compile(r"(?<=\d)\s*(?:\\(?:text|mathrm|textrm)\s*\{\s*([kMGm])\s*\}|([kM]))\s*\\Omega\b"),
        r"\\text{\1\2ohms}",
    ),
    (
        re.compile(
            r"(?<=[\d\s}])\\frac\s*\{\s*\\text\{\s*(\w{1,8})\s*\}\s*\}\s*\{\s*\\text\{\s*(\w{1,8})\s*\}(\^\{?[23]\}?)?\s*\}"
        ),
        r"\\text{\1/\2\3}",
    ),
    (
        re.compile(r"(\\text\s*\{\s*[A-Za-z]{1,4}(?:\^\{?-?\d\}?)?)\s*\}((?:\^\{?-?\d\}?)?)\s*\\cdot\s*\\text\s*\{\s*"),
        r"\1\2 ",
    ),
)
REALS = (
    (re.compile(r"\\mathbb\s*\{?\s*R\s*\}?\s*(?:\^|_)\s*\{?\s*(?:\+|>\s*0)\s*\}?"), r"(0,\\infty)"),
    (re.compile(r"\\mathbb\s*\{?\s*R\s*\}?\s*_\s*\{?\s*(?:\\geq?|\\geqslant)\s*0\s*\}?"), r"[0,\\infty)"),
)
QUAD = re.compile(r"\s*(?:\\q?quad(?![A-Za-z])\s*)+")
EQUATION = re.compile(r"[$\s]*[A-Za-z](?:_\{?\w+\}?)?\s*=[^=,;<>&]+")
MONEY = {"USD": r"\$", "US": r"\$", "EUR": "€", "GBP": "£", "CNY": "¥", "RMB": "¥", "JPY": "¥", "INR": "₹", "Rs": "₹"}
COUNTRY = re.compile(r"\b(?:US|USD|A|C|HK|NT|S)\s*(?=\\\$)")
CODE = re.compile(r"(?<![A-Za-z\\])(USD|EUR|GBP|CNY|RMB|JPY|INR|Rs)\.?\s*(?=\d)")
TRAILING = re.compile(r"(?:\\+|\\newline)\s*$")  # a line break, or a space that lost its space
APPROXIMATE = re.compile(r"^\s*\\(?:approx|simeq|sim|cong|doteq)(?![A-Za-z])\s*")


def without_styles(text: str) -> str:
    """The text without typesetting.

    >>> without_styles("\\\\textcolor{red}{\\\\dfrac{1}{2}} \\\\\\\\ ")
    '{\\\\frac{1}{2}} '
    """
    if "quad" in text:
        text = _separated(text)
    for pattern, replacement in TYPESETTING:
        text = pattern.sub(replacement, text)
    if "\\mu" in text or "\\Omega" in text or "\\text" in text:
        for pattern, replacement in UNITS:
            text = pattern.sub(replacement, text)
    if "\\mathbb" in text:
        for pattern, replacement in REALS:
            text = pattern.sub(replacement, text)
    if "\\&" in text and "=" not in text:
        text = text.replace("\\&", r"\text{ and }")
    return APPROXIMATE.sub("", TRAILING.sub("", text))


def _separated(text: str) -> str:
    """Equations with a wide space between them as a list: x = 2 \\quad y = 3."""
    parts = QUAD.split(text)
    if len(parts) < 2 or not all(EQUATION.fullmatch(part) for part in parts):
        return text
    return ", ".join(parts)


def money(text: str) -> str:
    """The names of currencies before a number as their characters: USD 5 is \\$5."""
    return CODE.sub(lambda match: MONEY[match[1]], COUNTRY.sub("", text))
