"""The answer that a response without a box states last. Looks at the end of the response only."""

import re

from ponder.verifiers.math.extract import BOX

TAIL = 2_000  # characters of the end of a response in which an answer is looked for
MAX_WORDS = 3  # of a response that is nothing but a name or a word
MAX_SHORT = 300  # characters of a response that is nothing but an answer

NOISE = re.compile(
    r"<\|[^<>|]{1,40}\|>\s*(?:user|assistant|system)?|I hope (?:it|this|that) (?:is correct|helps)[.!]?|</answer>[^\n<]*"
)
STATED = re.compile(
    r"####\s*|<answer>|(?:最终)?答案\s*(?:应为|应该是|是|为|选|：|:)+|故选\s*(?:：|:)?"
    r"|\b(?:option|choice)\s+(?=\(?[A-J]\)?[.\s]*$)"
    r"|\b(?:answer|result)\b\*{0,2}(?:\s+(?:is|are|=|therefore|thus|then)|\s*[:=]|\s*\*\*:?|\s*$|\s*：|(?=\s*(?:\$|\\[(\[])))+",
    re.IGNORECASE | re.MULTILINE,
)
# The form that Minerva's prompt asks for; it outranks the boxes before it.
FINAL = re.compile(
    r"Final Answer:?\W{0,6}The final answer is:?\s*(\$[^$]{1,300}\$|[^\s$][^\n$]{0,100}?(?=\.(?:\s|$)|$))",
    re.IGNORECASE,
)
IS_THE_ANSWER = re.compile(
    r",?\s+(?:is|are)\s+(?:the|our|my|a)\s+[a-z ]{0,30}(?:answers?|solutions?|results?)\b.*", re.IGNORECASE | re.DOTALL
)
NO_ANSWER = re.compile(
    r"\b(?:could ?n[o']t|can ?n[o']t|can't|unable|no answer|sorry|(?:do not|don't) know)\b", re.IGNORECASE
)
# Words before a last number that make a bound or a guess of it, or a label: "nearly 5", "Step 5".
BOUND = re.compile(
    r"\b(?:at most|at least|(?:less|more|fewer|greater|other) than|up to|not|nearly|almost|about|approximately|roughly"
    r"|around|half of|twice|thrice|below|above|under|over|chapter|section|step|part|page|problem|question|exercise|example"
    r"|case|equation|figure|table|theorem|lemma|line|item|option|attempt|method|note|hint|day|year|version|exceeds?"
    r"|except|without|from|before|after|between|if|unless|multiple of|divisor of|factor of"
    r"|rather than|instead of|unlike|excluding|neither|nor)\W*[\d.,/]+\W*(?:[A-Za-z]+\W*)?$",
    re.IGNORECASE,
)
UNSURE = re.compile(r"\b(?:maybe|perhaps|possibly|either|i guess|not sure)\b", re.IGNORECASE)
SUPPOSED = re.compile(
    r"\W*(?:(?:now|then|so|and|first|next|we|let us|let's|can) )*(?:suppose|assume|assuming|let|if|try|check|reject|consider"
    r"|test|verify|discard|exclude)\b(?!.*\b(?:then|so|hence|thus|get|gives?|is|are|have|equals?|obtain|must)\b.*[\d$\\])",
    re.IGNORECASE | re.DOTALL,
)
REJECTED = re.compile(
    r"\b(?:impossible|fails?|failed|cannot|can't|invalid|wrong|incorrect|false|extraneous|rejected|excluded|discarded"
    r"|contradict\w*|ruled out|not (?:\w+ ){0,3}(?:a |the )?(?:solution|answer|valid|possible|allowed|work|hold|satisfy"
    r"|satisfied|enough|correct|right|true)|is(?:n't| not)|does(?:n't| not)|doesn't|won't|too (?:small|large|big|high|low|many|few))\b",
    re.IGNORECASE,
)
TAKEN_BACK = re.compile(r"\b(?:wait|actually|correction|sorry|mistake|no,)", re.IGNORECASE)
CONNECTIVE = re.compile(
    r"\b(?:is|are|be|equals?|becomes|gives?|yields?|get|have|obtain|was)\b:?\s|:(?!\d)\s*|[：是为]\s*|^(?:so|thus|hence|therefore),?\s",
    re.IGNORECASE,
)
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$((?:[^$\\]|\\.)+?)\$|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)
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


def final_statement(content: str) -> str | None:
    """X where a text ends in "Final Answer: The final answer is X.", with no box in X or after it; else None."""
    if "inal answer is" not in content[-TAIL:]:
        return None
    found = next(reversed(list(FINAL.finditer(content, max(0, len(content) - TAIL)))), None)
    if found is None or BOX.search(content, found.start()):
        return None
    return found[1].strip()


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
        line = text[text.rfind("\n", 0, formulas[-1].start()) + 1 :]
        return (
            ""
            if _is_supposed(SENTENCE_END.split(line.rstrip(MARKUP + "."))[-1].strip())
            else _last_formulas(text, formulas)
        )
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


def _is_supposed(sentence: str) -> bool:
    """Whether a sentence only supposes something, or is not sure of it."""
    return bool(UNSURE.search(sentence) or SUPPOSED.match(sentence))


def _conclusion(sentence: str) -> str:
    """What a sentence arrives at: its last formula, what follows its last "is", or its last number."""
    if NO_ANSWER.search(sentence) or BOUND.search(sentence) or _is_supposed(sentence):
        return ""
    sentence = IS_THE_ANSWER.sub("", sentence)
    formulas = list(FORMULA.finditer(sentence))
    if formulas and REJECTED.search(sentence, formulas[-1].end()):
        return ""
    if formulas and not NUMBER.search(sentence, formulas[-1].end()):
        return _last_formulas(sentence, formulas)
    start = 0
    for match in CONNECTIVE.finditer(sentence):
        if sentence[match.end() :].strip():
            start = match.end()
    rest = sentence[start:].strip(MARKUP)
    if not _is_prose(rest) and (start or not _is_prose(rest, 1)):
        return rest
    numbers = list(NUMBER.finditer(sentence))
    if numbers:
        return "" if REJECTED.search(sentence, numbers[-1].end()) else numbers[-1][0]
    return rest if start else ""
