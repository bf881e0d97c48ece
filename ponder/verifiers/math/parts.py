"""Several boxes that answer the parts of one question, where the reference has as many parts."""

import re
from itertools import pairwise

from ponder.verifiers.math.extract import MAX_BOXES, box_end, boxes_of, braced, outermost

MAX_BETWEEN = 1_500  # characters between the boxes of two parts
# What is no more than typesetting, or the name of the value that the next box holds.
NAME = r"[A-Za-z](?:_\{?\w+\}?)?'?(?:\s*\(\s*\w{1,3}\s*\))?"
BARE = re.compile(rf"(?:[\s$,;.&]|\\[\])\[(,;! ]|\\\\|\\q?quad|\*\*|[-*]\s|(?:{NAME})\s*=)*")
# Where a part begins: "(a)", "b)", "Part 2", "(ii)", at the beginning of a line.
LABEL = re.compile(
    r"^[\s*#>_-]*(?:\(\s*([a-h]|[1-9]|i{1,3}|iv|v)\s*\)|([a-h]|[1-9])\)|(?:part|question|问)\s*\(?([a-h]|[1-9]|i{1,3}|iv|v)\)?\b|([①②③④⑤⑥])"
    r"|第([一二三四五1-9])[问题])",
    re.IGNORECASE | re.MULTILINE,
)


def parts_in_boxes(content: str, number: int) -> str | None:
    """What the last `number` boxes hold, as one list, where each answers a part of its own. None if they do not.

    The boxes stand next to each other with nothing but names between them, or each in a part with a label of its own.

    >>> parts_in_boxes("$$\\\\boxed{x=1}$$\\n$$\\\\boxed{y=2}$$", 2)
    'x=1, y=2'
    """
    if not 2 <= number <= MAX_BOXES:
        return None
    boxes = outermost(content, boxes_of(content))[-number - 1 :]
    if len(boxes) < number:
        return None
    last = boxes[-number:]
    items = [braced(content, box.end()) for box in last]
    if not all(item and item.strip() for item in items):
        return None
    joints = [content[box_end(content, one) + 1 : other.start()] for one, other in pairwise(last)]
    before = content[box_end(content, boxes[0]) + 1 if len(boxes) > number else 0 : last[0].start()]
    if all(len(joint) <= MAX_BETWEEN for joint in joints):
        alone = not (len(boxes) > number and BARE.fullmatch(before))
        if (alone and all(BARE.fullmatch(joint) for joint in joints)) or _are_labelled([before, *joints]):
            return ", ".join(item.strip() for item in items if item)
    return None


def _are_labelled(texts: list[str]) -> bool:
    """Whether a new part begins before each box, each with another label."""
    labels = []
    for text in texts:
        found = list(LABEL.finditer(text))
        if not found:
            return False
        labels.append(next(group for group in found[-1].groups() if group).lower())
    return len(set(labels)) == len(labels)
