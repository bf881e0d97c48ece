"""Plain numbers as exact fractions: integers, decimals, fractions, mixed numbers, powers of ten, percent, units."""

import re
from dataclasses import dataclass
from fractions import Fraction

from ponder.verifiers.math.units import DOUBTS, UNIT_NAMES, contradict, is_operation, scaled, unit_name

MAX_LENGTH = 400  # characters of a number that is read here; longer ones are left to a worker
MAX_EXPONENT = 400
FLOAT_DIGITS = 15  # significant digits from which a decimal may stand for a number whose decimals do not end

DIGITS = r"(?:[1-9]\d{0,2}(?:[, ]\d{3})+(?!\d)|\d+)"
# A comma that can only be a decimal point: 2,74 and 0,125, not 1,250.
DECIMAL_COMMA = re.compile(r"([-+]?(?:0(?=,)|(?:\d+|[1-9]\d{0,2}(?: \d{3})+)(?=,(?!\d{3}(?!\d)))))[,](\d+)([^\d.,]*)")
DECIMAL = re.compile(rf"(?P<sign>[-+]?)(?P<whole>{DIGITS})?(?:\.(?P<part>\d*))?")
SIGN = r"(?P<sign>[-+]?)"
SCIENTIFIC = re.compile(r"(?P<mantissa>.+?)(?:\\times|\\cdot|×|\*|x) ?10\^(?:\{(?P<a>[-+]?\d+)\}|(?P<b>[-+]?\d+))")
FRACTION = re.compile(SIGN + r"(?:(?P<whole>\d+) ?)?\\frac\{(?P<over>[^{}]+)\}\{(?P<under>[^{}]+)\}")
SLASH = re.compile(SIGN + r"(?:(?P<whole>\d+) )?(?P<over>[-\d.]+)/(?P<under>[-\d.]+)")
VARIABLE = re.compile(r"([A-Za-z](?:_\{?\w+\}?)?)=")
UNIT = re.compile(
    r"(?P<number>[^A-Za-z]*?[\d})]|.*?[\d})]) ?(?P<unit>[%€£元]|[A-Za-z]+(?:[ /][A-Za-z]+)*(?:\^\{?[23]\}?)?|[\u4e00-\u9fff]{1,4})"
)
ORDINALS = re.compile(r"(?<=\d)\^?\{?\s*(?:st|nd|rd|th)(?![A-Za-z])\}?(?= ?[A-Za-z]*$)")


@dataclass(frozen=True)
class Number:
    """A plain number: its value as written (28% has value 28), its unit ("" for none), how it was written."""

    value: Fraction
    unit: str
    decimals: int | None  # digits after the point; None for a fraction, so a value meant exactly
    variable: str


def parse_number(text: str, letters: bool = True) -> Number | None:
    """The number that a cleaned answer (ponder.verifiers.math.latex) consists of; None if it is anything else.

    `letters`: whether a single letter after the number is a unit, as in 5m, rather than a symbol.

    >>> parse_number("x=1,250 cm").value
    Fraction(1250, 1)
    """
    if not 0 < len(text) <= MAX_LENGTH:
        return None
    variable = VARIABLE.match(text)
    if variable:
        text = text[variable.end() :]
    unit, power = "", 0
    text = ORDINALS.sub("", text)
    if text.startswith(("$", "-$")):
        text, unit = text.replace("$", "", 1), "dollars"
        if (match := UNIT.fullmatch(text)) and (power := scaled(match["unit"])[0]):
            text = match["number"].strip() if scaled(match["unit"])[1] in ("", "dollars") else text
    elif (match := UNIT.fullmatch(text)) and (scaled_unit := _unit(match["unit"], letters)):
        text, (power, unit) = match["number"].strip(), scaled_unit
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    read = _value(text)
    return read and Number(read[0] * 10**power, unit, None if power else read[1], variable[1] if variable else "")


def with_point(text: str) -> str | None:
    """A number with a decimal comma, with a point; None if the comma may mean anything else.

    >>> with_point("2,74"), with_point("0,125"), with_point("1,250")
    ('2.74', '0.125', None)
    """
    match = DECIMAL_COMMA.fullmatch(text)
    return f"{match[1]}.{match[2]}{match[3]}" if match else None


