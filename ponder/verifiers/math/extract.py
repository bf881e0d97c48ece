"""The answer that a response, or a reference, holds in its last box. Linear in the length."""

import itertools
import re

MAX_ANSWER = 8_000  # characters
NEAR_END = 100_000  # characters in which the last boxes are looked for first
MAX_DEPTH = 200  # nested braces
MAX_BOXES = 100  # adjacent boxes that make up one list
MAX_JOINT = 100  # characters between two boxes of one list

BOX = re.compile(r"\\(?:f?boxed|fbox|framebox)\s*\{")
BOX_COMMANDS = ("\\box", "\\fbox", "\\framebox")
BARE_BOX = re.compile(r"\\boxed\s*([^\s{}$\\]+)")
# Between two boxes of one list: punctuation, delimiters, "and", a remark, and the name of the next value.
JOINT = re.compile(
    r"(?:[\s$,;.&]|\\[\])\[(,;! ]|\\q?quad|\\text\{[^{}]*\}|\b(?:and|or|by)\b|[A-Za-z](?:_\{?\w+\}?)?\s*=)*"
)
JOINING = re.compile(r"[,;]|\band\b|\bor\b")
WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")


def extract_answer(content: str) -> str | None:
    """What the last `\\boxed{}` holds; boxes joined by commas or "and" are one list. None if there is no such answer.

    An empty or unclosed last box is no answer, nor is one longer than MAX_ANSWER or nested deeper than MAX_DEPTH.
    Linear in the length of the content.

    >>> extract_answer("so \\\\boxed{1} and \\\\boxed{\\\\frac{1}{2}}.")
    '1, \\\\frac{1}{2}'
    """
    boxes = boxes_of(content)
    if not boxes:
        bare = BARE_BOX.search(content, content.rfind("\\boxed"))
        return bare[1].rstrip(".,;") or None if bare else None
    last = braced(content, boxes[-1].end())
    if last is None or not last.strip():
        return None
    if len(boxes) > 1 and boxes[-2].end() <= boxes[-1].start() < box_end(content, boxes[-2]):
        boxes = outermost(content, boxes)  # a box within a box is the same answer
        last = braced(content, boxes[-1].end()) or last
        last = BOX.sub("{", last)
    answer, start = last.strip(), boxes[-1].start()
    for box in reversed(boxes[-MAX_BOXES:-1]):
        item = braced(content, box.end())
        if item is None:
            break
        joint = content[box.end() + len(item) + 1 : start]
        if len(joint) > MAX_JOINT or not JOINT.fullmatch(joint) or not (word := JOINING.search(joint)):
            break
        answer = f"{item.strip()} \\text{{ or }} {answer}" if word[0] == "or" else f"{item.strip()}, {answer}"
        start = box.start()
    return answer if len(answer) <= MAX_ANSWER else None


def has_box(content: str) -> bool:
    """Whether a content may have a box in it."""
    return any(command in content for command in BOX_COMMANDS)


def boxes_of(content: str) -> list[re.Match]:
    """The openings of the boxes; of a long content those near its end, if there are any."""
    near = list(BOX.finditer(content, max(0, len(content) - NEAR_END)))
    return near or list(BOX.finditer(content))


def boxed_items(text: str) -> str | None:
    """What the last boxes of a reference hold, as one list; words between them must join: "\\boxed{1} pen and \\boxed{2}".

    None without a box.
    """
    boxes = boxes_of(text)
    if len(boxes) < 2:
        return extract_answer(text)
    boxes = outermost(text, boxes)
    items = [braced(text, boxes[-1].end())]
    for box, after in reversed(list(itertools.pairwise(boxes))):
        joint = text[box_end(text, box) + 1 : after.start()]
        if len(joint) > MAX_JOINT or "\n\n" in joint or (WORD.search(joint) and not JOINING.search(joint)):
            break
        items.append(braced(text, box.end()))
    if len(items) == 1 or not all(items):
        return extract_answer(text)
    return ", ".join(item.strip() for item in reversed(items))


def box_end(content: str, box: re.Match) -> int:
    """Index of the brace that closes a box; of what follows its opening where none does."""
    inside = braced(content, box.end())
    return box.end() if inside is None else box.end() + len(inside)


def outermost(content: str, boxes: list[re.Match]) -> list[re.Match]:
    """The last boxes, without those that stand inside another."""
    kept: list[re.Match] = []
    end = 0
    for box in boxes[-MAX_BOXES:]:
        if box.start() >= end:
            kept.append(box)
            end = box_end(content, box)
    return kept


def braced(content: str, start: int) -> str | None:
    """Text from `start` to the brace that closes the group opened just before it."""
    depth, position, end = 1, start, min(len(content), start + MAX_ANSWER + 1)
    while position < end:
        character = content[position]
        if character == "\\":
            position += 1
        elif character == "{":
            depth += 1
            if depth > MAX_DEPTH:
                return None
        elif character == "}":
            depth -= 1
            if depth == 0:
                return content[start:position]
        position += 1
    return None
