"""Instructions about words and letters."""

import re

from ponder.verifiers.instructions.checked import Checked, compared, quoted

# Signs of a regular expression whose search may take unbounded time; `.`, `^` and `$` alone cannot.
REPEATS = frozenset("\\*+?{|([")
AT_ONCE = 10_000_000  # most steps of a search that are taken at once: length of the pattern times that of the text
UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # scripts without spaces between words


def searched_at_once(content: str, *expressions: str) -> bool:
    """Whether looking for these expressions takes bounded time, and little."""
    return all(REPEATS.isdisjoint(e) and len(e) * len(content) <= AT_ONCE for e in expressions)


def existence(content: str, keywords: tuple[str, ...]) -> Checked:
    # Officially a keyword is a regular expression found anywhere: "art" is in "party".
    missing = [word for word in keywords if not re.search(word, content, re.IGNORECASE)]
    if missing:
        return Checked(False, f"lacks {', '.join(map(quoted, missing))}")
    return Checked(True, f"has {', '.join(map(quoted, keywords))}")


def frequency(content: str, keyword: str, frequency: float, relation: str) -> Checked:
    # The same here: parts of words count.
    count = len(re.findall(keyword, content, re.IGNORECASE))
    return compared(count, f"times {quoted(keyword)}", relation, frequency)


def forbidden_expression(word: str) -> str:
    r"""Officially between two `\b`: whole words, but "C++" before a space is not found."""
    return rf"\b{word}\b"


def forbidden_words(content: str, forbidden_words: tuple[str, ...]) -> Checked:
    for word in sorted(set(forbidden_words)):
        if found := re.search(forbidden_expression(word), content, re.IGNORECASE):
            return Checked(False, f"has the forbidden {quoted(found[0])}")
    return Checked(True, f"has none of {', '.join(map(quoted, forbidden_words))}")


def letter_frequency(content: str, letter: str, let_frequency: float, let_relation: str) -> Checked:
    count = content.lower().count(letter)
    return compared(count, f"times the letter {letter!r}", let_relation, let_frequency)


def none_of(content: str, words: tuple[str, ...]) -> Checked:
    """Ours: no word of a list, in any case. Words are literal, and whole where their script puts spaces between words."""
    for word in words:
        before = r"(?<!\w)" if _in_words(word[0]) else ""
        after = r"(?!\w)" if _in_words(word[-1]) else ""
        if found := re.search(f"{before}{re.escape(word)}{after}", content, re.IGNORECASE):
            return Checked(False, f"has the forbidden word {quoted(found[0])}")
    return Checked(True, f"has none of {', '.join(map(quoted, words))}")


def _in_words(character: str) -> bool:
    return (character.isalnum() or character == "_") and not UNSPACED.match(character)
