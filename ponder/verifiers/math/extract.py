"""Where the answer stands in a response: in its last box, or else where it is stated last. Linear in the length."""

import re

MAX_ANSWER = 2_000  # characters
MAX_DEPTH = 200  # nested braces
MAX_BOXES = 100  # adjacent boxes that make up one list
MAX_JOINT = 100  # characters between two boxes of one list
TAIL = 2_000  # characters of the end of a response in which an answer without a box is looked for
MAX_WORDS = 3  # of a response that is nothing but a name or a word
MAX_SHORT = 300  # characters of a response that is nothing but an answer

BOX = re.compile(r"\\f?boxed\s*\{|\\fbox\s*\{")
BARE_BOX = re.compile(r"\\boxed\s*([^\s{}$\\]+)")
# Between two boxes of one list: punctuation, delimiters, "and", a remark, and the name of the next value.
JOINT = re.compile(
    r"(?:[\s$,;.&]|\\[\])\[(,;! ]|\\q?quad|\\text\{[^{}]*\}|\b(?:and|or|by)\b|[A-Za-z](?:_\{?\w+\}?)?\s*=)*"
)
JOINING = re.compile(r"[,;]|\band\b|\bor\b")
NOISE = re.compile(
    r"<\|[^<>|]{1,40}\|>\s*(?:user|assistant|system)?|I hope (?:it|this|that) (?:is correct|helps)[.!]?|</answer>[^\n<]*"
)
STATED = re.compile(
    r"####\s*|<answer>|(?:最终)?答案\s*(?:应为|应该是|是|为|选|：|:)+|故选\s*(?:：|:)?"
    r"|\b(?:option|choice)\s+(?=\(?[A-J]\)?[.\s]*$)"
    r"|\b(?:answer|result)\b\*{0,2}(?:\s+(?:is|are|=|therefore|thus|then)|\s*[:=]|\s*\*\*:?|\s*$|\s*：|(?=\s*(?:\$|\\[(\[])))+",
    re.IGNORECASE | re.MULTILINE,
)
IS_THE_ANSWER = re.compile(
    r",?\s+(?:is|are)\s+(?:the|our|my|a)\s+[a-z ]{0,30}(?:answers?|solutions?|results?)\b.*", re.IGNORECASE | re.DOTALL
)
NO_ANSWER = re.compile(
    r"\b(?:could ?n[o']t|can ?n[o']t|can't|unable|no answer|sorry|(?:do not|don't) know)\b", re.IGNORECASE
)
BOUND = re.compile(r"\b(?:at most|at least|(?:less|more|fewer|greater) than|up to|not)\W*[\d.,/]+\W*$", re.IGNORECASE)
TAKEN_BACK = re.compile(r"\b(?:wait|actually|correction|sorry|mistake|no,)", re.IGNORECASE)
CONNECTIVE = re.compile(
    r"\b(?:is|are|be|equals?|becomes|gives?|yields?|get|have|obtain|was)\b:?\s|:(?!\d)\s*|[：是为]\s*|^(?:so|thus|hence|therefore),?\s",
    re.IGNORECASE,
)
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$]+?)\$|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)
DISPLAY = re.compile(r"\\begin\{(?:equation|align|aligned|gather)\*?\}(.*?)\\end\{[a-z]+\*?\}", re.DOTALL)
NUMBER = re.compile(
    r"(?<![\w.\\^_{(])-?(?:\$\s?)?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?(?:\s?(?:%|°|[^\W\d_]{1,3}[²³]|€))?(?![\w/^{])"
)
SENTENCE_END = re.compile(r"(?<=[^\s.])\.(?=\s+[A-Z]|\s*$)")
COMMAND = re.compile(r"\\[a-z]+\s*\{[^{}]*\}|\\[A-Za-z]+")
UNIT_AFTER = re.compile(r"\s*([A-Za-z]+)?[\s.]*$")
BETWEEN_FORMULAS = re.compile(r"[\s,;]*(?:and|or)?\s*")
WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
MARKUP = " \t\n*_`\u3000"


def extract_answer(content: str) -> str | None:
    """What the last `\\boxed{}` holds; boxes joined by commas or "and" are one list. None if there is no such answer.

    An empty or unclosed last box is no answer, nor is one longer than MAX_ANSWER or nested deeper than MAX_DEPTH.
    Linear in the length of the content.

    >>> extract_answer("so \\\\boxed{1} and \\\\boxed{\\\\frac{1}{2}}.")
    '1, \\\\frac{1}{2}'
    """
    boxes = list(BOX.finditer(content))
    if not boxes:
        bare = BARE_BOX.search(content, content.rfind("\\boxed"))
        return bare[1].rstrip(".,;") or None if bare else None
    last = _braced(content, boxes[-1].end())
    if last is None or not last.strip():
        return None
    if len(boxes) > 1 and boxes[-2].end() <= boxes[-1].start() < _end(content, boxes[-2]):
        boxes = _outermost(content, boxes)  # a box within a box is the same answer
        last = _braced(content, boxes[-1].end()) or last
        last = BOX.sub("{", last)
    answer, start = last.strip(), boxes[-1].start()
    for box in reversed(boxes[-MAX_BOXES:-1]):
        item = _braced(content, box.end())
        if item is None:
            break
        joint = content[box.end() + len(item) + 1 : start]
        if len(joint) > MAX_JOINT or not JOINT.fullmatch(joint) or not (word := JOINING.search(joint)):
            break
        answer = f"{item.strip()} \\text{{ or }} {answer}" if word[0] == "or" else f"{item.strip()}, {answer}"
        start = box.start()
    return answer if len(answer) <= MAX_ANSWER else None


