"""Instructions about upper and lower case."""

from ponder.verifiers.instructions.checked import Checked, compared
from ponder.verifiers.instructions.languages import detect
from ponder.verifiers.instructions.words import capital_words


def capital_word_frequency(content: str, capital_frequency: float, capital_relation: str) -> Checked:
    # Tokens, not words: TIME-SAVING is one, I'M and DON'T are two each, and so is the A of a sentence.
    count = len(capital_words(content))
    return compared(count, "words in capital letters", capital_relation, capital_frequency)


def english_capital(content: str) -> Checked:
    return _cased(content, content.isupper(), "upper")


def english_lowercase(content: str) -> Checked:
    return _cased(content, content.islower(), "lower")


def _cased(content: str, holds: bool, case: str) -> Checked:
    # Upper-case English often looks like another language to langdetect, which the official checker asks too.
    if not holds:
        return Checked(False, f"is not all in {case} case")
    language = detect(content)
    if language is None:
        return Checked(True, f"is in {case} case; too little text to tell its language, which counts as English")
    return Checked(language == "en", f"is in {case} case; its language is found to be {language!r}, asked for 'en'")
