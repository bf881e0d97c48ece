"""Units of answers: which words are one, and whether two contradict each other."""

import re

# A word counts as a unit if it is one of these, or has four letters and a vowel: "xy" and "abc" are products.
UNITS = {
    "degrees": "deg degree 度",
    "percent": "% pct percentage",
    "dollars": "$ dollar usd 美元",
    "cents": "cent",
    "euros": "€ euro eur 欧元",
    "pounds": "£ pound lb lbs 英镑",
    "rupees": "₹ rupee rs inr",
    "ohms": "ohm",
    "radians": "rad radian",
    "seconds": "s sec second 秒",
    "minutes": "min minute 分钟",
    "hours": "h hr hrs hour 小时 时",
    "days": "day 天",
    "weeks": "week 周 星期",
    "months": "month 月 个月",
    "years": "year yr yrs 年 岁",
    "millimeters": "mm millimeter millimetre millimetres 毫米",
    "centimeters": "cm centimeter centimetre centimetres 厘米",
    "meters": "m meter metre metres 米",
    "kilometers": "km kilometer kilometre kilometres 千米 公里",
    "inches": "in inch",
    "feet": "ft foot",
    "yards": "yd yard",
    "miles": "mi mile",
    "grams": "g gram 克",
    "kilograms": "kg kilogram 千克 公斤",
    "milligrams": "mg milligram 毫克",
    "ounces": "oz ounce 盎司",
    "gallons": "gal gallon 加仑",
    "quarts": "qt quart",
    "pints": "pint",
    "tons": "ton tonne tonnes 吨",
    "liters": "l liter litre litres 升",
    "milliliters": "ml milliliter millilitre millilitres 毫升",
    "kilometers per hour": "km/h kmh kph 千米/时 千米/小时",
    "miles per hour": "mph mi/h",
    "meters per second": "m/s 米/秒",
    "yen": "jpy 日元",
    "yuan": "元 ¥ cny rmb 人民币",
}
# How many of the second make one of the first: 2 hours 5 minutes.
SMALLER = {
    **{("weeks", "days"): 7, ("days", "hours"): 24, ("hours", "minutes"): 60, ("minutes", "seconds"): 60},
    **{("years", "months"): 12, ("feet", "inches"): 12, ("yards", "feet"): 3, ("dollars", "cents"): 100},
    **{("kilometers", "meters"): 1000, ("meters", "centimeters"): 100, ("kilograms", "grams"): 1000},
}
SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "万": 4, "亿": 8}  # powers of ten
UNIT_NAMES = {alias: name for name, aliases in UNITS.items() for alias in (name, *aliases.split())}
# Units that only upright letters are, or letters side by side.
_SYMBOLS = (
    "J N W V A K C F T H L Pa Hz kHz MHz GHz eV keV MeV GeV kJ kW kN kPa MPa mA mV mW mL mol Wb lm lx Bq Gy sr kcal cal atm bar "
    "mmHg dB ppm rpm amu nm dm ms ns hrs mins secs microm micros micromol angstrom kohms Mohms"
)
SYMBOLS = set(_SYMBOLS.split())
COMPARATIVES = {"less", "more", "fewer", "least", "most"}
# Words that make another number of the number before them.
OPERATIONS = {"hundred", "thousand", "million", "billion", "trillion", "quadrillion", "dozen", "gross", "lakh", "crore"}
OPERATIONS |= {"squared", "cubed", "factorial", "times", "plus", "minus", "divided", "multiplied", "choose", "modulo"}
OPERATIONS |= {"halves", "thirds", "quarters", "fourths", "fifths", "sixths", "sevenths", "eighths", "ninths", "tenths"}
OPERATIONS |= {"hundredths", "thousandths", "half", "third", "quarter", "tenth", "hundredth", "thousandth", "millionth"}
OPERATIONS |= {"root", "roots", "power", "millions", "billions", "thousands", "hundreds", "dozens", "over"}
OPERATION_CHARACTERS = re.compile("[百万亿]|千(?![米克瓦焦赫卡])")
DOUBTS = {
    "not",
    "wrong",
    "incorrect",
    "false",
    "never",
    "no",
    "least",
    "most",
    "less",
    "more",
    "fewer",
    "almost",
    "guess",
    "guessing",
    "unsure",
    "uncertain",
    "unverified",
    "invalid",
}
DOUBTS |= {"about", "approximately", "roughly", "nearly", "isn't", "maybe", "possibly", "perhaps", "unknown", "untrue"}
SQUARE = re.compile(r"(?:square|sq\.?) (\w+)$")
CUBIC = re.compile(r"(?:cubic|cu\.?) (\w+)$")
SQUARE_CJK = re.compile("平方(.+)$|立方(.+)$")
CJK = re.compile("[\u4e00-\u9fff]")
POWER = re.compile(r"\s*(?:\^\{?([23])\}?|([²³]))$")


def unit_name(words: str) -> str:
    """The common name of a unit: "square inches" and "inches^2" are "inches2"; unknown words stay as they are."""
    words = words.replace("per cent", "percent")
    name = CUBIC.sub(r"\1^3", SQUARE.sub(r"\1^2", words.strip()))
    name = SQUARE_CJK.sub(lambda match: f"{match[1]}^2" if match[1] else f"{match[2]}^3", name)
    power = POWER.search(name)
    base = (name[: power.start()] if power else name).strip().lower()
    exponent = (power[1] or "²³".find(power[2]) + 2) if power else ""
    return f"{UNIT_NAMES.get(base, base)}{exponent}"


def scaled(words: str) -> tuple[int, str]:
    """The power of ten that words after a number begin with, and the unit that is left: (6, "dollars") for "million dollars"."""
    first, _, rest = words.strip().partition(" ")
    if first[:1] in ("万", "亿"):
        first, rest = first[:1], f"{first[1:]} {rest}".strip()
    power = SCALES.get(first.lower())
    return (0, words) if power is None else (power, rest)


def is_operation(words: str) -> bool:
    """Whether words after a number make another number of it, as in "12 thousand" and "12 squared"."""
    return not OPERATIONS.isdisjoint(words.lower().split()) or bool(OPERATION_CHARACTERS.search(words))


def contradict(a: str, b: str) -> bool:
    """Whether two units (common names, "" for none) cannot both be right.

    A missing unit contradicts nothing, nor does one that only says more: "candies" and "chocolate candies".
    """
    if is_operation(a) != is_operation(b):
        return True
    if not a or not b or a == b:
        return False
    words, others = ({word.rstrip("s") for word in unit.split()} for unit in (a, b))
    if {a, b} == {"yuan", "yen"}:  # both are written as one sign
        return False
    if any(CJK.search(unit) for unit in (a, b)):  # a word for counted things, which has no one English name
        return False
    generic = {"unit", "units2", "units3"}
    return not (words <= others or others <= words or words <= generic or others <= generic)
