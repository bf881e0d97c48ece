"""Instructions about how long the text is."""

import re
import unicodedata

from ponder.verifiers.instructions.checked import Checked, compared, exactly
from ponder.verifiers.instructions.sentences import count_sentences

WORD = re.compile(r"\w+")
JOINERS = "\u200c\u200d"
PUNCTUATION = re.compile("[.,?!'\"]")


def count_words(content: str) -> int:
    """Runs of word characters, so "isn't" and "well-known" are two words each.

    What a word character is follows NLTK since 3.10, which goes by Unicode's rules (UTS 18): combining marks are, so
    that Hindi is not cut at its vowel signs; superscripts and vulgar fractions are not.
    """
    if not content.isascii():
        content = content.translate({ord(c): "a" if _in_words(c) else " " for c in set(content) if not c.isascii()})
    return len(WORD.findall(content))


def _in_words(character: str) -> bool:
    category = unicodedata.category(character)
    circled = "\u24b6" <= character <= "\u24e9" or "\U0001f130" <= character <= "\U0001f189"  # letters, but symbols too
    return (
        category[0] in "LM" or category in ("Nd", "Nl", "Pc") or character in JOINERS or (circled and category == "So")
    )


def number_words(content: str, num_words: float, relation: str) -> Checked:
    return compared(count_words(content), "words", relation, num_words)


def number_sentences(content: str, num_sentences: float, relation: str) -> Checked:
    return compared(count_sentences(content), "sentences", relation, num_sentences)


def check_nth_paragraph(num_paragraphs: float, nth_paragraph: float, first_word: str) -> None:
    """ValueError where there is no such paragraph; the official checker draws another then."""
    if not 1 <= nth_paragraph <= num_paragraphs or nth_paragraph != int(nth_paragraph):
        raise ValueError(f"'nth_paragraph' must be a whole number from 1 to 'num_paragraphs', {num_paragraphs:g}")


def nth_paragraph_first_word(content: str, num_paragraphs: float, nth_paragraph: float, first_word: str) -> Checked:
    # Blank chunks between two line breaks are not counted as paragraphs, yet the nth is looked up among all chunks:
    # three line breaks in a row, or more, shift what follows them.
    chunks = content.split("\n\n")
    count = sum(1 for chunk in chunks if chunk.strip())
    if nth_paragraph > count or not (paragraph := chunks[int(nth_paragraph) - 1].strip()):
        return Checked(False, f"{count} paragraphs; there is no paragraph {nth_paragraph:g}")
    # One kind of quotes is stripped after the other; the word ends at the first mark of punctuation. Letters are put in
    # lower case one by one, which for a Greek final sigma is not the same as the word in lower case.
    start = PUNCTUATION.split(paragraph.split()[0].lstrip("'").lstrip('"'), maxsplit=1)[0]
    word = "".join(character.lower() for character in start)
    if word != first_word.lower():
        return Checked(
            False, f"paragraph {nth_paragraph:g} begins with {word[:60]!r}, asked for {first_word.lower()!r}"
        )
    return exactly(count, f"paragraphs, the {nth_paragraph:g}. begins with {word!r}", num_paragraphs)


def check_bounds(**bounds: float) -> None:
    """ValueError where no bound is set, or a least is above its most."""
    if not bounds:
        raise ValueError("no bound is set; give 'min_words', 'max_words', 'min_characters' or 'max_characters'")
    for what in ("words", "characters"):
        least, most = bounds.get(f"min_{what}", 0), bounds.get(f"max_{what}", float("inf"))
        if least > most:
            raise ValueError(f"'min_{what}' {least:g} is above 'max_{what}' {most:g}")


def length_bounds(
    content: str,
    min_words: float | None = None,
    max_words: float | None = None,
    min_characters: float | None = None,
    max_characters: float | None = None,
) -> Checked:
    """Ours: least and most words, counted as for `number_words`, and characters, without space at the ends."""
    reasons, followed = [], True
    for what, count, least, most in (
        ("words", lambda: count_words(content), min_words, max_words),
        ("characters", lambda: len(content.strip()), min_characters, max_characters),
    ):
        if least is None and most is None:
            continue
        counted = count()
        followed &= (least or 0) <= counted and (most is None or counted <= most)
        asked = [f"{name} {bound:g}" for name, bound in (("at least", least), ("at most", most)) if bound is not None]
        reasons.append(f"{counted} {what}, asked for {' and '.join(asked)}")
    return Checked(followed, "; ".join(reasons))
