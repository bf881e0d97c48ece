"""The math verifier: the answer that a response states, compared with a reference.

Equal text and plain numbers decide in microseconds. Everything else is read into a tree by this package's own parser
and compared exactly or to 60 digits, within a budget of steps. Only where an integral, a limit or the like would have to be
evaluated does a worker process compare (ponder.verifiers.math.calculus, ponder.verifiers.math.fallback).
"""

import re
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from ponder.tasks.task import Task
from ponder.verifiers.math import budget
from ponder.verifiers.math.calculus import may_be_asked
from ponder.verifiers.math.chains import last_member
from ponder.verifiers.math.equality import one_value, same
from ponder.verifiers.math.extract import extract_answer, has_box
from ponder.verifiers.math.found import Found, boxed, shortened, stated
from ponder.verifiers.math.parse import parse
from ponder.verifiers.math.parts import parts_in_boxes
from ponder.verifiers.math.plain_numbers import Number, parse_number, same_number, with_point
from ponder.verifiers.math.reference import reference_text
from ponder.verifiers.math.spelling import TEXT, flat, spelled
from ponder.verifiers.math.statements import final_statement, stated_answer
from ponder.verifiers.math.thousands import readings
from ponder.verifiers.math.tree import Node, OverBudget, Unreadable
from ponder.verifiers.math.wording import other_readings
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verifier import Job

OPTION = re.compile(
    r"\(([A-J])\)(?![-+*/^=<>,;!_])(?!.*\([A-J]\))(?!.*\bor\b).*|([A-J])(?:[.:)](?!\s*\(?[A-J]{1,5}\)?\s*(?:[^\w\s)]|$|and\b|or\b))(?![^=]*=)(?![^.:]*\bor\b).*)?",
    re.DOTALL,
)
LETTER = re.compile(r"(?:[Oo]ption |[Cc]hoice )?\(?([A-J])\)?")
NAMES = re.compile("[A-Z]{3,}")
LABEL = re.compile("[①-⑳]")
LABELS = re.compile(r"[①-⑳](?:[\s,;]{0,4}(?:and)?[\s,;]{0,4}[①-⑳])*")  # the statements that are right
SEPARATED = re.compile(r"\d\s*,\s+\d")  # a list, not groups of digits
WORDS = re.compile(r"(?:[Aa] )?[A-Za-z]{2,}(?:[ '-][A-Za-z]+)*")
ARTICLE = re.compile(r"^(?:an?|the|on) ")
AFFIRMATION = re.compile(r"(yes|no|true|false)(?=[,.;:!]|\s*$|\s*\()(?!.*\b(?:yes|no|true|false|or)\b)", re.IGNORECASE)
SENTENCE = re.compile(r"(?=.*[A-Za-z]{3})[A-Za-z\u4e00-\u9fff][A-Za-z\u4e00-\u9fff' ,.;:?!-]*")  # words, no mathematics
# Before, or in brackets behind, a decimal where the reference is one: what a rounded value is.
APPROXIMATELY = re.compile(
    r"^\s*(?:\\text\{\s*)?(?:approximately|approx\.?|about|roughly|around)\s*\}?\s*(?=[-\d$\\])"
    r"|\s*(?:\\text\{\s*)?\(\s*(?:approximately|approx\.?|rounded)\s*\)\s*\}?\s*$"
)
HEDGE = re.compile(r"\b(?:or|possibly|maybe|perhaps|alternatively)\b|或")
SEVERAL = re.compile(r"[,;<>=]|\bor\b|\band\b|\\(?:cup|leq?|geq?|lt|gt|pm|in|neq?)(?![a-z])|[∪≤≥±≠∈]|或|和")


def decide(task: Task, response: Response) -> Verdict | Job:
    """The verdict, or the job for a worker where the answer cannot be read here.

    ValueError for a reference without an answer in it.
    """
    reference = reference_text(task.reference)
    found = find_answer(response.content)
    if isinstance(found, str):
        problem = unreadable(reference)
        return problem or Verdict("unparseable", 0.0, found, reference=reference)
    verdict = compare(found.answer, reference)
    if isinstance(verdict, Verdict) and verdict.status == "wrong" and (parts := _in_parts(response.content, reference)):
        found, verdict = boxed(parts), compare(parts, reference)
    if isinstance(verdict, Job) or verdict.failed:
        return verdict
    return replace(verdict, reason=f"{verdict.reason}; from: {found.where}")


def find_answer(content: str) -> Found | str:
    """The answer of a response's text and where it stands, or why there is none."""
    if answer := final_statement(content):
        return stated(answer, f"The final answer is {answer}")
    if has_box(content):
        answer = extract_answer(content)
        return boxed(answer) if answer is not None else "the last box is empty, unclosed or too long"
    return stated_answer(content) or "no box and no answer that is stated"


def _in_parts(content: str, reference: str) -> str | None:
    """What the last boxes hold, where the reference has several items, and each box answers one of them."""
    if not has_box(content) or not SEVERAL.search(reference):
        return None
    try:
        trees = _read(reference).trees
    except OverBudget:
        return None
    numbers = {len(tree.args) for tree in trees if tree.op in ("list", "alt", "set")}
    return next((parts for number in sorted(numbers) if (parts := parts_in_boxes(content, number))), None)


def unreadable(reference: str) -> Verdict | None:
    """The verdict on any answer where the reference cannot be read; None where it can.

    >>> unreadable("\\\\frac{1}{2}"), unreadable("3 +* 4").status
    (None, 'error')
    """
    try:
        reading = _read(reference)
    except (OverBudget, RecursionError) as error:
        reading = Reading((), str(error))
    if reading.trees or may_be_asked(reference, reference) or SENTENCE.fullmatch(spelled(reference)):
        return None
    reason = (
        f"the reference {shortened(reference)!r} cannot be read as mathematics or words ({reading.problem}): write LaTeX, "
        "a number, or one of the forms in docs/verifiers.md"
    )
    return Verdict("error", None, reason, reference=reference)


