"""Sentences, as the official checker counts them.

That one asks NLTK's Punkt model of English (Kiss and Strunk 2006, Unsupervised Multilingual Sentence Boundary
Detection). This module follows the published procedure, with lists of our own in place of the model's data:
a mark that may end a sentence is looked at with the word before and the token after it. Agreement with NLTK is measured
by the audit. It takes time linear in the length of the text.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from ponder.verifiers.instructions.english import ABBREVIATIONS, AFTER_NUMBERS, OPENERS, SMALL

# White space by Unicode, without the separators U+001C to U+001F that Python's \s has.
SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
NOT_IN_WORDS = r"[)\";}\]*:@'({\[\u2018\u2019\u201c\u201d\xab\xbb?!]"
SEVERAL_SIGNS = rf"(?:-{{2,}}|\.{{2,}}|(?:\.[{SPACE}]){{2,}}\.)"
END = re.compile(rf"[.?!](?=({NOT_IN_WORDS}|[{SPACE}]++([^{SPACE}]+)))")
TOKEN = re.compile(
    rf"{SEVERAL_SIGNS}"
    rf"|(?=[^(\"`{{\[:;&#*@)}}\]\-,])[^{SPACE}]+?"
    rf"(?=[{SPACE}]|$|{NOT_IN_WORDS}|{SEVERAL_SIGNS}|,(?=$|[{SPACE}]|{NOT_IN_WORDS}|{SEVERAL_SIGNS}))"
    rf"|[^{SPACE}]"
)
# Closing quotes and brackets belong to the sentence before them.
CLOSING = re.compile(rf"[\"')\]}}\u2018\u2019\u201c\u201d\xab\xbb]+?(?:[{SPACE}]+|(?=--)|$)", re.MULTILINE)
ELLIPSIS = re.compile(r"\.\.+")
NUMBER = re.compile(r"-?[.,]?\d[\d,.-]*")
INSIDE_SENTENCES = frozenset(";:,.!?")  # as a token, never the first of a sentence


def count_sentences(text: str) -> int:
    """
    >>> count_sentences("Dr. Ho came at 5 p.m. yesterday. Then she left!")
    2
    """
    return len(sentences(text))


def sentences(text: str) -> list[str]:
    """The sentences of a text; closing quotes and brackets belong to the one that they follow."""
    spans, start = [], 0
    for end, next_start in _breaks(text):
        spans.append((start, end))
        start = next_start
    spans.append((start, len(text.rstrip())))

    aligned, moved = [], 0
    for (start, end), following in zip(spans, [*spans[1:], None], strict=True):
        start += moved
        moved = 0
        closing = CLOSING.match(text, *following) if following and following[0] <= following[1] else None
        if closing:
            aligned.append(text[start : following[0] + len(closing[0].rstrip())])
            moved = closing.end() - following[0]
        elif start < end:
            aligned.append(text[start:end])
    return aligned


def _breaks(text: str) -> Iterator[tuple[int, int]]:
    """Where a sentence ends, and where the next one starts."""
    for mark, context in _contexts(text):
        if _has_break(context):
            yield mark.end(), mark.start(2) if mark[2] else mark.end()


def _contexts(text: str) -> Iterator[tuple[re.Match, str]]:
    """Each mark that may end a sentence, with the text from the word before it to the token after it.

    Of the marks within one word, as in "What?!", only the last is looked at.
    """
    last, start, end = None, 0, 0
    for mark in END.finditer(text):
        space = max(text.rfind(character, end, mark.start()) for character in " \t\n\r\v\f")
        word = space + 1 if space > end else start
        if last and end <= word:
            yield last, text[start:end] + last[0] + last[1]
        last, start, end = mark, word, mark.start()
    if last:
        yield last, text[start:end] + last[0] + last[1]


def _has_break(context: str) -> bool:
    tokens = [token for line in context.split("\n") for token in TOKEN.findall(line)]
    return any(_ends_sentence(token, following) for token, following in pairwise(tokens))


def _ends_sentence(token: str, following: str) -> bool:
    if not token.endswith("."):
        return token in ("?", "!")
    word, initial = token[:-1].lower(), len(token) == 2 and (token[0].isalpha() or token[0] == "_")
    if ELLIPSIS.fullmatch(token):
        return _opens(following)
    if _is_abbreviation(word):
        return not initial and _opens(following)
    number = NUMBER.fullmatch(token)
    if number and _kind(following) in AFTER_NUMBERS:
        return False
    if initial or number:
        if following in INSIDE_SENTENCES or following[0].islower():
            return False
        if initial and following[0].isupper() and _kind(following) not in SMALL:
            return False  # "J. Bach": a name
    return not token.endswith("..")


def _opens(token: str) -> bool:
    """Whether the token must be the first of a sentence."""
    return token[0].isupper() and _kind(token) in OPENERS


def _is_abbreviation(word: str) -> bool:
    return word in ABBREVIATIONS or word.rpartition("-")[2] in ABBREVIATIONS


def _kind(token: str) -> str:
    """The token in lower case, without a stop that ends it as a sentence."""
    kind = token.lower()
    return kind[:-1] if kind.endswith(".") and len(kind) > 1 and not _is_abbreviation(kind[:-1]) else kind
