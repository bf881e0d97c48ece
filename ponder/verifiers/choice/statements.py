"""Statements of a chosen letter in a text: answer fields, tags, boxes, "the answer is C", and what else people write.

Statements come in ranks. An `"answer"` field, an `<answer>` tag, a box and a sentence that says what the answer is are
explicit; the last of them counts, wherever it stands. Only a text without one is searched for a lesser sign: "choose C",
"C is correct", a line that holds nothing but the letter; and only then does a sentence count that supposes an answer
(ponder.verifiers.choice.context). A letter within other words ("vitamin C") is never a
statement.
"""

import re
from dataclasses import replace

from ponder.verifiers.choice.context import HEDGED, standing
from ponder.verifiers.choice.fields import MAX_STATEMENTS, Statement, boxes, fields, tags
from ponder.verifiers.choice.letters import MAX_VALUE, each_once, names_an_option, read_letters, with_second
from ponder.verifiers.choice.patterns import (
    AMONG,
    ANSWER_IS,
    BARE,
    BECAUSE,
    CHINESE,
    CHOOSE,
    DENIED,
    ENDS_IN_BRACKETS,
    HOLDS,
    IN_BRACKETS,
    IS_ANSWER,
    IS_CORRECT,
    IT_IS,
    LAST_SENTENCE,
    MARKED,
    MATCHES,
    NAMED,
    NOT_SO,
    OPTION_LINE,
    REVISED,
    SO,
    THE_ONE,
    TOO,
)
from ponder.verifiers.choice.text import comparable, plain

TAIL = 50_000  # characters of the end of a response that are read
EXPLICIT = (ANSWER_IS, IS_ANSWER, CHINESE, REVISED)
LESSER = (CHOOSE, IS_CORRECT, IT_IS, THE_ONE, MATCHES)


def plain_tail(content: str) -> str:
    """The end of a response, made plain: what `last_statement` reads, and where its statements stand."""
    return plain(content.strip()[-TAIL:])[-TAIL:].strip()


def last_statement(text: str, choices: tuple[str, ...] = ()) -> Statement | None:
    """The statement that counts in a plain text, or None. `choices` are the options' texts, as `comparable` makes them,
    if known."""
    return _last_statement(text, choices, nested=False)


def _last_statement(text: str, choices: tuple[str, ...], nested: bool) -> Statement | None:
    def inside(value: str) -> tuple[str, ...]:
        """The letters of a sentence, box or field within a tag or a box; an option's whole text stands for its letter."""
        if (named := comparable(value)) and named in choices and len(named) > 1:
            return (_letter_of(named, choices),)
        stated = None if nested else _last_statement(value.strip(), choices, nested=True)
        return stated.letters if stated else ()

    in_fields = [_option_named(field, choices) for field in fields(text)]
    in_tags = [_option_named(tag, choices) for tag in tags(text, inside)]
    in_boxes = [_option_named(box, choices) for box in boxes(text, inside)]
    said, supposed = _sentences(text, EXPLICIT, choices)
    explicit = in_fields + in_tags + [box for box in in_boxes if box.letters or not box.text.strip()] + said
    outer = in_fields + in_tags + in_boxes
    explicit = [found for found in explicit if not any(place.start < found.start < place.end for place in outer)]
    if explicit:
        return max(explicit, key=lambda statement: statement.start)
    if choices and (named := _named_by_words(text, choices)):
        return named
    # A box that holds a value settles nothing; the words after it may.
    return _lesser_sign(text, in_boxes[-1].end if in_boxes else 0) or max(
        supposed, key=lambda statement: statement.start, default=None
    )


