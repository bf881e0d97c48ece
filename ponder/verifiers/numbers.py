"""Plain numbers as exact fractions: integers, decimals, fractions, mixed numbers, powers of ten, percent, units."""

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_LENGTH = 400  # characters of a number that is read here; longer ones are left to a worker
MAX_EXPONENT = 400

DIGITS = r"(?:\d{1,3}(?:[, ]\d{3})+(?!\d)|\d+)"
DECIMAL = re.compile(rf"(?P<sign>[-+]?)(?P<whole>{DIGITS})?(?:\.(?P<part>\d*))?")
SIGN = r"(?P<sign>[-+]?)"
SCIENTIFIC = re.compile(r"(?P<mantissa>.+?)(?:\\times|\\cdot|×|\*|x) ?10\^(?:\{(?P<a>[-+]?\d+)\}|(?P<b>[-+]?\d+))")
FRACTION = re.compile(SIGN + r"(?:(?P<whole>\d+) ?)?\\frac\{(?P<over>[^{}]+)\}\{(?P<under>[^{}]+)\}")
SLASH = re.compile(SIGN + r"(?:(?P<whole>\d+) )?(?P<over>[-\d.]+)/(?P<under>[-\d.]+)")
VARIABLE = re.compile(r"([A-Za-z](?:_\{?\w+\}?)?)=")
UNIT = re.compile(r"(?P<number>.*?[\d})]) ?(?P<unit>%|[A-Za-z]+(?: [A-Za-z]+)*(?:\^\{?[23]\}?|[²³])?)")
# A word counts as a unit if it is one of these, or has four letters and a vowel: "xy" and "abc" are products.
UNITS = {
    "degrees": "deg degree",
    "percent": "% pct percentage",
    "dollars": "$ dollar usd",
    "cents": "cent",
    "radians": "rad radian",
    "seconds": "s sec second",
    "minutes": "min minute",
    "hours": "h hr hrs hour",
    "days": "day",
    "millimeters": "mm millimeter millimetre",
    "centimeters": "cm centimeter centimetre",
    "meters": "m meter metre",
    "kilometers": "km kilometer kilometre",
    "inches": "in inch",
    "feet": "ft foot",
    "grams": "g gram",
    "kilograms": "kg kilogram",
    "miles": "mi mile",
}
UNIT_NAMES = {alias: name for name, aliases in UNITS.items() for alias in (name, *aliases.split())}
ORDINALS = re.compile(r"(?<=\d)\^?\{?\s*(?:st|nd|rd|th)\}?$")


@dataclass(frozen=True)
class Number:
    """A plain number: its value as written (28% has value 28), its unit ("" for none), how it was written."""

    value: Fraction
    unit: str
    decimals: int | None  # digits after the point; None for a fraction, so a value meant exactly
    variable: str


def parse_number(text: str) -> Number | None:
    """The number that a cleaned answer (ponder.verifiers.latex) consists of; None if it is anything else.

    >>> parse_number("x=1,250 cm").value
    Fraction(1250, 1)
    """
    if not 0 < len(text) <= MAX_LENGTH:
        return None
    variable = VARIABLE.match(text)
    if variable:
        text = text[variable.end() :]
    unit = ""
    text = ORDINALS.sub("", text)
    if text.startswith(("$", "-$")):
        text, unit = text.replace("$", "", 1), "dollars"
    elif (match := UNIT.fullmatch(text)) and (unit_name := _unit(match["unit"])):
        text, unit = match["number"].strip(), unit_name
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    read = _value(text)
    return read and Number(*read[:1], unit, read[1], variable[1] if variable else "")


def same_number(answer: Number, reference: Number) -> bool | None:
    """Whether an answer is the reference number; None if this cannot be said here.

    A percent reference takes the bare number of percents or the fraction, and the other way round. A reference with a
    decimal point is taken for rounded where the answer is an exact fraction. Units count only if both are given.
    """
    if answer.variable and reference.variable and answer.variable != reference.variable:
        return None
    a, r = answer.unit, reference.unit
    if a and r and a != r:
        both_known = a.rstrip("23") in UNITS and r.rstrip("23") in UNITS and "percent" not in (a, r)
        return False if both_known else None
    scales = [Fraction(1)]
    if r == "percent" and not a:
        scales.append(Fraction(100))
    if a == "percent" and not r:
        scales.append(Fraction(1, 100))
    values = [answer.value * scale for scale in scales]
    if reference.value in values:
        return True
    if reference.decimals and answer.decimals is None:
        return any(_rounded(value, reference.decimals) == reference.value for value in values)
    return False


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


def _unit(words: str) -> str | None:
    """The unit's common name; None if the letters are rather a product of variables."""
    name = words.strip()
    name = re.sub(r"(square|cubic) (\w+)$", lambda m: m[2] + ("²" if m[1] == "square" else "³"), name)
    base = re.sub(r"\^\{?[23]\}?|[²³]", "", name).strip().lower()
    power = name[len(base) :].translate(str.maketrans("²³", "23")).strip("^{}")
    if base in UNIT_NAMES:
        return UNIT_NAMES[base] + power
    known = all(len(word) >= 4 and re.search("[aeiou]", word) for word in base.split() if word not in UNIT_NAMES)
    if not known or {"or", "and"} & set(base.split()):
        return None
    return base + power


def _rounded(value: Fraction, decimals: int) -> Fraction:
    """Rounded half away from zero, as people round."""
    scaled = abs(value) * 10**decimals + Fraction(1, 2)
    magnitude = Fraction(scaled.numerator // scaled.denominator, 10**decimals)
    return magnitude if value >= 0 else -magnitude
