"""Our own instruction on language: the whole response in one, without a passage in another.

A detector that looks at the text as a whole misses a sentence in another language; so each piece is looked at. What is
no prose is left out: code, formulas, addresses. A name or a term in another script may stand within a sentence.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from ponder.verifiers.instructions.checked import Checked, quoted
from ponder.verifiers.instructions.languages import language, ranking
from ponder.verifiers.instructions.layout import CODE

NO_PROSE = re.compile(
    r"\$\$[^$]{0,2000}\$\$|\$[^$\n]{0,400}\$|\\\[(?:(?!\\\[).){0,2000}?\\\]|\\\((?:(?!\\\().){0,400}?\\\)|\\boxed\{[^{}\n]{0,400}\}|\\[A-Za-z]+"
    r"|https?://\S+|</?[A-Za-z_]+>",
    re.DOTALL,
)
PIECE = re.compile(r"[^\n.!?\u3002\uff01\uff1f\u0964\u06d4]+")
SCRIPTS = {
    "ARABIC": "ar fa ur",
    "BENGALI": "bn",
    "CJK HIRAGANA KATAKANA": "ja",
    "CJK": "zh zh-cn zh-tw",
    "CYRILLIC": "bg mk ru uk",
    "DEVANAGARI": "hi mr ne",
    "GREEK": "el",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HANGUL CJK": "ko",
    "HEBREW": "he",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
}
SCRIPTS_OF = {code: frozenset(scripts.split()) for scripts, codes in SCRIPTS.items() for code in codes.split()}
LEAST_LETTERS = 8  # in a sentence, to ask for its script
PASSAGE = 200  # letters in a passage whose language is told; of fewer than a third of that it is not
MOST_PASSAGES = 100  # are looked at, evenly spread: langdetect takes milliseconds for each
SURE = 0.9
AT_ONCE = 4000  # characters that are looked at at once: about a tenth of a second


def base_language(value: str) -> str:
    """An argument: a code of langdetect, or zh for both ways of writing Chinese."""
    return value if value == "zh" else language(value)


def check_language(language: str | None = None, prompt: str = "") -> None:
    """ValueError where neither the language nor a prompt to take it from is there."""
    if language is None and not prompt.strip():
        raise ValueError(
            "needs 'language' in 'kwargs', or 'prompt' in the reference: the language is the prompt's then"
        )


def consistent(content: str, language: str | None = None, prompt: str = "") -> Checked:
    """Whether every sentence and passage of the content is in the language; without one, in the prompt's."""
    wanted = language or _language_of(prompt)
    if wanted is None:
        return Checked(True, "the prompt is too short to tell its language")
    scripts = SCRIPTS_OF.get(wanted, frozenset({"LATIN"}))
    prose = _prose(content)
    pieces = [found[0].strip() for found in PIECE.finditer(prose)]
    for piece in pieces:
        counts = _scripts(piece)
        if counts.total() >= LEAST_LETTERS and 2 * sum(counts[script] for script in scripts) < counts.total():
            return Checked(False, f"{quoted(piece)} is not in the script of {wanted!r}")
    passages = list(_passages(pieces))
    for passage in passages[:: len(passages) // MOST_PASSAGES + 1]:
        if other := _other_language(passage, wanted):
            return Checked(False, f"{quoted(passage)} is in {other!r}, asked for {wanted!r}")
    return Checked(True, f"all of it is in {wanted!r}, as far as can be told")


def _prose(content: str) -> str:
    return NO_PROSE.sub(" ", CODE.sub(" ", content))


def _language_of(prompt: str) -> str | None:
    prose = _prose(prompt)
    if _scripts(prose).total() < LEAST_LETTERS:
        return None
    return next(iter(ranking(prose) or {}), None)


def _other_language(passage: str, wanted: str) -> str | None:
    """The language of a passage that is surely another one."""
    ranked = ranking(passage) or {}
    if any(code.startswith(wanted) for code in ranked):
        return None
    return next((code for code, probability in ranked.items() if probability > SURE), None)


def _passages(pieces: list[str]) -> Iterator[str]:
    passage, letters = [], 0
    for piece in pieces:
        passage.append(piece)
        letters += sum(map(str.isalpha, piece))
        if letters >= PASSAGE:
            yield ". ".join(passage)
            passage, letters = [], 0
    if letters >= PASSAGE / 3:
        yield ". ".join(passage)


def _scripts(text: str) -> Counter[str]:
    """How many letters of each script."""
    return Counter(_script(character) for character in text if character.isalpha())


@lru_cache(maxsize=8192)
def _script(character: str) -> str:
    words = unicodedata.name(character, "").replace("FULLWIDTH ", "").replace("HALFWIDTH ", "").split()
    return words[0] if words else ""
