"""What people put in words beside an answer: units and remarks in brackets, bases, labels, sets of numbers."""

import re

from ponder.verifiers.math.units import DOUBTS, UNIT_NAMES, is_operation

SPACES = re.compile(r"\s{2,}")
CJK = "\u4e00-\u9fff"
ONE_TO_TWENTY = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty"
)
BASES = ONE_TO_TWENTY.split()[1:16]
_BASE = rf"(\d{{1,2}}|{'|'.join(BASES)})"
BASE_FORMS = (
    re.compile(rf"(?<![\w.])(\d+)\s*\\text\{{\s*\(?\s*(?:in\s+)?base[\s-]*{_BASE}\s*\)?\s*\}}"),
    re.compile(
        rf"(?<![\w.])(\d+)\s*\(?\s*\\text\{{\s*\(?\s*(?:in\s+)?base\s*\}}\s*\{{?{_BASE}\}}?\s*(?:\\text\{{\s*\)\s*\}}|\))?"
    ),
    re.compile(rf"(?<![\w.])(\d+)\s*\(?\s*(?:in\s+)?base[\s-]*{_BASE}(?!\w)\s*\)?"),
    re.compile(rf"(?<![\w.])(\d+)\s*_\s*\{{\s*\(?\s*\\text\{{\s*base[\s-]*\}}?\s*{_BASE}\s*\}}?\s*\)?\}}"),
    re.compile(rf"(?<![\w.])(\d+)\s*_\s*\{{?\s*\\text\{{\s*({'|'.join(BASES)})\s*\}}\s*\}}?"),
    re.compile(r"(?<![\w.])\((\d+)\)\s*_\s*\{?\s*\(?(\d{1,2})\)?\s*\}?(?!\w)"),
    re.compile(r"(?<![\w.])(\d+)\s*_\s*\{\s*\((\d{1,2})\)\s*\}"),
)
_UPRIGHT = r"\\(?:text|mathrm|textrm)\s*\{\s*"
MODULO = re.compile(
    rf"\(\s*(?:{_UPRIGHT})?mod(?:ulo)?\s*\}}?\s*(\w{{1,20}})\s*\)|{_UPRIGHT}\(?\s*mod(?:ulo)?\s*(\w{{1,20}})\s*\)?\s*\}}"
    rf"|(?:{_UPRIGHT}mod(?:ulo)?\s*\}}|(?<![A-Za-z\\])mod(?:ulo)?)\s*\{{?(\d{{1,20}})\}}?"
)
SIGNS = {
    "%": r"\%",
    r"\%": r"\%",
    "$": r"\text{ dollars}",
    r"\$": r"\text{ dollars}",
    "times": "",
    "am": "",
    "pm": "",
    "a.m.": "",
    "p.m.": "",
}
BRACKETED = re.compile(
    r"(?<=[\w})\]%!])\s*\(((?:[^(){}]|\\text\{[^(){}]*\}|\^\{-?\d\}){1,100})\)(?=\s*(?:$|[,;.=]|and\b|or\b|\\text))"
)
INTEGER = re.compile(
    r",?\s*(?:\\text\{\s*)?(?:for|where|with)\s+(?:any |all |some |every |an )?integers?\s*\}?\s*([a-z])\b\s*\}?\s*$"
    r"|,?\s*(?:\\text\{)?\s*(?:where |with )?\}?\s*([a-z])\s*(?:\\text\{)?\s*(?:is |being )?(?:an? |any )(?:arbitrary )?integer\s*\}?\s*$"
)
# "(c \\in \\mathbb{R})" behind an answer, and a function that is the same everywhere.
DOMAIN = re.compile(
    r"(?<=[\w})])\s*\(\s*([A-Za-z](?:\s*,\s*[A-Za-z])*\s*\\in\s*\\(?:mathbb|mathbf)\s*\{?\s*[RZQNC]\s*\}?)\s*\)\s*$"
)
IDENTICAL = re.compile(r"^\s*([A-Za-z]\s*\(\s*[a-z]\s*\))\s*\\equiv\b\s*")
CHOOSE = re.compile(
    r"(?<![\w}])(?:(?:\{\})?[_^]\{?)?(\d{1,3})\}?\s*\{?\\?(?:mathrm\{)?C\}?(?:_\s*)?\{?(\d{1,3})\}?(?![\w^.])"
    r"|(?<![\w}])(?:\\mathrm\{C\}|\\text\{C\}|C)_\{?(\d{1,3})\}?\s*\^\s*\{?(\d{1,3})\}?(?!\w)"
)
TO = re.compile(r"(?<=[\w}])\s*\\text\{\s*to\s*\}\s*(?=[\w\\])|(?<=\d)\s+to\s+(?=\d)")
# "7 (since 6 < 7)": the reason, which is no part of the answer; "3/4 (or 0.75)": another spelling of it.
REASON = re.compile(r"\s*,?\s*(?:\\text\s*\{)?\s*\(\s*(?:since|because|as)\b[^()]{1,80}\)\s*\}?\s*$")
RESPELLED = re.compile(
    r"(?<=[\w}])\s*(?:\\text\s*\{)?\s*\(\s*(?:\\text\s*\{)?\s*(?:or|i\.e\.,?|that is,?|=|or equivalently,?|equivalently,?)(?![A-Za-z])"
    r"\s*\}?\s*((?:[^(){}]|\{[^(){}]*\}){1,60})\)\s*\}?\s*$"
)
TIME = re.compile(r"^\s*(?:\\text\s*\{\s*)?(\d{1,2}:\d{2})\s*(?:\\text\s*\{\s*)?([AaPp])\.?\s?[Mm]\.?\s*\}?\s*$")
NO_LIMIT = re.compile(r"^\s*(?:\\text\s*\{)?\s*(?:the limit )?does not exist\s*\}?\s*$", re.IGNORECASE)
# \\text{Area of } ABC = 8 and \\text{Area}(ABC) = 8: whose it is says nothing about the value.
MEASURE = re.compile(r"^\s*\\text\s*\{\s*(?:The )?[A-Za-z ]{2,30} of\s*\}\s*(?=[^=]{1,60}=[^=]+$)")
MEASURED = re.compile(
    r"^\s*\\(?:text|mathrm|operatorname)\s*\{\s*([A-Za-z]{2,20})\s*\}\s*\([^()=]{1,40}\)\s*=(?=[^=]+$)"
)
CHOSEN = re.compile(r"(?<![\w}\\])C\((\d{1,3}),\s*(\d{1,3})\)(?!\s*\w)")
OPTION_LABEL = re.compile(
    r"^\s*\\(?:text|textbf|mathbf|mathrm|textrm)\s*\{\s*\(?[A-J](?:\)\s*\}|[.:]\s*\}|\s*\}\s*[).:])(?:\\ |[\s:~])*(?=.*\d)"
)
LETTERED_BASE = re.compile(
    r"(?<!\d)(\d{0,40})\\(?:text|mathrm)\s*\{\s*(\d*[A-F][0-9A-F]*)\s*\}(?=\s*_\s*(?:16|\{\s*16))"
)
APPROXIMATION = re.compile(r"approx|about|roughly|\\simeq")
RESTATED = re.compile(
    r"\s*,?\s*(?:\\text\s*\{)?\s*\(\s*(?:\\text\s*\{)?\s*(?:which is |or |i\.e\.,? )?(?:approximately|approx\.?|about|roughly"
    r"|\\approx|\\simeq)(?![A-Za-z])\s*\}?[^()]{1,40}\)\s*\}?\s*$"
    r"|\s*,?\s*(?:\\text\s*\{)?\s*(?:or|which is|i\.e\.,?)\s+(?:approximately|approx\.?|about|roughly)(?![A-Za-z])\s*\}?[^()]{1,40}$"
    r"|\s*,?\s*\\text\s*\{\s*(?:or )?\}\s*\\approx[^()]{1,40}$"
)
MULTIPLICITY = re.compile(
    r"\s*,?\s*(?:\\text\{)?\s*\(?\s*(?:\\text\{)?\s*(?:(?:with |of )?multiplicity (?:\d|one|two|three|four)|(?:a )?(?:double|repeated|triple) root|twice)\s*\}?\s*\)?\s*\}?\s*$"
)
LETTER_UNIT = re.compile(r"(?<=[\d}])\s*\(\s*([A-Za-z])\s*\)\s*$")
UNIT = re.compile(r"[A-Za-z°µ]+(?:\^?\{?[23²³]\}?)?(?:\s*[/·*. ]\s*[A-Za-z]+(?:\^?\{?-?[23²³]\}?)?)*")
REMARK = re.compile(r"[A-Za-z][A-Za-z' ,.;:/-]*")
UPRIGHT = re.compile(r"\\(?:text|mathrm|textrm|textbf|mbox|operatorname)\s*\{([^{}]*)\}")
LABELLED = re.compile(r"^\s*([A-Za-z][A-Za-z' ]{0,60}?)\s+(?:is|are|equals)\s*:?\s+(?=[-\d$\\(\[{])")
_REALS = r"(?:the )?(?:set of )?(?:all|any|every|each) (?:the )?reals?(?: numbers?| values?)?(?: of)?(?: [a-z])?(?: numbers?)?"
EXCEPT = re.compile(
    rf"\s*(?:[a-z] (?:is|can be|may be) |[a-z]\s*\\in\s*)?(?:{_REALS}|reals?(?: numbers?)?|\\mathbb\s*\{{?\s*R\s*\}}?),?\s*"
    r"(?:such that [a-z] is )?(?:except(?: for)?|other than|excluding|but not|but|without|not equal to)\s*"
    r"(?P<values>.{1,100})"
)
COMPARED = re.compile(
    rf"\s*(?:[a-z] (?:is|can be|may be) )?{_REALS}\s*(?:that are |such that [a-z] is )?"
    r"(?P<how>greater than or equal to|less than or equal to|greater than|less than|at least|at most|more than|between)\s*(?P<values>.+)"
)
NAMED = re.compile(r"(?<![A-Za-z])(?:when |where |for )?[a-z]\s*=\s*")
MAX_SET = 200  # characters of a set in words
HOW = {"greater than": ">", "more than": ">", "less than": "<", "at least": r"\ge ", "at most": r"\le "}
HOW |= {"greater than or equal to": r"\ge ", "less than or equal to": r"\le "}
SETS = {
    "real numbers": r"\mathbb{R}",
    "reals": r"\mathbb{R}",
    "integers": r"\mathbb{Z}",
    "rational numbers": r"\mathbb{Q}",
    "complex numbers": r"\mathbb{C}",
    "natural numbers": r"\mathbb{N}",
    "positive real numbers": r"(0,\infty)",
    "negative real numbers": r"(-\infty,0)",
    "nonzero real numbers": r"\mathbb{R}\setminus\{0\}",
    "nonnegative real numbers": r"[0,\infty)",
    "non-negative real numbers": r"[0,\infty)",
    "positive reals": r"(0,\infty)",
    "nonzero reals": r"\mathbb{R}\setminus\{0\}",
}
ONES = {word: value for value, word in enumerate(ONE_TO_TWENTY.split()[:19], 1)} | {"zero": 0}
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
PARTS = {"half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
NUMBER_WORD = re.compile(r"(?:\\text\w*\s*\{)?\s*[A-Za-z]{3,9}(?:[ -][A-Za-z]{3,8})?\s*\.?\s*\}?")
NUMBERS = re.compile(r"\s*(?:the )?(?:set of )?(?:all )?(?:the )?([a-z -]+?)(?: [a-z])?\s*")
NOTHING = re.compile(
    r"\s*(?:无解|无实数?解|没有解|无实根)\s*|\s*(?:there (?:are|is) )?no (?:real |integer |such )?(?:solutions?|roots?|such numbers?|values?)\s*|\s*none\s*"
)


def worded(text: str) -> str:
    """A spelled text with what is in words said in LaTeX; the same text where there is nothing of the kind.

    >>> worded("9 (apples)"), worded("25(km/h)"), worded("17 (base 8)"), worded("9 (not it)")
    ('9 \\\\text{apples}', '25 \\\\text{km/h}', '17_{8}', '9 (not it)')
    """
    text = SPACES.sub(" ", text)
    if "base" in text or ")_" in text or "_{(" in text or "_\\text" in text or "_{\\text" in text:
        for form in BASE_FORMS:
            text = form.sub(_in_base, text)
    if "mod" in text:
        text = MODULO.sub(lambda match: rf"\pmod{{{match[1] or match[2] or match[3]}}}", text)
    if "(" in text:
        text = BRACKETED.sub(_bracketed, text)
    if "\\in" in text:
        text = DOMAIN.sub(r", \1", text)
    if "\\equiv" in text and "mod" not in text:
        text = IDENTICAL.sub(r"\1 = ", text)
    if "C" in text:
        text = CHOOSE.sub(_binomial, text)
    if "to" in text:
        text = TO.sub(":", text)
    if APPROXIMATION.search(text):
        text = _without_restatement(text)
    if "(" in text:
        text = _without_reason(text)
    if "=" in text:
        text = MEASURED.sub(r"\\text{\1} =", MEASURE.sub("", text))
    if "16" in text:
        text = LETTERED_BASE.sub(r"\1\2", text)
    if ":" in text:
        text = TIME.sub(lambda match: rf"{match[1]}\text{{ {match[2].lower()}m}}", text)
    if "exist" in text:
        text = NO_LIMIT.sub(r"\\text{DNE}", text)
    if "multiplicity" in text or "root" in text or "twice" in text:
        text = MULTIPLICITY.sub("", text)
    if "integer" in text:
        text = INTEGER.sub(lambda match: rf", {match[1] or match[2]}\in\mathbb{{Z}}", text)
    if (match := LABELLED.match(text)) and not DOUBTS & set(match[1].lower().split()):
        words = match[1] if len(match[1]) == 1 else rf"\text{{{match[1]}}}"
        text = f"{words} = {text[match.end() :]}"
    if NUMBER_WORD.fullmatch(text):
        text = _number(UPRIGHT.sub(r"\1", text)) or text
    return _set(text) or text


def _binomial(match: re.Match) -> str:
    """5C2, {}_5C_2, ^5C_2 and C_5^2 as a binomial; C_5^2 has what is chosen from below."""
    upper, lower = (match[1] or match[3], match[2] or match[4])
    return rf"\binom{{{upper}}}{{{lower}}}"


def _without_restatement(text: str) -> str:
    """The exact value where an approximation of it follows: "5\\sqrt{2} (about 7.07)"."""
    match = RESTATED.search(text)
    kept = text[: match.start()].strip() if match else ""
    return kept if re.search(r"[\w})]$", kept) and kept.count("{") == kept.count("}") else text


def _without_reason(text: str) -> str:
    """The value without a reason in brackets behind it, and with another spelling of it as an alternative."""
    match = REASON.search(text)
    kept = text[: match.start()].strip() if match else ""
    if kept and kept.count("{") == kept.count("}"):
        return kept
    match = RESPELLED.search(text)
    if match and match[1].strip() and re.search(r"[\d\\]", match[1]):
        return rf"{text[: match.start()].strip()} \text{{ or }} {match[1].strip()}"
    return text


def other_readings(text: str) -> tuple[str, ...]:
    """What a text may mean besides: a letter in brackets as a unit, C(5, 2) as a binomial, the value of an option."""
    return (letter_unit(text), CHOSEN.sub(r"\\binom{\1}{\2}", text), OPTION_LABEL.sub("", text))


def letter_unit(text: str) -> str:
    """The text with a letter in brackets at its end as a unit: 25 (m). As it is where there is none."""
    return LETTER_UNIT.sub(lambda match: rf" \text{{{match[1]}}}" if match[1] in "msghLNJWVAKC" else match[0], text)


def _number(words: str) -> str | None:
    """A number in words, as digits: twelve, forty-two, one half. None for any other words."""
    first, _, second = words.strip(" .").lower().replace("-", " ").partition(" ")
    if not second:
        return str(ONES[first]) if first in ONES else str(TENS[first]) if first in TENS else None
    if first in TENS and 0 < ONES.get(second, 0) < 10:
        return str(TENS[first] + ONES[second])
    parts = PARTS.get(second.removesuffix("s")) or PARTS.get(second)
    return rf"\frac{{{ONES[first]}}}{{{parts}}}" if first in ONES and parts else None


def _in_base(match: re.Match) -> str:
    base = match[2] if match[2].isdigit() else BASES.index(match[2]) + 2
    return f"{match[1]}_{{{base}}}"


def _bracketed(match: re.Match) -> str:
    """A bracket behind a value: a unit or a name of what is counted, a remark that says nothing else, or what it was."""
    inside = UPRIGHT.sub(r"\1", match[1]).strip()
    if inside in SIGNS:
        return SIGNS[inside]
    words = re.findall(r"[A-Za-z]+(?:'[a-z]+)?", inside)
    if re.fullmatch(rf"[{CJK}]{{1,8}}(?:[/每][{CJK}]{{1,4}})?", inside):
        return rf" \text{{{inside}}}"
    if (
        not words
        or (len(inside) == 1)
        or (DOUBTS | {"or", "either", "versus", "vs"}) & {word.lower() for word in words}
    ):
        return match[0]
    if UNIT.fullmatch(inside) and all(word in UNIT_NAMES for word in words):
        return rf" \text{{{inside}}}"
    if not REMARK.fullmatch(inside) or not any(_is_word(word) for word in words):
        return match[0]
    if len(words) <= 3 and not re.search(r"[,;:.]", inside):
        return rf" \text{{{inside}}}"
    return match[0] if is_operation(inside) else ""


def _is_word(letters: str) -> bool:
    return (
        len(letters) >= 3
        and re.search("[aeiouyAEIOUY]", letters) is not None
        and letters not in ("sin", "cos", "tan", "exp")
    )


def _set(text: str) -> str | None:
    """A set of numbers that is described in words; None for anything else."""
    if len(text) > MAX_SET or not re.search(
        r"\b(?:reals?|numbers|integers|no|none|except)\b|无|没有", text, re.IGNORECASE
    ):
        return None
    plain = " ".join(UPRIGHT.sub(r" \1 ", text).split())
    low = plain[:1].lower() + plain[1:]
    if match := EXCEPT.fullmatch(low):
        values = NAMED.sub("", match["values"]).strip(" .{}")
        return (
            rf"\mathbb{{R}}\setminus\{{{values}\}}"
            if values and not re.search(r"(?<!\\)\b[A-Za-z]{4}", values)
            else None
        )
    if match := COMPARED.fullmatch(low):
        if match["how"] == "between":
            return None
        return f"x {HOW[match['how']]} {match['values']}"
    if NOTHING.fullmatch(low.lower()):
        return r"\emptyset"
    match = NUMBERS.fullmatch(low)
    return SETS.get(match[1]) if match else None