def _end(content: str, box: re.Match) -> int:
    inside = _braced(content, box.end())
    return box.end() if inside is None else box.end() + len(inside)


def _outermost(content: str, boxes: list[re.Match]) -> list[re.Match]:
    """The last boxes, without those that stand inside another."""
    kept: list[re.Match] = []
    end = 0
    for box in boxes[-MAX_BOXES:]:
        if box.start() >= end:
            kept.append(box)
            end = _end(content, box)
    return kept


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
    """The final answer where no box is used: a short text that may be mathematics. None if there is none.

    What follows the last "answer is", "Answer:", "####" and the like; a response that is nothing but a short answer;
    or what the last sentence with a formula or a number in it arrives at.

    >>> stated_answer("We add. So the total is 12 apples."), stated_answer("**Answer:** $x+1$.")
    ('12 apples', 'x+1')
    """
    tail = DISPLAY.sub(_last_row, NOISE.sub(" ", content[-TAIL:])).strip(MARKUP)
    stated = None
    for match in STATED.finditer(tail):
        if tail[match.end() :].strip(MARKUP + ".:"):
            stated = match
    if stated and not TAKEN_BACK.search(tail, stated.end()):
        return _first_statement(tail[stated.end() :].strip(MARKUP + ":")) or None
    if "\n" not in tail and len(tail) <= MAX_SHORT and not FORMULA.search(tail):
        words = len(WORD.findall(tail))
        if not _is_prose(tail, 1) or (words <= MAX_WORDS and not re.search(r"\d", tail)):
            return tail or None
    return _last_statement(tail) or None


def _last_row(display: re.Match) -> str:
    """What a displayed environment arrives at: the last side of its last row."""
    rows = [row for row in display[1].split("\\\\") if row.strip()]
    return f"$$ {rows[-1].split('&')[-1].strip().removeprefix('=')} $$" if rows else " "


def _is_prose(text: str, words: int = 3) -> bool:
    """Whether a text has that many words outside formulas and commands, "and" and "or" not counted."""
    plain = FORMULA.sub(" ", COMMAND.sub(" ", text))
    return sum(word not in ("and", "or") for word in WORD.findall(plain)) >= words


def _first_statement(text: str) -> str:
    """What comes right after "the answer is": formulas, a line without prose, or what a sentence arrives at."""
    formulas = list(FORMULA.finditer(text))
    if formulas and not text[: formulas[0].start()].strip(MARKUP):
        end = _run_of_formulas(text, formulas)
        unit = UNIT_AFTER.match(text[end:])
        return text[:end] + (f" {unit[1]}" if unit and unit[1] else "")
    line = SENTENCE_END.split(text.split("\n")[0])[0].strip(MARKUP + "。")
    return _conclusion(line) if _is_prose(line) else line


def _run_of_formulas(text: str, formulas: list[re.Match]) -> int:
    """End of the first formulas that are joined by commas, "and" or "or"."""
    end = formulas[0].end()
    for formula in formulas[1:]:
        if not BETWEEN_FORMULAS.fullmatch(text[end : formula.start()]):
            break
        end = formula.end()
    return end


def _last_statement(text: str) -> str:
    """What the last sentence with a formula or a number arrives at; of several lines, the last such line."""
    formulas = list(FORMULA.finditer(text))
    if formulas and not text[formulas[-1].end() :].strip(MARKUP + ".,;!。"):
        return _last_formulas(text, formulas)
    lines = [line for line in text.split("\n") if line.strip(MARKUP)]
    if not lines:
        return ""
    line = next((line for line in reversed(lines) if re.search(r"\d|\$|\\", line)), lines[-1])
    sentences = [sentence for sentence in SENTENCE_END.split(line) if sentence.strip(MARKUP + ".。")]
    return _conclusion(sentences[-1].strip(MARKUP + ".。")) if sentences else ""


def _last_formulas(text: str, formulas: list[re.Match]) -> str:
    """The last formulas that are joined by commas, "and" or "or"."""
    first = len(formulas) - 1
    while first and BETWEEN_FORMULAS.fullmatch(text[formulas[first - 1].end() : formulas[first].start()]):
        first -= 1
    run = text[formulas[first].start() : formulas[-1].end()]
    return (
        run
        if first < len(formulas) - 1
        else next(group for group in formulas[-1].groups() if group is not None).strip()
    )


def _conclusion(sentence: str) -> str:
    """What a sentence arrives at: its last formula, what follows its last "is", or its last number."""
    if NO_ANSWER.search(sentence) or BOUND.search(sentence):
        return ""
    sentence = IS_THE_ANSWER.sub("", sentence)
    formulas = list(FORMULA.finditer(sentence))
    if formulas and not NUMBER.search(sentence, formulas[-1].end()):
        return _last_formulas(sentence, formulas)
    start = 0
    for match in CONNECTIVE.finditer(sentence):
        if sentence[match.end() :].strip():
            start = match.end()
    rest = sentence[start:].strip(MARKUP)
    if not _is_prose(rest) and (start or not _is_prose(rest, 1)):
        return rest
    numbers = NUMBER.findall(sentence)
    if numbers:
        return numbers[-1]
    return rest if start else ""
