"""The answer that a response without a box states.

Where several statements stand, the stronger one counts, of equal ones the last, and only one with a value in it: "so the
answer is correct" takes nothing back. The strength: a mark made for answers (`<answer>`, `####`, "Answer:" at the
beginning of a line), "the answer is", "the result is", and at last what the prose arrives at. Linear in the length.
"""

import re
from collections.abc import Iterator

from ponder.verifiers.math.conclusions import (
    CHINESE_LEAD,
    CHINESE_SO,
    EXCLAIMED,
    FORMULA,
    MARKUP,
    SENTENCE_END,
    STOPS,
    TRAILING_WORDS,
    conclusion,
    conclusion_of,
    is_prose,
    is_supposed,
    prepared,
    run_of_formulas,
)
from ponder.verifiers.math.extract import BOX
from ponder.verifiers.math.found import Found, stated

LOOKED_AT = 30_000  # characters of the end of a response in which the stronger statements are looked for
TAIL = 2_000  # characters of the end of a response in which weak statements, and prose, are looked for
MAX_STATEMENT = 600  # characters of one statement
MAX_STATEMENTS = 30  # the last ones of one strength that are looked at
MAX_WORDS = 3  # of an answer that is nothing but a name or a word
MAX_SHORT = 300  # characters of a response that is nothing but an answer
MAX_BEFORE = 120  # characters before a statement that may doubt it
MAX_AFTER = 300  # characters after a statement in which it may be taken back