def _sentences(
    text: str, patterns: tuple[re.Pattern, ...], choices: tuple[str, ...], start: int = 0
) -> tuple[list[Statement], list[Statement]]:
    """Sentences that say what the answer is, and those that only suppose it; no questions and no denials."""
    said: list[Statement] = []
    supposed: list[Statement] = []
    for pattern in patterns:
        for match in list(pattern.finditer(text, start))[-MAX_STATEMENTS:]:
            if (statement := _sentence(text, match)) is None:
                continue
            how = standing(text, match.start(), match.end())
            if how != "denied":
                (said if how == "said" else supposed).append(_option_named(statement, choices))
    return said, supposed


def _sentence(text: str, match: re.Match) -> Statement | None:
    groups = match.groupdict()
    if DENIED.search(AMONG.sub("", groups.get("mid") or "")):
        return None
    if run := groups.get("run"):
        return Statement(each_once(run), run, match.start(), match.end()) if run.isupper() else None
    end = match.end("letter")
    rest = text[end : end + MAX_VALUE]
    after_colon = (groups.get("link") or ":").lower() != "is"
    if NOT_SO.match(rest) or (match.end() == end and not names_an_option(groups["letter"], rest, after_colon)):
        return None
    return Statement(with_second(groups["letter"], rest), groups["letter"], match.start(), end)


def _option_named(statement: Statement, choices: tuple[str, ...]) -> Statement:
    """The statement with an option's letter where its text is the whole text of that option.

    A single letter stands for its own option, even where another option's text is that letter.
    """
    text = comparable(statement.text) if choices else ""
    if len(text) < 2 or text not in choices:
        return statement
    return replace(statement, letters=(_letter_of(text, choices),))


def _letter_of(text: str, choices: tuple[str, ...]) -> str:
    return chr(ord("A") + choices.index(text))


def _named_by_words(text: str, choices: tuple[str, ...]) -> Statement | None:
    """The option that the last "the answer is ..." names in words, or that is the whole of a short text."""
    said = list(NAMED.finditer(text))
    if said:
        statement = Statement((), said[-1]["text"], said[-1].start(), said[-1].end())
    else:
        statement = Statement((), text[: MAX_VALUE + 1], 0, len(text))
    named = _option_named(statement, choices)
    return named if named.letters else None


def _lesser_sign(text: str, start: int) -> Statement | None:
    """A letter that is chosen or called correct, or that is all of the last or the first line after `start`."""
    lines = [(match.start(), match[0].strip()) for match in re.finditer(r"[^\n]*\S[^\n]*", text[start:])]
    if not lines:
        return None
    several_options = len(set(OPTION_LINE.findall(text, start))) > 1
    if last := _line(lines[-1][1], start + lines[-1][0], several_options):
        return last
    if said := _sentences(text, LESSER, (), start)[0]:
        return max(said, key=lambda statement: statement.start)
    holding = _sentences(text, (HOLDS,), (), start)[0]
    if holding and len({found.letters for found in holding}) == 1:
        return holding[-1]
    return _line(lines[0][1], start + lines[0][0], several_options)


def _line(line: str, start: int, several_options: bool) -> Statement | None:
    """The letter that a line consists of, or starts with where it is the only option written out, or ends in."""
    end = start + len(line)
    letters = read_letters(line) if len(line) <= MAX_VALUE else ()
    option = OPTION_LINE.match(line) and not several_options and not line.endswith("?") and not TOO.search(line)
    if letters and (BARE.fullmatch(line) or option):
        return Statement(letters, line, start, end)
    if because := BECAUSE.match(line):
        return Statement(each_once(because["letter"]), line, start, end)
    if marked := MARKED.match(line):
        return Statement(with_second(marked["letter"], marked["rest"]), line, start, end)
    tail = line[-MAX_VALUE:]
    match = SO.search(tail) or LAST_SENTENCE.search(tail)
    if match is None and len(set(IN_BRACKETS.findall(tail))) == 1 and not (DENIED.search(tail) or HEDGED.search(tail)):
        match = ENDS_IN_BRACKETS.search(tail)
    if match is None or standing(tail, match.start(), match.end()) == "denied":
        return None
    return Statement(each_once(match["letter"]), tail, start, end)
