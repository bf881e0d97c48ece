"""Statements of a chosen letter in a text: answer fields, boxes, "the answer is C", and what else people write.

Statements come in two ranks. An `"answer"` field, a box and a sentence that says what the answer is are explicit; the
last of them counts, wherever it stands. Only a text without one is searched for a lesser sign: "choose C", "C is
correct", a line that holds nothing but the letter. A letter within other words ("vitamin C") is never a statement.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ponder.verifiers.choice_patterns import (
    ANSWER_IS,
    BARE,
    BETWEEN_BOXES,
    BOX,
    CHINESE,
    CHOOSE,
    CLAUSE,
    DELIMITER,
    DENIED,
    ENDS_IN_BRACKETS,
    EXAMPLE,
    FIELD,
    FIELD_VALUE,
    FOREIGN,
    GOES_ON,
    IN_BRACKETS,
    IS_ANSWER,
    IS_CORRECT,
    LINE,
    MAX_VALUE,
    MEMBER,
    NAMED,
    NOT_SO,
    OPTION_LINE,
    PLACEHOLDERS,
    PLAIN,
    QUOTED_SECOND,
    REASONS,
    SECOND,
    SEPARATED,
    SO,
    STYLED,
    UNSURE_BEFORE,
    WORD,
)

TAIL = 50_000  # characters of the end of a response that are read
MAX_STATEMENTS = 200  # fields and boxes, the last ones, that are looked into


@dataclass(frozen=True)
class Statement:
    """A statement of an answer: the letters it names (none where it names none), its text, and where it stands."""

    letters: tuple[str, ...]
    text: str
    start: int
    end: int


def plain(text: str) -> str:
    """Text without emphasis, LaTeX delimiters and invisible characters; full-width forms and quotes made plain.

    >>> plain("**（Ｃ）** $\\\\text{C}$ “C”")
    '(C) C "C"'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.encode("utf-8", "ignore").decode())  # and no lone surrogates
    text = DELIMITER.sub("", text.translate(PLAIN))
    return STYLED.sub(r"\1", STYLED.sub(r"\1", text)) if "\\" in text else text


def last_statement(content: str, choices: tuple[str, ...] = ()) -> Statement | None:
    """The statement that counts, or None. `choices` are the options' texts, as `comparable` makes them, if known."""
    text = plain(content.strip()[-TAIL:])[-TAIL:].strip()
    fields = [_option_named(field, choices) for field in _fields(text)]
    boxes = [_option_named(box, choices) for box in _boxes(text)]
    sentences = [_option_named(sentence, choices) for sentence in _sentences(text)]
    explicit = fields + [box for box in boxes if box.letters or not box.text.strip()] + sentences
    explicit = [found for found in explicit if not any(field.start < found.start < field.end for field in fields)]
    if explicit:
        return max(explicit, key=lambda statement: statement.start)
    if choices and (named := _named_by_words(text, choices)):
        return named
    # A box that holds a value settles nothing; the words after it may.
    return _lesser_sign(text[boxes[-1].end if boxes else 0 :])


def comparable(text: str) -> str:
    """A text with its marks, case, spacing and closing full stop folded, to compare options with."""
    return " ".join(plain(text).casefold().split()).strip("\"' .:;,")


def read_letters(value: str) -> tuple[str, ...]:
    """The letters that a field's or a box's value names: "C", "(C)", "C. text", "option C"; several for "A or C", "AC".

    >>> read_letters("(c)"), read_letters("B. 20 m"), read_letters("A, C"), read_letters("12")
    (('C',), ('B',), ('A', 'C'), ())
    """
    value = value.strip().strip("\"'.").strip()
    match = LINE.match(value)
    if match and (match["letter"] or "").islower():
        match = LINE.match(value.upper())  # "a, b": in lower case throughout
    if match is None:
        return ()
    rest = match["rest"]
    if run := match["run"]:
        return _each_once(run) if run.isupper() and not rest.strip(" .)]}\"'") else ()
    return _with_second(match["letter"], rest) if SEPARATED.match(rest) or SECOND.match(rest) else ()


def _each_once(letters: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(FOREIGN.get(letter, letter.upper()) for letter in letters))


def _fields(text: str) -> list[Statement]:
    """Every answer field that is no example of one. Its end is that of the members after it in its JSON object."""
    found = []
    for key in list(FIELD.finditer(text))[-MAX_STATEMENTS:]:
        value = FIELD_VALUE.match(text, key.end())
        assert value is not None, "the pattern matches nothing, too"
        shown = next((group for group in value.groups() if group is not None), "")
        is_placeholder = shown.strip(" <>[]{}.").upper() in PLACEHOLDERS
        if is_placeholder or EXAMPLE.search(text[max(0, key.start() - 30) : key.start()]):
            continue
        end = value.end()
        letters = read_letters(shown)
        if value["list"] is not None:
            letters = _each_once(letter for item in shown.split(",") for letter in read_letters(item))
        elif letters and (second := QUOTED_SECOND.match(text, end)):
            letters = _each_once((*letters, second[1]))
        while member := MEMBER.match(text, end):
            end = member.end()
        found.append(Statement(letters, shown, key.start(), end))
    return found


