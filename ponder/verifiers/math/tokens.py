"""Tokens of a spelled answer: numbers, symbols, functions, operators, words. Linear in the length of the text."""

import itertools
import re

from ponder.verifiers.math.commands import (
    CONSTANTS,
    DOTS,
    FUNCTIONS,
    GREEK_NAMES,
    IGNORED,
    OPERATORS,
    ORDINALS,
    RENAMED,
    SHORT_WORDS,
    SIGNS,
    WITH_ARGUMENTS,
)
from ponder.verifiers.math.spelling import TEXT
from ponder.verifiers.math.tree import OverBudget, Unreadable
from ponder.verifiers.math.units import DOUBTS, SYMBOLS, UNIT_NAMES

Token = tuple[str, str]  # (kind, value)
END: Token = ("end", "")
MAX_TOKENS = 1_500
MAX_DIGITS = 1_000

PIECE = re.compile(
    rf"""(?P<space>\s+)
    |(?P<dots>\.\.\.+)
    |(?P<number>(?:\d+(?:\{{,\}}\d{{3}})+|\d+)(?:\.(?!\.)\d*)?(?:[eE][-+]?\d+(?![\d.]))?|\.\d+(?:[eE][-+]?\d+)?)
    |(?P<text>{TEXT.pattern})
    |(?P<environment>\\(?:begin|end)\s*\{{(?P<name>[A-Za-z]+\*?)\}}(?:\{{[lcr|]+\}})?)
    |(?P<blackboard>\\(?:mathbb|mathbf|Bbb|mathrm)\s*(?:\{{\s*(?P<set>[RZQNC])\s*\}}|(?P<bare>[RZQNC])(?![A-Za-z])))
    |(?P<row>\\\\(?:\s*\[[^\[\]]{{0,12}}\])?)
    |(?P<command>\\(?:[A-Za-z]+|.))
    |(?P<word>[A-Za-z]+)
    |(?P<cjk>[\u4e00-\u9fff\u3007①-⑳]+)
    |(?P<operator><=|>=|!=|==|\*\*|->|=>|=<|[-+*/^_=<>()\[\]{{}}|,;:!'&%$\#]|(?P<currency>[€£¥₹])|\.(?=\s|$|\\))""",
    re.VERBOSE | re.DOTALL,
)

# "Total cost:" and "the area is", which name the value after them.
LABEL = re.compile(r"((?!or\b|and\b|if\b)[A-Za-z][A-Za-z' -]{2,60}?)\s*(?:[:=]|\s(?:is|are|equals):?)", re.IGNORECASE)
# "if x > 0", "Total cost: 5": words before mathematics in one text.
LEADING_WORDS = re.compile(
    r"((?:(?!or\b|and\b)[A-Za-z]{2,}\s+)*(?!or\b|and\b)[A-Za-z]{2,})\s*(:?)\s+(?=[^A-Za-z]*[A-Za-z]?[^A-Za-z]*[\d<>=\\])"
)
NO_LABELS = (
    "answer",
    "the answer",
    "final answer",
    "the final answer",
    "answer is",
    "solution",
    "the solution",
    "the solutions",
)
JOINING = re.compile(r"(\bor\b|\band\b|[,;])")
COMPOUND = re.compile(r"[A-Za-z]+(?:\^\{?-?[1-4]\}?)?(?:\s*(?:/|\*|\\cdot|\s)\s*[A-Za-z]+(?:\^\{?-?[1-4]\}?)?)*")
LETTERS = re.compile(r"(?<!\\)\b[A-Za-z]+")
INLINE = re.compile(r"[^A-Za-z]*|\(?[A-Za-z]\)?\.?|[^A-Za-z]*\d[^A-Za-z]*")


def tokens_of(text: str) -> list[Token]:
    """Tokens of a spelled text.

    kinds: num, sym, const, fn, cmd, op, text, begin, end_env, dots. Unreadable for what this package does not know.
    """
    tokens: list[Token] = []
    _read(text, tokens, 0)
    return tokens


def _read(text: str, tokens: list[Token], depth: int) -> None:
    position = 0
    while position < len(text):
        match = PIECE.match(text, position)
        if match is None:
            raise Unreadable(f"the character {text[position]!a} is not mathematics")
        position = match.end()
        if len(tokens) > MAX_TOKENS:
            raise OverBudget(f"more than {MAX_TOKENS:,} tokens")
        if match["space"]:
            continue
        if match["number"]:
            _number(match["number"].replace("{,}", ""), tokens)
        elif match["dots"]:
            tokens.append(("dots", "dots"))
        elif match["text"]:
            content = next(group for group in TEXT.fullmatch(match["text"]).groups() if group is not None)
            _text(content, match["text"].startswith("\\operatorname"), tokens, depth)
        elif match["environment"]:
            kind = "begin" if match["environment"].startswith("\\b") else "end_env"
            tokens.append((kind, match["name"].rstrip("*")))
        elif match["blackboard"]:
            tokens.append(("const", match["set"] or match["bare"]))
        elif match["currency"]:
            tokens.append(("text" if tokens and tokens[-1][0] == "num" else "op", match["currency"]))
        elif match["cjk"]:
            tokens.append(("text", match["cjk"]))
        elif match["row"]:
            tokens.append(("op", "\\\\"))
        elif match["command"]:
            _command(match["command"][1:], tokens)
        elif match["word"]:
            _word(match["word"], tokens)
        elif match["operator"] != ".":
            tokens.append(("op", SIGNS.get(match["operator"], match["operator"])))