NOISE = re.compile(
    r"<\|[^<>|]{1,40}\|>\s*(?:user|assistant|system)?|<｜[^<>｜]{1,40}｜>|<(?:eos|bos|end_of_turn|pad)>|\[/?INST\]|</?(?:s|b|strong|i|em|p|br|span|u)\s*/?>"
    r"|[\u2600-\u27bf\U0001f300-\U0001faff\ufe0f]|I hope (?:it|this|that|the \w+) (?:is (?:correct|clear|right|helpful)|helps)[.!]?|</answer>[^\n<]*"
)
# The form that Minerva's prompt asks for; it outranks the boxes before it.
FINAL = re.compile(
    r"Final Answer:?\W{0,6}The final answer is:?\s*(\$[^$]{1,300}\$|[^\s$][^\n$]{0,100}?(?=\.(?:\s|$)|$))",
    re.IGNORECASE,
)
_IS = r"(?:\s+(?:is|are|therefore|thus|then|must be|should be|will be|equals|becomes|comes out (?:to|as))(?=[\s:*_$\\(])|\s*[:=：]|\s*[*_]{1,2}\s*[:：]?)"
MARK = re.compile(
    r"####(?!#)[ \t]*|<answer>|[\"'](?:final_?\s?)?answer[\"']\s*:\s*"
    r"|^[^\w\n<|]{0,12}(?:(?:the|my|our)\s+)?(?:(?:final|correct|short)\s+)?answers?\b[^\w\n$\\(\"']{0,4}"
    r"(?:[:：=]|(?:\s+is)?[*_\s:：]*$)[*_]*"
    r"|\bfinal\s+answer\s*[:：][*_]*"
    r"|^[^\w\n]{0,6}(?:最终)?(?:答案?)\s*[*_]*(?:[：:][*_]*|[】\]]\s*[：:]?|[*_\s]*$)|【(?:最终)?答案】",
    re.IGNORECASE | re.MULTILINE,
)
ANSWER_END = re.compile("</answer>", re.IGNORECASE)
ANSWER = re.compile(
    r"(?:最终)?答案\s*(?:应为|应该是|就是|是|为|等于|选|：|:)+|故选\s*(?:：|:)?|选\s*(?:：|:)?(?=\s*[(（]?[A-J][)）]?[\s。.]*$)|\b答[：:]"
    r"|\b(?:option|choice)\s+(?:is:?\s+)?(?=\(?[A-J]\)?[.\s]*$)"
    rf"|\banswers?\b(?:\s+(?:to|of|for)\s+[^.\n?!:$\\]{{1,80}}?(?=\s+(?:is|are)\s))?(?:{_IS}|(?=\s*(?:\$|\\[(\[])))+",
    re.IGNORECASE | re.MULTILINE,
)
RESULT = re.compile(
    rf"\bresult\b(?:{_IS}|\s*$|(?=\s*(?:\$|\\[(\[])))+|结果\s*(?:应为|是|为|等于|：|:)+", re.IGNORECASE | re.MULTILINE
)
# Without one of these words a text holds no such statement.
WORDS_OF = {
    MARK: ("answer", "####", "答"),
    ANSWER: ("answer", "答", "选", "option", "choice"),
    RESULT: ("result", "结果"),
}
# What makes no statement of the words after it.
DOUBTED = re.compile(
    r"\b(?:maybe|perhaps|possibly|(?<![\w ] )say|no way|if|whether|unless|until|suppos\w+|assum\w+|imagine|pretend|true|doubt|wonder|check|verif\w+|n[o']t (?:that|mean)"
    r"|(?:might|may|could|would|some|others?|people|students?)\b[^.\n]{0,30}\b(?:think|say|believe|guess|claim|expect)s?)"
    r"(?:\s+that)?(?:\s+(?:the|my|our|your|this))?(?:\s+(?:final|correct|right))?\s*$"
    r"|\b(?:nobody|no one|don't|do not|can't|cannot|doesn't)\b[^.\n]{0,40}\b(?:know|say|tell|see|guarantee)s?\b[^.\n]*$"
    r"|\b(?:wrong|incorrect|false|mistaken?|misleading|tempting|naive|common|possible|previous|old|other|another|untrue|not true)\b"
    r"(?:[^.,;:\n]*\b(?:that|say|saying|think|thinking|claim|claiming|assume|conclude)\b[^.,;:\n]*)?\s*$"
    r"|\b(?<!value )(?<!form )(?:of|than|to|twice|half|double|minus|plus|from|times) (?:the|my|our|this|your)\s*$"
    r"|\b(?!(?:I|i|we|We|can|could|to)\b)\w+ (?:claims?|claimed|says?|said|thinks?|thought|believes?|believed|guess(?:es|ed)?)"
    r"(?: that)?(?: the| my| our)?\s*$"
    r"|'s\s*$|(?:是否|如果|假[设如]|不知道?)\s*$",
    re.IGNORECASE,
)
QUOTED_NAME = re.compile(r"[\"']answer[\"']\s*:\s*$|[\"']final_?\s?answer[\"']\s*:\s*$", re.IGNORECASE)
TAKEN_BACK = re.compile(
    r"(?:^|[.!?,;:\n—–(-]|。|，)[\s*_]*(?:(?:oh|oops|hmm|but|no|and|sorry),?\s+)*"
    r"(?:wait\b|oops\b|scratch that\b|i mean\b|actually\b|correction\b|sorry\b|my mistake|i made a mistake|no,|(?:等等|不对|更正)[，,：:。]?)",
    re.IGNORECASE,
)
NEGATED = re.compile(r"\W*(?:not\b|n't\b|never\b|不是|不为)", re.IGNORECASE)
# What may be said of an answer, but is none.
PREDICATE = re.compile(
    r"\W*(?:now |thus |therefore |indeed |also |then |both |exactly |quite |fully |always )*"
    r"(?:clear(?:ly)?|correct|right|verified|consistent|confirmed|obvious|reasonable|valid|plausible|immediate|expected"
    r"|(?:as )?follows?|(?:shown |given |stated |written )?(?:below|above|here)|given|found|obtained|determined|complete|ready|done"
    r"|in|an? (?:integer|whole number|fraction|decimal|number|multiple)|divisible|boxed|checked|known|unknown|wrong|incorrect|ok|fine)\b"
    r"|\W*(?:正确|对|显然|合理|成立|如下|一致)的?",
    re.IGNORECASE,
)
REJECTED_AT_ONCE = re.compile(
    r"\W*(?:is|was|are|would be|must be|seems?)?\s*\W{0,2}(?:cannot|can't|wrong|incorrect|false|impossible|not (?:the|a|right|correct|possible))\b",
    re.IGNORECASE,
)
# What makes a question of a statement, or denies it in the next sentence.
ASKED = re.compile(r"\W{0,4}[?？]")
DENIED = re.compile(
    r"\W{0,2}\s(?:before|until|at first|originally|initially)\b|\W{0,8}(?:but |however,? |no, )?(?:that|this|it|which)(?:'s| is| was| can't be| cannot be| seems)\b[^.\n]{0,20}"
    r"\b(?:wrong|incorrect|false|impossible|not (?:right|correct|possible|true)|mistaken|an? (?:error|mistake))\b",
    re.IGNORECASE,
)
# A remark behind a comma, which is no further item.
REMARK = re.compile(
    r"\s*[,;—–]\s*(?:as\b|(?:even )?though\b|although\b|while\b|whereas\b|however\b|which\b|since\b|because\b|so\b|thus\b|hence\b|and (?:this|that|it|we|the)\b|just\b|exactly\b|rather\b"
    r"|not\b|making\b|giving\b|matching\b|confirming\b|i\.e\.|that is\b|(?:the )?(?:same|desired)\b|with\b|but\b).*|[，,。]\s*(?:因为|所以|这|即|符合|因此|而|其中|不是|检验).*|\s+[—–]\s+[A-Za-z]{3}.*"
    r"|\s+(?:rather than|instead of)\s.*|(?<=[\d})$%])\s+(?:and |but )?not\s+[-\d$\\].*"
    r"|\s+(?:and|so) (?:we|i|this|that|it|the (?:proof|solution|problem))\b.*",
    re.IGNORECASE | re.DOTALL,
)
ASIDE_IN_BRACKETS = re.compile(
    r"\.?\s*[(\[]\s*(?:since|because|check|note|units?|see|i\.e\.|by|from|using|rounded|where|not(?=\s+[-$\\\d]))\b.*",
    re.IGNORECASE | re.DOTALL,
)
SENTENCE_STOP = re.compile(r"[.!?](?=\s|$)|[\n。！？]")
JUST = re.compile(r"^(?:just|simply|exactly|precisely|equal to|a total of|therefore|thus|then|indeed),?\s+(?=[-$\\\d])")
VALUE_FIRST = re.compile(r"[-+]?[\d$\\]")
UNIT_AFTER = re.compile(r"\s*([A-Za-z]+)?[\s.]*$")
MATHEMATICS = re.compile(r"[\d$\\=<>≤≥^√π∞%]")


