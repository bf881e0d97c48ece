"""A plain spelling for short LaTeX: what is only typesetting goes, and a character stands for itself in one way only."""

import re
import unicodedata
from functools import lru_cache

from ponder.verifiers.math.emphasis import unemphasised
from ponder.verifiers.math.styles import money, without_styles
from ponder.verifiers.math.wording import SPACES, worded

TEXT = re.compile(
    r"\\(?:text|textbf|textit|textnormal|textrm|textsf|texttt|textup|textsl|textsc|textmd|emph|mathrm|mathbf|mathit|mathsf"
    r"|mathtt|mathnormal|mbox|hbox|operatorname\*?)"
    r"\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
)
SUPERSCRIPTS = {**dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True)), "⁻": "-", "ⁿ": "n"}
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
CHARACTERS = {
    **{"−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∗": "*"},
    **{"÷": r"\div ", "⁄": "/", "∕": "/", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne "},
    **{
        "±": r"\pm ",
        "∓": r"\mp ",
        "∞": r"\infty ",
        "√": r"\sqrt ",
        "∛": r"\cbrt ",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∈": r"\in ",
    },
    **{
        "∖": r"\setminus ",
        "∅": r"\emptyset ",
        "≈": r"\approx ",
        "≃": r"\simeq ",
        "≒": r"\approx ",
        "∼": r"\sim ",
        "≅": r"\cong ",
        "≡": r"\equiv ",
        "→": r"\to ",
        "…": r"\dots ",
    },
    **{"⋯": r"\dots ", "°": r"^\circ ", "º": r"^\circ ", "′": "'", "⌊": r"\lfloor ", "⌋": r"\rfloor "},
    **{"⌈": r"\lceil ", "⌉": r"\rceil ", "⟨": r"\langle ", "⟩": r"\rangle ", "∠": r"\angle ", "△": r"\triangle "},
    **{"ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℚ": r"\mathbb{Q}", "ℕ": r"\mathbb{N}", "ℂ": r"\mathbb{C}"},
    **{"，": ",", "、": ",", "；": ";", "。": ".", "：": ":", "【": "[", "】": "]", "％": r"\%", "∶": ":", "′′": "''"},
    **{
        "¢": r"\text{ cents}",
        "¬": r"\neg ",
        "℃": r"^\circ C",
        "℉": r"^\circ F",
        "Å": r"\text{angstrom}",
        "\u212b": r"\text{angstrom}",
    },
    **{
        "\u200b": "",
        "\ufeff": "",
        "\u2060": "",
        "\u2061": "",
        "\xad": "",
        "或": " or ",
        "和": " and ",
        "且": " and ",
        "与": " and ",
    },
    **{c: rf"\frac{{{a}}}{{{b}}}" for c, a, b in (("½", 1, 2), ("⅓", 1, 3), ("⅔", 2, 3), ("¼", 1, 4), ("¾", 3, 4))},
    **{"α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "ε": r"\epsilon ", "θ": r"\theta "},
    **{"λ": r"\lambda ", "μ": r"\mu ", "π": r"\pi ", "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ", "φ": r"\phi "},
    **{"ω": r"\omega ", "Δ": r"\Delta ", "Ω": r"\Omega ", "Φ": r"\Phi ", "Σ": r"\Sigma "},
}
CHARACTER = re.compile("[^\x00-\x7f]")
RAISED = re.compile("[" + "".join(SUPERSCRIPTS) + "]+")
LOWERED = re.compile("[" + "".join(SUBSCRIPTS) + "]+")
OVERLINED = re.compile("(?:[0-9][\u0304\u0305\u0307])+")
ROWS = re.compile(r"(=[^=\\]*)\\\\\s*(?=[A-Za-z]\s*=)")  # equations below each other
TWICE = re.compile(r"\\\\([A-Za-z{}])")
DOLLAR = re.compile(r"(?<!\\)\$")
TIMES = re.compile(r"(?<=\d)(?<!\b0) ?[xX] ?(?=\d)")
PAIR = re.compile(r"([\[\]])([^\[\]]*[,;][^\[\]]*)([\[\]])")
FULL_STOP = re.compile(r"(?<!\.)\.$")
SYSTEM = re.compile(r"\\\{\s*(?=\\begin(?!.*\\\}))", re.DOTALL)  # the brace before a system of equations
FLATTENING = (
    (TEXT, r" \1 "),
    (re.compile(r"(?<![\d.])0\{,\}(?=\d)"), "0,"),
    (re.compile(r"(?<=\d)\{,\}(?=\d{3}(?!\d))"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\^\\circ(?![A-Za-z])"), " degrees "),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\\\$"), "$"),
    (re.compile(r"\\frac\s*(\d)\s*(\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"\s+"), " "),
    # A space means something only between two letters or digits.
    (re.compile(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])"), ""),
)


@lru_cache(maxsize=1024)  # each comparison asks several times
def spelled(latex: str) -> str:
    """The same mathematics in ASCII where that can be, without delimiters and typesetting; `\\text` stays.

    >>> spelled("$\\\\dfrac{1}{2}\\\\,$.")
    '\\\\frac{1}{2}'
    """
    text = SPACES.sub(" ", latex.strip())
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and text.count(text[0]) == 2:
        text = text[1:-1]
    if not text.isascii():
        text = OVERLINED.sub(lambda m: rf"\overline{{{m[0][::2]}}}", text)
        text = LOWERED.sub(lambda m: "_{" + "".join(SUBSCRIPTS[c] for c in m[0]) + "}", text)
        text = RAISED.sub(lambda m: "^{" + "".join(SUPERSCRIPTS[c] for c in m[0]) + "}", text)
        text = CHARACTER.sub(_character, text)
    if "\\\\" in text and "=" in text and "\\begin" not in text:
        text = ROWS.sub(r"\1, ", text)
    if "\\\\" in text and "\\begin" not in text:  # every backslash was written twice
        text = TWICE.sub(r"\\\1", text)
    if "*" in text or "`" in text or "__" in text:
        text = unemphasised(text).replace("`", "")
    text = money(_without_dollars(text))
    if "\\" in text or "~" in text or "{" in text:
        text = without_styles(text)
    if "\\begin" in text:
        text = SYSTEM.sub("", text)
    if "x" in text or "X" in text:
        text = TIMES.sub(r"\\times ", text)
    if text[:1] == "<" and text[-1:] == ">" and "," in text:
        text = rf"\langle {text[1:-1]}\rangle"
    if "[" in text or "]" in text:
        text = half_open(text)
    return worded(FULL_STOP.sub("", text.strip()).lstrip("=").strip())


def half_open(text: str) -> str:
    """Intervals with their brackets turned outwards, ]2,3[, as (2,3). Any other text as it is."""
    pairs = list(PAIR.finditer(text))
    turned = any(pair[1] == "]" or pair[3] == "[" for pair in pairs)
    if not turned or sum(map(text.count, "[]")) != 2 * len(pairs):
        return text
    return PAIR.sub(
        lambda m: ("(" if m[1] == "]" else "[") + m[2].replace(";", ",") + (")" if m[3] == "[" else "]"), text
    )


def flat(text: str) -> str:
    """A spelled text without `\\text` and spaces: equal answers often look equal in this form.

    >>> flat(spelled("\\\\text{Evelyn }")), flat(spelled("x = 5"))
    ('Evelyn', 'x=5')
    """
    for pattern, replacement in FLATTENING:
        text = pattern.sub(replacement, text)
    return FULL_STOP.sub("", text.strip()).strip()


def _character(match: re.Match) -> str:
    character = match[0]
    if character in CHARACTERS:
        return CHARACTERS[character]
    plain = unicodedata.normalize("NFKC", character)
    # A circled or squared digit is a label, not a number.
    return plain if len(plain) == 1 and not unicodedata.name(character, "").startswith("CIRCLED") else character


def _without_dollars(text: str) -> str:
    """Dollar signs that delimit go; one before a number with no partner is money."""
    count = len(DOLLAR.findall(text))
    if count == 1 and re.search(r"(?<!\\)\$\s*[\d.]", text):
        return DOLLAR.sub(lambda _: r"\$", text)
    return DOLLAR.sub(" ", text) if count else text