def same_number(answer: Number, reference: Number) -> bool | None:
    """Whether an answer is the reference number; None if this cannot be said here.

    A percent reference takes the bare number of percents or the fraction, and the other way round. A reference with a
    decimal point is taken for rounded where the answer is an exact fraction. Units count only if both are given.
    """
    if answer.variable and reference.variable and answer.variable != reference.variable:
        return None
    a, r = answer.unit, reference.unit
    if contradict(a, r):
        return False
    scales = [Fraction(1)]
    if r == "percent" and not a:
        scales.append(Fraction(100))
    if a == "percent" and not r and abs(reference.value) < 1:
        scales = [Fraction(1, 100)]
    elif a == "percent" and not r:
        scales.append(Fraction(1, 100))
    values = [answer.value * scale for scale in scales]
    if reference.value in values:
        return True
    if answer.decimals and reference.decimals is None and not is_finite_decimal(reference.value):
        return any(_is_float_of(value, answer.decimals, reference.value) for value in values)
    if is_rounded(reference.value, reference.decimals) and answer.decimals is None:
        return any(_rounded(value, reference.decimals) == reference.value for value in values)
    return False


def is_finite_decimal(value: Fraction) -> bool:
    """Whether the decimals of a number end: 3/8, not 1/12."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def _is_float_of(decimal: Fraction, decimals: int, exact: Fraction) -> bool:
    """Whether a decimal of at least FLOAT_DIGITS significant digits is the exact value, to two units of the last."""
    digits = len(str(abs(decimal.numerator) * 10**decimals // decimal.denominator))
    return digits >= FLOAT_DIGITS and abs(decimal - exact) * 10**decimals <= 2


def is_rounded(value: Fraction, decimals: int | None) -> bool:
    """Whether a number with so many digits after the point may be a rounded value: 0.33, 16.7, not 0.5 or 0.05."""
    if not decimals:
        return False
    digits = len(str(abs(value.numerator) * 10**decimals // value.denominator).lstrip("0"))
    return digits >= (2 if decimals >= 2 else 3)


def _value(text: str) -> tuple[Fraction, int | None] | None:
    """(value, digits after the point or None) of a number without unit."""
    if decimal := _decimal(text):
        return decimal
    if match := SCIENTIFIC.fullmatch(text):
        mantissa, exponent = _decimal(match["mantissa"]), int(match["a"] or match["b"])
        if mantissa is None or abs(exponent) > MAX_EXPONENT:
            return None
        return mantissa[0] * Fraction(10) ** exponent, max(0, mantissa[1] - exponent)
    match = FRACTION.fullmatch(text) or SLASH.fullmatch(text)
    if match is None:
        return None
    over, under = _decimal(match["over"]), _decimal(match["under"])
    if over is None or under is None or under[0] == 0:
        return None
    value = int(match["whole"] or 0) + over[0] / under[0]
    return (-value if match["sign"] == "-" else value), None


def _decimal(text: str) -> tuple[Fraction, int | None] | None:
    match = DECIMAL.fullmatch(text.strip())
    if match is None or not (match["whole"] or match["part"]):
        return None
    whole, part = re.sub("[, ]", "", match["whole"] or "0"), match["part"] or ""
    value = Fraction(int(whole + part), 10 ** len(part))
    return (-value if match["sign"] == "-" else value), len(part)


def _unit(words: str, letters: bool) -> tuple[int, str] | None:
    """A power of ten and the unit's common name; None if the letters are rather a product of variables."""
    power, words = scaled(words)
    if not words:
        return power, ""
    if (DOUBTS | {"or", "and"}) & set(words.lower().split()) or (not words.isascii() and re.search("[或和]", words)):
        return None
    if not letters and "/" not in words and re.match(r"[A-Za-z](?![A-Za-z])", words):
        return None
    if is_operation(words) or re.fullmatch(r"[A-KM-Z]", words):  # 12M may be twelve million; 5L is in liters
        return None
    known = all(
        word.lower() in UNIT_NAMES
        or word == "per"
        or not word.isascii()
        or (len(word) >= 4 and re.search("[aeiou]", word))
        for word in re.findall(r"[^\W\d_]+|[%€£]", words)
    )
    return (power, unit_name(words)) if known else None


def _rounded(value: Fraction, decimals: int) -> Fraction:
    """Rounded half away from zero, as people round."""
    scaled = abs(value) * 10**decimals + Fraction(1, 2)
    magnitude = Fraction(scaled.numerator // scaled.denominator, 10**decimals)
    return magnitude if value >= 0 else -magnitude
