"""References as people have them, read into one short text: LaTeX, a number, words, a worked solution with a mark."""

import re
from typing import Any

from ponder.verifiers.math.conclusions import prepared
from ponder.verifiers.math.extract import boxed_items, has_box
from ponder.verifiers.math.statements import final_statement, stated_answer

HASHES = re.compile(r"####(?!#)[ \t]*([^\n]+)\s*$")
TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
QUOTED = re.compile(r"""(["'])([^"'\n]*)\1""")
STRINGS = re.compile(
    r"\s*\[\s*(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')\s*(?:,\s*(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')\s*)*\]\s*",
    re.DOTALL,
)
STRING = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'", re.DOTALL)
LEAD = re.compile(
    r"\W*(?:so |thus |therefore |hence |and )?,?\s*(?:(?:the|my|our)\s+)?(?:(?:final|correct|right)\s+)?(?:answer|result)"
    r"\s*(?:[:：=]|(?:is|are)\b\s*[:：]?)|(?:最终)?答案?\s*(?:应为|就是|是|为|[：:])",
    re.IGNORECASE,
)
OBJECT = re.compile(r"""\{\s*["'](?:final_?)?answer["']\s*:\s*["']?([^"'{}]+)["']?\s*\}""", re.IGNORECASE)
# "Therefore, 42", "It is 42", "42 is the answer", "42 (since 6 * 7 = 42)", "3.14 (approximately)"
AROUND = re.compile(
    r"^(?:so|thus|therefore|hence|it is|is|we get|we have|this gives|that is)\b[,:]?\s+(?=[-\d$\\(\[{A-Za-z]\S*\s*(?:$|[=<>,+*/^(-]))"
    r"|\s+(?:is|are) (?:the|our) (?:final |correct )?answers?\.?$|\s*\((?:since|because|as|so|rounded|approx\.?|approximately)\b.*\)$"
    r"|\\n$",
    re.IGNORECASE,
)
MAX_SENTENCE = 200  # characters of a reference that may be a sentence with the answer in it


def reference_text(reference: Any) -> str:
    """The answer that a reference holds, as LaTeX or text; the items of a list are joined by commas.

    What is read: a number, LaTeX with or without delimiters or a box, words, a list of these (also as the text `["5"]`),
    GSM8K's solutions that end in `#### 18`, `<answer>5</answer>`, "The answer is 42", `**5**`. ValueError for a reference
    without an answer in it.

    >>> reference_text("He sells 9 of 16 eggs for 2 dollars each.\\n#### 18"), reference_text('["5"]'), reference_text("**5**")
    ('18', '5', '5')
    """
    items = reference if isinstance(reference, list | tuple) else [reference]
    text = ", ".join(_item(item) for item in items if item is not None).strip()
    if not text:
        raise ValueError(f"the math verifier needs a reference answer, not {reference!r}")
    return text


def _item(item: Any) -> str:
    if isinstance(item, list | tuple):
        return ", ".join(_item(inner) for inner in item)
    text = str(item).strip()
    if STRINGS.fullmatch(text):
        return ", ".join(_item(string) for string in _strings(text))
    if match := HASHES.search(text):
        return match[1].strip()
    if found := TAG.findall(text):
        return found[-1].strip()
    if boxed := final_statement(text) or (boxed_items(text) if has_box(text) else None):
        return boxed
    if (match := QUOTED.fullmatch(text)) and match[2].strip():
        return match[2].strip()
    if match := OBJECT.fullmatch(text):
        return match[1].strip()
    text = AROUND.sub("", text).strip() or text
    if LEAD.match(text) and len(text) <= MAX_SENTENCE and (found := stated_answer(text)):
        return found.answer
    plain = prepared(text) if text.startswith(("*", "_")) else text
    return plain or text


def _strings(text: str) -> list[str]:
    """The strings of a list in JSON or Python; LaTeX in it may have its backslashes once or twice."""
    strings = [one or other for one, other in STRING.findall(text)]
    if all(len(run) % 2 == 0 for run in re.findall(r"\\+", text)):
        strings = [string.replace("\\\\", "\\") for string in strings]
    return strings