def compare(answer: str, reference: str) -> Verdict | Job:
    """The verdict on an answer, both short LaTeX or text."""
    number = _prepared(reference)[2]
    if number and number.decimals:
        answer = APPROXIMATELY.sub("", answer)
    cheap = cheaply_equal(answer, reference)
    if cheap is not None:
        return _verdict(cheap, "equal" if cheap else "not equal", answer, reference)
    if HEDGE.search(answer) and not SEVERAL.search(reference) and not _is_one_value(answer):
        return _verdict(False, "alternatives are given where one answer is asked for", answer, reference)
    try:
        wanted, given = _read(reference), _read(answer)
        if wanted.trees and given.trees:
            budget.start()
            if any(same(one, other) for one, other in product(wanted.trees, given.trees)):
                return _verdict(True, "equal", answer, reference)
            return _asked(answer, reference) or _verdict(False, "not equal", answer, reference)
    except (OverBudget, RecursionError) as error:
        return unreadable(reference) or _verdict(False, f"over budget: {error}", answer, reference)
    return _asked(answer, reference) or unreadable(reference) or _unread(answer, reference, given)


def _is_one_value(answer: str) -> bool:
    """Whether the alternatives of an answer are one value in several forms."""
    try:
        trees = _read(answer).trees
        budget.start()
        return bool(trees) and all(tree.op == "alt" and one_value(tree) for tree in trees)
    except (OverBudget, RecursionError):
        return False


class Reading(NamedTuple):
    """What a text may mean: several trees where a comma may group digits or separate numbers, none if it is unreadable.

    `problem` says why there is none.
    """

    trees: tuple[Node, ...]
    problem: str = ""


def _asked(answer: str, reference: str) -> Job | None:
    """The job for a worker where an integral, a limit or the like would have to be evaluated."""
    if not may_be_asked(answer, reference):
        return None
    return Job(
        {"run": "ponder.verifiers.math.fallback:compare", "reference": reference, "answer": answer}, answer, reference
    )


def _unread(answer: str, reference: str, given: Reading) -> Verdict:
    """Where the answer is no mathematics that is read here."""
    if given.trees:
        return _verdict(False, "not the text of the reference", answer, reference)
    reason = f"the answer cannot be read as mathematics ({given.problem}), and is not the text of the reference"
    return Verdict("unparseable", 0.0, reason, answer, reference)


def _verdict(equal: bool, reason: str, answer: str, reference: str) -> Verdict:
    return Verdict("correct" if equal else "wrong", float(equal), reason, answer, reference)


def cheaply_equal(answer: str, reference: str) -> bool | None:
    """Whether two answers are the same, as text or as plain numbers; None if that does not decide it."""
    text, is_words, number = _prepared(reference)
    plain = spelled(answer)
    written = flat(plain)
    if written == text or (is_words and ARTICLE.sub("", written.lower()) == ARTICLE.sub("", text.lower())):
        return True if written else None
    if is_words and AFFIRMATION.fullmatch(text) and (said := AFFIRMATION.match(written)):
        return said[1].lower() == text.lower()
    if LABELS.fullmatch(text) and LABELS.fullmatch(written):
        return sorted(LABEL.findall(text)) == sorted(LABEL.findall(written))
    if NAMES.fullmatch(text) and NAMES.fullmatch(written):
        return False  # points or an order, no product
    if (letter := LETTER.fullmatch(text)) and (option := LETTER.fullmatch(written) or OPTION.fullmatch(written)):
        if option.re is LETTER:
            return option[1] == letter[1]
        return (option[1] or option[2]) == letter[1]
    if SEPARATED.search(plain):
        return None
    if _same_with_comma(written, text, number):
        return True
    found = None if number is None else parse_number(written)
    return None if found is None else same_number(found, number)


def _same_with_comma(answer: str, reference: str, number: Number | None) -> bool:
    """Whether one is a decimal with a point and the other the same with a decimal comma."""
    if number is not None:
        pointed = with_point(answer) if number.decimals else None
        found = parse_number(pointed) if pointed else None
    else:
        pointed = with_point(reference)
        number = parse_number(pointed, letters=False) if pointed else None
        found = parse_number(answer) if number else None
    return bool(found and number and found.decimals and same_number(found, number))


@lru_cache(maxsize=8192)
def _prepared(reference: str) -> tuple[str, bool, Number | None]:
    """The reference in plain spelling, whether it is words, and the number that it is."""
    plain = spelled(reference)
    text = flat(plain)
    is_words = WORDS.fullmatch(text) is not None and (
        TEXT.search(reference) is not None or len(text) >= 4 or AFFIRMATION.fullmatch(text) is not None
    )
    return text, is_words, None if SEPARATED.search(plain) else parse_number(text, letters=False)


@lru_cache(maxsize=8192)
def _read(text: str) -> Reading:
    """The readings of an answer. OverBudget for one that is too large to read."""
    found, problem = _trees(text)
    if not found and (member := last_member(spelled(text))):
        found, _ = _trees(member)
    return Reading(found, problem)


def _trees(text: str) -> tuple[tuple[Node, ...], str]:
    """The different trees of a text, and why there is none."""
    found: list[Node] = []
    problem = ""
    plain = spelled(text)
    for reading in dict.fromkeys((plain, *other_readings(plain))):
        for thousands in readings(reading):
            try:
                tree = parse(reading, thousands)
            except Unreadable as error:
                problem = problem or str(error)
                continue
            if tree not in found:
                found.append(tree)
    return tuple(found), problem