def _boxes(text: str) -> list[Statement]:
    """Every box; one joined to the box before it by "and", "or" or a comma names that one's letters as well."""
    found: list[Statement] = []
    for box in list(BOX.finditer(text))[-MAX_STATEMENTS:]:
        value = box["letter"] or box["value"] or ""
        letters = read_letters(value)
        if letters:
            letters = _each_once((*letters, *_with_second(letters[-1], text[box.end() : box.end() + MAX_VALUE])))
        if letters and found and found[-1].letters and BETWEEN_BOXES.fullmatch(text[found[-1].end : box.start()][:40]):
            letters = _each_once(found[-1].letters + letters)
        found.append(Statement(letters, value, box.start(), box.end()))
    return found


def _sentences(text: str) -> list[Statement]:
    """Sentences that say what the answer is, without questions, conditions and denials."""
    found = []
    for pattern in (ANSWER_IS, IS_ANSWER, CHINESE):
        found += [s for match in pattern.finditer(text) if (s := _sentence(text, match)) is not None]
    return found


def _sentence(text: str, match: re.Match) -> Statement | None:
    groups = match.groupdict()
    before = text[max(0, match.start() - 40) : match.start()]
    if DENIED.search(groups.get("mid") or "") or UNSURE_BEFORE.search(before) or EXAMPLE.search(before):
        return None
    if run := groups.get("run"):
        return Statement(_each_once(run), run, match.start(), match.end()) if run.isupper() else None
    end = match.end("letter")
    rest = text[end : end + MAX_VALUE]
    after_colon = (groups.get("link") or ":").lower() != "is"
    if NOT_SO.match(rest) or (match.end() == end and not _names_an_option(groups["letter"], rest, after_colon)):
        return None
    return Statement(_with_second(groups["letter"], rest), groups["letter"], match.start(), end)


def _names_an_option(letter: str, rest: str, after_colon: bool) -> bool:
    """Whether the letter stands for an option, judged by what follows it: in "A triangle" and "C major" it does not."""
    if GOES_ON.match(rest):
        return False
    word = WORD.match(rest)
    if word is None or word[1] in REASONS:
        return True
    if letter in "AI" or letter.islower():
        return False
    return after_colon or not word[1].islower()


def _with_second(letter: str, rest: str) -> tuple[str, ...]:
    """The letter, and those joined to it in what follows, unless they are the subject of a clause of their own."""
    letters, position, joint = [letter], 0, ""
    while second := SECOND.match(rest, position):
        joint = joint or second["joint"]
        letters.append(second["letter"])
        position = second.end()
    clause = CLAUSE.match(rest, position) if joint else None
    if clause and (joint.strip()[0] in ",;(、" or (len(letters) == 2 and not clause["plural"])):
        return _each_once(letter)
    return _each_once(letters)


def _option_named(statement: Statement, choices: tuple[str, ...]) -> Statement:
    """The statement with an option's letter where its text is the whole text of that option.

    A single letter stands for its own option, even where another option's text is that letter.
    """
    text = comparable(statement.text) if choices else ""
    if len(text) < 2 or text not in choices:
        return statement
    return replace(statement, letters=(chr(ord("A") + choices.index(text)),))


def _named_by_words(text: str, choices: tuple[str, ...]) -> Statement | None:
    """The option that the last "the answer is ..." names in words, or that is the whole of a short text."""
    said = list(NAMED.finditer(text))
    if said:
        statement = Statement((), said[-1]["text"], said[-1].start(), said[-1].end())
    else:
        statement = Statement((), text[: MAX_VALUE + 1], 0, len(text))
    named = _option_named(statement, choices)
    return named if named.letters else None


def _lesser_sign(text: str) -> Statement | None:
    """A letter that is chosen or called correct, or that is all of the last or the first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    several_options = len(set(OPTION_LINE.findall(text))) > 1
    if last := _line(lines[-1], several_options):
        return last
    said = [s for p in (CHOOSE, IS_CORRECT) for m in p.finditer(text) if (s := _sentence(text, m)) is not None]
    if said:
        return max(said, key=lambda statement: statement.start)
    return _line(lines[0], several_options)


def _line(line: str, several_options: bool) -> Statement | None:
    """The letter that a line consists of, or starts with where it is the only option written out, or ends in."""
    letters = read_letters(line) if len(line) <= MAX_VALUE else ()
    if letters and (BARE.fullmatch(line) or (OPTION_LINE.match(line) and not several_options)):
        return Statement(letters, line, 0, len(line))
    tail = line[-MAX_VALUE:]
    match = SO.search(tail)
    if match is None and len(set(IN_BRACKETS.findall(tail))) == 1 and not DENIED.search(tail):
        match = ENDS_IN_BRACKETS.search(tail)
    if match is None:
        return None
    letter = match["letter"]
    return Statement(_each_once(letter), letter, 0, len(line))