def _number(text: str, tokens: list[Token]) -> None:
    if len(text) > MAX_DIGITS:
        raise OverBudget(f"a number of more than {MAX_DIGITS:,} digits")
    tokens.append(("num", text))


def _text(content: str, operator: bool, tokens: list[Token], depth: int) -> None:
    """What stands in `\\text{}`: words, or a number or a letter that is only set upright."""
    content = content.strip()
    if _is_unit(content) and tokens and (tokens[-1][0] == "num" or tokens[-1] in (("op", "}"), ("op", ")"))):
        tokens.append(("text", content))
        return None
    if _label(content, tokens):
        return None
    if content in FUNCTIONS or (content in CONSTANTS and content not in ("e", "i")):
        return _word(content, tokens)
    if (lead := LEADING_WORDS.match(content)) and not set(lead[1].split()) & (FUNCTIONS | set(CONSTANTS)) and depth < 3:
        if not _label(lead[1].strip() + (":" if lead[2] else ""), tokens):
            tokens.append(("text", " ".join(lead[1].lower().split())))
        return _text(content[lead.end() :], operator, tokens, depth + 1)
    if depth < 3 and content and (INLINE.fullmatch(content) or re.search(r"[\d\\=<>]", content)):
        upright: list[Token] = []
        _read(content, upright, depth + 1)
        tokens.extend(upright)
        return None
    for piece in JOINING.split(content):
        piece = piece.strip()
        if piece in ("or", "and"):
            tokens.append(("op", piece))
        elif re.fullmatch(r"\(?[A-Za-z]\)?", piece) and depth < 3:
            _read(piece, tokens, depth + 1)
        elif re.fullmatch(r"[,;]+", piece):
            tokens.append(("op", ","))
        elif _label(piece, tokens):
            continue
        elif words := " ".join(re.sub(r"[^\w\s/^²³%'-]", " ", piece).lower().split()):
            tokens.append(("text", words))
    return None


def _label(content: str, tokens: list[Token]) -> bool:
    """Reads words that name the value after them as its name, and an equals sign. Whether they are such words."""
    label = LABEL.fullmatch(content)
    if label is None or label[1].lower() in NO_LABELS or DOUBTS & set(label[1].lower().split()):
        return False
    tokens.extend((("text", " ".join(label[1].lower().split())), ("op", "=")))
    return True


def _is_unit(content: str) -> bool:
    """Whether upright letters are a unit, also one with a power or a quotient: m, cm^2, m/s^{2}."""
    if content in UNIT_NAMES or content in SYMBOLS:
        return True
    words = LETTERS.findall(content)
    return COMPOUND.fullmatch(content) is not None and all(word in UNIT_NAMES or word in SYMBOLS for word in words)


def _command(name: str, tokens: list[Token]) -> None:
    if name in OPERATORS:
        tokens.append(("op", OPERATORS[name]))
    elif name in CONSTANTS:
        tokens.append(("const", CONSTANTS[name]))
    elif name in FUNCTIONS and name not in ("sqrt", "binom"):
        tokens.append(("fn", RENAMED.get(name, name)))
    elif name in WITH_ARGUMENTS:
        tokens.append(("cmd", name))
    elif name in DOTS:
        tokens.append(("dots", "dots"))
    elif name == "Omega" and tokens and tokens[-1][0] == "num":
        tokens.append(("text", "ohms"))
    elif name in GREEK_NAMES:
        tokens.append(("sym", name.removeprefix("var")))
    elif name not in IGNORED:
        raise Unreadable(f"the command \\{name} is not known here")


def _word(word: str, tokens: list[Token]) -> None:
    """Bare letters: a function, a constant, a unit after a number, a word, or a product of symbols."""
    if word in ("or", "and"):
        tokens.append(("op", word))
    elif word in ORDINALS and tokens and tokens[-1][0] == "num":
        return
    elif word in CONSTANTS:
        tokens.append(("const", CONSTANTS[word]))
    elif word in ("sqrt", "binom"):
        tokens.append(("cmd", word))
    elif word in FUNCTIONS:
        tokens.append(("fn", RENAMED.get(word, word)))
    elif len(word) == 1 or (word in GREEK_NAMES and word not in ("star", "square", "top")):
        tokens.append(("sym", word))
    elif is_word(word) or ((word in UNIT_NAMES or word in SYMBOLS) and tokens and tokens[-1][0] == "num"):
        tokens.append(("text", word.lower()))
    else:
        tokens.extend(("const", letter) if letter in ("e", "i") else ("sym", letter) for letter in word)


def is_word(letters: str) -> bool:
    """Whether letters side by side are rather a word than a product of symbols: "even" is, "xyz", "abcd" and the segment NO are not."""
    if (letters.lower() in SHORT_WORDS and letters != "NO") or (len(letters) == 3 and letters.istitle()):
        return True
    ascending = all(a < b for a, b in itertools.pairwise(letters))
    return len(letters) >= 4 and not ascending and not letters.isupper()
