"""Places made for an answer: JSON fields, `<answer>` tags and boxes, and the letters that they name."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from ponder.verifiers.choice.context import EXAMPLE
from ponder.verifiers.choice.letters import MAX_VALUE, each_once, read_letters, with_second

MAX_STATEMENTS = 200  # fields, tags and boxes, the last ones, that are looked into
MAX_TAGGED = 2_000  # characters between <answer> and </answer>

KEY = r"(?:(?:final|correct|selected|chosen|predicted|best|your|my|the)[_ ])?(?:answer|choice|option)(?:[_ ](?:letter|choice|option))?|答案|选项"
FIELD = re.compile(
    rf"""(?P<quote>\\{{0,2}}["'])\s{{0,3}}(?:{KEY})\s{{0,3}}(?P=quote)\s{{0,20}}[:=]\s{{0,20}}(?!\s)""",
    re.IGNORECASE,
)
FIELD_VALUE = re.compile(
    r"""\\{0,2}"(?P<double>[^"\\\n]{0,300})\\{0,2}" | \\{0,2}'(?P<single>[^'\\\n]{0,300})\\{0,2}'
    | \[(?P<list>[^\[\]]{0,300})\] | (?P<bare>[^"'\[\],}<\n]{0,300})""",
    re.VERBOSE,
)
# What may follow in the same JSON object: the reason, whose words are no statement of their own.
MEMBER = re.compile(
    r"""\s{0,20},\s{0,20}(?P<quote>["'])[^"'\\\n]{1,80}(?P=quote)\s{0,20}:\s{0,20}"""
    r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|\[[^\[\]]{0,5000}\]|[^"'{}\[\],]{1,80})""",
    re.DOTALL,
)
QUOTED_SECOND = re.compile(r"""\s{0,3}(?:,|/|or|and)\s{0,3}["'(]([A-Za-z])["')](?!\s{0,3}:)""")
PLACEHOLDERS = frozenset(("X", "LETTER", "YOUR ANSWER", "YOUR CHOICE", "CHOICE", "ANSWER", "...", "?", "_"))

TAG = re.compile(r"<(?P<name>(?:final_?)?(?:answer|choice))\s?>", re.IGNORECASE)
TAG_END = re.compile(r"</?(?:final_?)?(?:answer|choice)\s?>", re.IGNORECASE)

BOX = re.compile(r"\\f?box(?:ed)?\s{0,5}(?:(?P<open>\{)|(?P<letter>[A-Z])(?![A-Za-z]))")
BRACE = re.compile(r"[{}]")
SIGNED = re.compile(r"[-+=~^°]\s?[A-Z]")  # a formula
BETWEEN_BOXES = re.compile(r"\s{0,6}(?:,\s{0,3})?(?:and|or|,|;|/|&|和|或|、)\s{0,6}|")


@dataclass(frozen=True)
class Statement:
    """A statement of an answer: the letters it names (none where it names none), its text, and where it stands."""

    letters: tuple[str, ...]
    text: str
    start: int
    end: int


def fields(text: str) -> list[Statement]:
    """Every `"answer": "C"` that is no example of one. Its end is that of the members after it in its JSON object."""
    found = []
    for key in list(FIELD.finditer(text))[-MAX_STATEMENTS:]:
        value = FIELD_VALUE.match(text, key.end())
        assert value is not None, "the pattern matches nothing, too"
        said = next((group for group in value.groups() if group is not None), "")
        if _is_example(text, key.start(), said):
            continue
        end = value.end()
        letters = read_letters(said)
        if value["list"] is not None:
            letters = each_once(letter for item in said.split(",") for letter in read_letters(item))
        elif letters and (second := QUOTED_SECOND.match(text, end)):
            letters = each_once((*letters, second[1]))
        while (member := MEMBER.match(text, end)) and not FIELD.match(text, member.start("quote")):
            end = member.end()
        found.append(Statement(letters, said, key.start(), end))
    return found


def tags(text: str, inside: Callable[[str], tuple[str, ...]]) -> list[Statement]:
    """Every `<answer>...</answer>`, or `<answer>` up to the end of its line. `inside` reads what is no bare letter."""
    found = []
    for tag in list(TAG.finditer(text))[-MAX_STATEMENTS:]:
        closing = TAG_END.search(text, tag.end(), tag.end() + MAX_TAGGED)
        if closing and not closing[0].startswith("</"):
            continue  # opened again: the later one says what it holds
        end = closing.start() if closing else text.find("\n", tag.end() + 1)
        end = len(text) if end < 0 else end
        said = text[tag.end() : end].strip()[:MAX_TAGGED]
        if _is_example(text, tag.start(), said) or (
            closing and said.lower() in ("and", "or", "") and _in_prose(text, tag)
        ):
            continue
        lines = [line for line in said.splitlines() if line.strip()]
        letters = each_once(letter for line in lines for letter in read_letters(line)) if len(lines) <= 8 else ()
        if len(lines) > 1 and len(letters) == 1 and not read_letters(lines[0]):
            letters = ()  # words before it: they say what is meant
        found.append(Statement(letters or inside(said), said, tag.start(), closing.end() if closing else end))
    return found


def boxes(text: str, inside: Callable[[str], tuple[str, ...]]) -> list[Statement]:
    """Every box; one joined to the box before it by "and", "or" or a comma names that one's letters as well.

    `inside` reads what is no bare letter. A box that is never closed holds nothing.
    """
    found: list[Statement] = []
    for box in list(BOX.finditer(text))[-MAX_STATEMENTS:]:
        end = _closing(text, box.end()) if box["open"] else box.end()
        value = box["letter"] or (text[box.end() : end].strip() if end else "")
        end = end + 1 if end and box["open"] else box.end()
        letters = () if SIGNED.match(value) else read_letters(value.strip(" {}")) or inside(value)
        if letters:
            letters = each_once((*letters, *with_second(letters[-1], text[end : end + MAX_VALUE])))
        if letters and found and found[-1].letters and BETWEEN_BOXES.fullmatch(text[found[-1].end : box.start()][:40]):
            letters = each_once(found[-1].letters + letters)
        found.append(Statement(letters, value, box.start(), end))
    return found


def _closing(text: str, start: int) -> int | None:
    """Where the brace opened just before `start` is closed; None beyond MAX_TAGGED characters."""
    depth = 1
    for brace in BRACE.finditer(text, start, start + MAX_TAGGED):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.start()
    return None


def _is_example(text: str, start: int, said: str) -> bool:
    is_placeholder = said.strip(" <>[]{}.").upper() in PLACEHOLDERS
    return is_placeholder or EXAMPLE.search(text[max(0, start - 30) : start]) is not None


def _in_prose(text: str, tag: re.Match) -> bool:
    """Whether the tags are only spoken of: "the text between <answer> and </answer>"."""
    return re.search(r"\w[ \t]$", text[max(0, tag.start() - 2) : tag.start()]) is not None