def final_statement(content: str) -> str | None:
    """X where a text ends in "Final Answer: The final answer is X.", with no box in X or after it; else None."""
    if "inal answer is" not in content[-TAIL:]:
        return None
    found = next(reversed(list(FINAL.finditer(content, max(0, len(content) - TAIL)))), None)
    if found is None or BOX.search(content, found.start()):
        return None
    return found[1].strip()


def stated_answer(content: str) -> Found | None:
    """The final answer where no box is used: a short text that may be mathematics. None if there is none.

    >>> stated_answer("We add. So the total is 12 apples.").answer, stated_answer("**Answer:** $x+1$.").answer
    ('12 apples', '$x+1$')
    """
    content = content[-LOOKED_AT:]
    lower = content.lower()
    words: list[Found] = []
    void: list[int] = []  # where statements stand that are none
    for pattern, start in ((MARK, 0), (ANSWER, 0), (RESULT, max(0, len(content) - TAIL))):
        if not any(word in lower for word in WORDS_OF[pattern]):
            continue
        numbers: list[Found] = []
        for found, kind in _statements(content, pattern, start, void):
            if kind == "value":
                return found
            (numbers if kind == "prose" else words).append(found)
        if numbers:
            return numbers[0]
    tail = prepared(NOISE.sub(" ", _without_sentences(content, void)[-TAIL:]))
    if "\n" not in tail and len(tail) <= MAX_SHORT and not FORMULA.search(tail):
        plain = not is_prose(tail, 1) or (len(tail.split()) <= MAX_WORDS and not re.search(r"\d", tail))
        tail = CHINESE_SO.sub("", tail) if re.search(r"\d", tail) else tail
        if plain and tail and not words and not CHINESE_LEAD.match(tail):
            return stated(tail, tail)
    if words:
        return words[0]
    concluded = conclusion_of(tail)
    return stated(concluded, tail[-200:].split("\n")[-1]) if concluded else None


