"""The math verifier, first form: the last box, an exact comparison that is cheap, and math-verify for the rest.

Most answers in training are plain numbers. Those are compared here as exact fractions, in microseconds; what is left
undecided becomes a job for a worker process (ponder.verifiers.math_compare).
"""

import re
from typing import Any

from ponder.tasks.task import Task
from ponder.verifiers.latex import TEXT, clean
from ponder.verifiers.numbers import parse_number, same_number
from ponder.verifiers.response import Job, Response
from ponder.verifiers.verdict import Verdict

MAX_ANSWER = 2_000  # characters
MAX_DEPTH = 200  # nested braces
MAX_BOXES = 100  # adjacent boxes that make up one list
TAIL = 2_000  # characters of the end of a response in which an answer without a box is looked for

BOX = re.compile(r"\\f?boxed\s*\{|\\fbox\s*\{")
BETWEEN_BOXES = re.compile(r"[\s$,;.&]*(?:\\[\])\[(,;!]|\\q?quad|\s|\\text\{|(?P<word>and|or)|[,;.$}])*")
WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
STATED = re.compile(r"(?:answer|result)(?:\s+is|\s*:|\s*=)+\s*([^\n]+)|^####\s*([^\n]+)", re.IGNORECASE | re.MULTILINE)
ALTERNATIVE = re.compile(r"\bor\b")
SEVERAL = re.compile(r"[,;<>=]|\bor\b|\band\b|\\(?:cup|leq?|geq?|lt|gt|pm|in|neq?)\b|[∪≤≥±≠∈]")


def decide(task: Task, response: Response) -> Verdict | Job:
    """The verdict if it is cheap to find, else the job that finds it."""
    reference = reference_text(task.reference)
    if "\\box" in response.content or "\\fbox" in response.content:
        answer = extract_answer(response.content)
        if answer is None:
            return Verdict("unparseable", 0.0, "the last box is empty, unclosed or too long", reference=reference)
    else:
        answer = stated_answer(response.content)
    if answer is None:
        text = response.content.strip()[-TAIL:]
        return Job({"kind": "math", "reference": reference, "text": text}, text[-200:], reference)
    if (equal := cheaply_equal(answer, reference)) is not None:
        status, score = ("correct", 1.0) if equal else ("wrong", 0.0)
        return Verdict(status, score, "equal" if equal else "not equal", answer, reference)
    if ALTERNATIVE.search(answer) and not SEVERAL.search(reference):
        return Verdict("wrong", 0.0, "alternatives are given where one answer is asked for", answer, reference)
    return Job({"kind": "math", "reference": reference, "answer": answer}, answer, reference)


def reference_text(reference: Any) -> str:
    """The reference as LaTeX or text: numbers are written out, the items of a list are joined by commas.

    ValueError for a reference without an answer in it.
    """
    items = reference if isinstance(reference, list) else [reference]
    text = ", ".join(str(item) for item in items if item is not None).strip()
    if not text:
        raise ValueError(f"the math verifier needs a reference answer, not {reference!r}")
    return text if "\\boxed" not in text else extract_answer(text) or text


def extract_answer(content: str) -> str | None:
    """What the last `\\boxed{}` holds; boxes joined by commas or "and" are one list. None if there is no such answer.

    An empty or unclosed last box is no answer, nor is one longer than MAX_ANSWER or nested deeper than MAX_DEPTH.
    Linear in the length of the content.

    >>> extract_answer("so \\\\boxed{1} and \\\\boxed{\\\\frac{1}{2}}.")
    '1, \\\\frac{1}{2}'
    """
    boxes = list(BOX.finditer(content))
    if not boxes:
        return None
    last = _braced(content, boxes[-1].end())
    if last is None or not last.strip():
        return None
    answer, start = last.strip(), boxes[-1].start()
    for box in reversed(boxes[-MAX_BOXES:-1]):
        item = _braced(content, box.end())
        if item is None:
            break
        joint = content[box.end() + len(item) + 1 : start]
        if len(joint) > 60 or not (match := BETWEEN_BOXES.fullmatch(joint)) or not re.search(r"[,;]|and|or", joint):
            break
        answer = f"{item.strip()} \\text{{ or }} {answer}" if match["word"] == "or" else f"{item.strip()}, {answer}"
        start = box.start()
    return answer if len(answer) <= MAX_ANSWER else None


def _braced(content: str, start: int) -> str | None:
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


def stated_answer(content: str) -> str | None:
    """Where no box is used: what follows the last "answer is", "answer:" or "####", or a single short formula."""
    tail = content.strip()[-TAIL:]
    stated = list(STATED.finditer(tail))
    if stated:
        answer = (stated[-1][1] or stated[-1][2]).strip(" *_")
    elif "\n" not in tail and len(tail) <= 200:
        answer = tail
    else:
        return None
    is_formula = not WORD.search(TEXT.sub("", answer).replace("$", " ")) or len(answer.split()) == 1
    return answer if is_formula or parse_number(clean(answer)) is not None else None


def cheaply_equal(answer: str, reference: str) -> bool | None:
    """Whether two answers are the same, as strings or as plain numbers; None if that does not decide it."""
    answer, reference = clean(answer), clean(reference)
    if answer == reference:
        return True
    number, expected = parse_number(answer), parse_number(reference)
    if number is None or expected is None:
        return None
    return same_number(number, expected)