def _without_sentences(content: str, places: list[int]) -> str:
    """The end of the content without the sentences in which the places are."""
    start = max(0, len(content) - 2 * TAIL)
    for place in sorted((place for place in places if place >= start), reverse=True):
        end = SENTENCE_STOP.search(content, place)
        begin = max(content.rfind(stop, start, place) for stop in (". ", "\n", "。", "! ", "? "))
        content = content[: max(begin + 1, start)] + " " + content[end.end() if end else len(content) :]
    return content[start:]


def _statements(content: str, pattern: re.Pattern, start: int, void: list[int]) -> Iterator[tuple[Found, str]]:
    """What is stated, from the last to the first, with its kind: a value, prose with a value in it, or words alone.

    The places of what is doubted, denied or asked go to `void`.
    """
    matches = list(pattern.finditer(content, start))[-MAX_STATEMENTS:]
    for match in reversed(matches):
        before = content[max(0, match.start() - MAX_BEFORE) : match.start()]
        if pattern is not MARK and DOUBTED.search(before):
            void.append(match.end())
            continue
        text = _after(content, match, before)
        answer = _first_statement(text if pattern is MARK else EXCLAIMED.sub("", text))
        if not answer or NEGATED.match(text):
            continue
        end = text.find(answer) + len(answer)
        if ASKED.match(text, end) or DENIED.match(text, end):
            void.append(match.end())
            continue
        later = content[match.end() : match.end() + len(answer) + MAX_AFTER]
        if "<answer>" not in match[0].lower() and (taken := TAKEN_BACK.search(later)):
            later = content[match.end() + taken.end() :][-TAIL:]
            changed = conclusion_of(NOISE.sub(" ", later))
            if changed:
                yield stated(changed, later[:200]), "value"
                return
        shown = stated(answer, _line_before(before) + content[match.start() : match.end() + MAX_STATEMENT])
        if MATHEMATICS.search(answer):
            yield shown, "prose" if is_prose(text.split("\n")[0]) and not text.startswith(answer[:4]) else "value"
        elif not PREDICATE.match(answer):
            yield shown, "value" if len(answer) == 1 else "words"


def _after(content: str, match: re.Match, before: str) -> str:
    """What follows a mark, as far as it can belong to it."""
    text = content[match.end() : match.end() + MAX_STATEMENT]
    if "<answer>" in match[0].lower():
        text = ANSWER_END.split(text)[0]
    elif QUOTED_NAME.search(match[0]):  # a field of JSON
        text = re.split(r"\"", text[1:])[0] if text.startswith('"') else re.split(r"[,}\n]", text)[0]
    if text.count("**") % 2:
        text = text.replace("**", "")
    text = prepared(NOISE.sub(" ", text)).lstrip(MARKUP + ":：")
    return text.rstrip(MARKUP) if "*" in before or "*" in match[0] else text


def _line_before(before: str) -> str:
    """The words of the same sentence before a statement."""
    return re.split(r"[.\n。]", before)[-1].lstrip()[-30:]


def _first_statement(text: str) -> str:
    """What comes right after "the answer is": formulas, a line without prose, or what a sentence arrives at."""
    text = JUST.sub("", text)
    formulas = list(FORMULA.finditer(text))
    if formulas and not text[: formulas[0].start()].strip(MARKUP):
        end = run_of_formulas(text, formulas)
        if REJECTED_AT_ONCE.match(text, end):
            return ""
        unit = UNIT_AFTER.match(text[end:])
        return text[:end] + (rf" \text{{{unit[1]}}}" if unit and unit[1] else "")
    line = SENTENCE_END.split(ASIDE_IN_BRACKETS.sub("", text.split("\n")[0]))[0].strip(MARKUP).rstrip(STOPS)
    line = REMARK.sub("", line).rstrip(MARKUP + STOPS)
    short = TRAILING_WORDS.sub("", line)
    line = short if VALUE_FIRST.match(short) or not is_prose(line) else line
    if not is_prose(line) and not CHINESE_LEAD.match(line):
        return "" if is_supposed(line) else line
    return conclusion(line)
