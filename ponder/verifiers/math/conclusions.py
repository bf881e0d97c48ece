"""What prose arrives at: the value in its last sentence that has one. Looks at short texts only, see MAX_READ."""

import re

from ponder.verifiers.math.emphasis import unemphasised

MAX_READ = 2_000  # characters of the end of a text that are read
MAX_QUESTION = 300  # characters of a question at the end

CJK = "\u4e00-\u9fff"
# A later check, remark or offer says nothing new: the answer stands before it.
ASIDE = re.compile(
    r"\W*(?:(?:let(?:'s| us| me)|we (?:can|may)|i(?:'ll| will)|to|quick|sanity|double)[\s-]+)*"
    r"(?:check(?:ing)?|verif(?:y|ying|ication)|note|remark|explanation|reason(?:ing)?|justification|indeed|hint)\b"
    r"|\W*(?:验证|检验|检查|说明|注意?)[：:，]",
    re.IGNORECASE,
)
QUESTION = re.compile(r"(?:^|(?<=[.!?。！？])\s*)[^.!?。！？]*[?？]\W*$")
IS_THE_ANSWER = re.compile(
    r",?\s+(?:is|are)\s+(?:the|our|my|a)\s+[a-z ]{0,30}(?:answers?|solutions?|results?)\b.*", re.IGNORECASE | re.DOTALL
)
NO_ANSWER = re.compile(
    r"\b(?:could ?n[o']t|can ?n[o']t|can't|unable|no answer|sorry|(?:do not|don't) know"
    r"|(?:wrong|incorrect|false|mistaken) (?:answer|result|value|solution)|at random|need to find|do(?: not|n['o]t) (?:answer|say|write|use|choose|pick)|random(?:ly)? (?:choice|guess|pick)"
    r"|answer (?:has|contains|lies|needs|requires|consists|ranges|starts|begins|ends))\b",
    re.IGNORECASE,
)
# Words before a last number that make a bound or a guess of it, or a label: "nearly 5", "Step 5".
BOUND = re.compile(
    r"(?:\b(?:at most|at least|(?:less|more|fewer|greater|other) than|up to|not|nearly|almost|(?:about|approximately|roughly|around)(?!\W*[\d,]*\.\d)"
    r"|half of|twice|thrice|below|above|under|over|chapter|section|step|part|page|problem|question|exercise|example"
    r"|case|equation|figure|table|theorem|lemma|line|item|option|attempt|method|note|hint|day|year|version|exceeds?"
    r"|except|without|from|before|after|between|if|unless|multiple of|divisor of|factor of"
    r"|rather than|instead of|unlike|excluding|neither|nor|no(?=\.))|n't|#|(?:divisors?|factors?|multiples?|digits?|roots?|squares?|cubes?|powers?|logarithm|log|sine|cosine|tangent|reciprocal"
    r"|inverse|negative|opposite|percent|half|third|quarter|fraction|function|remainder|quotient|permutations?|combinations?"
    r"|arrangements?|partitions?|letters|out|one|some|any|each|part|parity|successor|predecessor|double|triple) of"
    r"|(?:product|sum|difference|quotient|ratio|gcd|lcm|average|mean|greater|larger|smaller|maximum|minimum) of [^.=]{1,40} and"
    r"|(?:sum|product|average|mean|set|list|series|sequence) of|like|such as|e\.g\.|for example|adding|subtracting|multiply(?:ing)? by|divid(?:e|ing) by|divided by|multiplied by|plus|minus|times|modulo"
    r"|不是|不等于|不能是|不会是|不可能是|[至最][少多](?:有|是|为|能)?|不[超少多]于?过?|[超多少小大]于|超过|大约|约为?|接近|除了|如果|假[设如]|第)\W*[\d.,/]+\W*(?:[A-Za-z]+\W*"
    rf"|[{CJK}]{{1,3}}\W*)?$",
    re.IGNORECASE,
)
UNSURE = re.compile(
    r"\b(?:maybe|perhaps|possibly|either(?! [^.]*\bor\b)|guess(?:es|ing)?|some(?:one|body) (?:else )?(?:said|says|claims?|claimed|thinks?|thought)|not sure|whether|(?:(?:might|may|could)|would(?=.*\b(?:if|but|unless)\b)) (?:\w+ )?(?:be|equal|have been)\b(?!.*(?:\b(?:is|are|equals)|=)\W+[\d$\\-])"
    r"|(?:some|people|others?|students?|you|one) (?:may|might|could|would|will)? ?(?:say|think|believe|guess|claim)s?"
    r"|sources? (?:say|claim|give)s?|nobody|no one|unlikely|should(?:n't| not)|no way)\b|可能|也许|或许|是否",
    re.IGNORECASE,
)
SUPPOSED = re.compile(
    r"\W*(?:(?:now|then|so|and|first|next|we|let us|let's|can) )*(?:suppose|assume|assuming|let|take|pick|choose|if(?!.*,\s*(?:\$|[a-z]+\b).*[\d$\\])|try|check|reject|consider"
    r"|test|verify|discard|exclude)\b(?!.*\b(?:then|so|hence|thus|get|gives?|is|are|have|equals?|obtain|must)\b.*[\d$\\])"
    r"|\W*(?:(?:now|then|so|and|first|next|we|let us|let's|can|to),? )*(?:recall|find\b.*\b(?:such|so) that|(?:compute|calculate|determine|evaluate)\b(?!.*(?:=|:|\b(?:is|are|get|gives?|obtain)\b)))\b"
    r"|\W*(?:since|because|given that|although|though|while)\b[^,]*,[^\d$\\=]*$"
    r"|\W*(?:假[设如]|设|如果|若)(?!.*(?:则|那么|所以|得))",
    re.IGNORECASE | re.DOTALL,
)
REJECTED = re.compile(
    r"\b(?:impossible|fails?|failed|cannot|can't|invalid|wrong|incorrect|false|extraneous|rejected|excluded|discarded"
    r"|contradict\w*|ruled out|not (?:\w+ ){0,3}(?:a |the )?(?:solution|answer|valid|possible|allowed|work|hold|satisfy"
    r"|satisfied|enough|correct|right|true)|is(?:n't| not)|does(?:n't| not)|doesn't|won't|too (?:small|large|big|high|low|many|few))\b"
    r"|不成立|不符合|不合题意|舍去|矛盾|错误|不对|不可能|不正确",
    re.IGNORECASE,
)
# What only tells of a number that stands in the question.
NOTICED = re.compile(
    r"(?!.*(?:\b(?:yields?|gives?|we get|only|which has)\b|=))"
    r".*\b(?:I (?:notice|see|observe|note|recall|remember|wonder)|(?:the )?(?:problem|question|statement|exercise) (?:says|states|gives"
    r"|mentions|asks|tells|involves|has|contains)|(?:in|from) (?:the|this) (?:problem|question|statement)|we are (?:given|told|asked)"
    r"|to consider\W*$|thinking (?:of|about)|(?:is|are|was|were) (?:given(?! by)|mentioned|stated in)|appears? in)\b|\W*(?:given|question|known|data|input)\s*[:：]",
    re.IGNORECASE,
)
# What announces that the answer is still to come.
UNFINISHED = re.compile(
    r"\W*(?:now |next,? |so |first,? )?(?:let me (?!know)|let's |i (?:need|have|want) to |i(?:'ll| will) |we (?:still )?(?:need|have) to |(?<=ow )we\b|(?<=ext )we\b)",
    re.IGNORECASE,
)
# Words behind a number that make a guess of it.
DOUBTED_AFTER = re.compile(
    r"\(?\b(?:approximat\w+|approx|estimat\w+|unsure|not (?:sure|certain)|uncertain|guess\w*|made an? (?:error|mistake)|mistaken)\b",
    re.IGNORECASE,
)
CONNECTIVE = re.compile(
    r"\b(?:is|are|be|equals?|becomes|(?:gives?|leaves?)(?: (?:us|him|her|them|me))?|yields?|get|have|obtain|was)\b:?\s|:(?!\d)\s*|[：是为]\s*|等于\s*"
    r"|^(?:so|thus|hence|therefore),?\s",
    re.IGNORECASE,
)
# "5 more to have 12": what follows is what they are for.
PURPOSE = re.compile(r"(\d\W*(?:more|additional|extra|further|fewer|less)\b[^,;.]{0,40}?)\s+to\s+[a-z]+\b[^,;=]*$")
# "42 of them", "x = 42 as required"
TRAILING_WORDS = re.compile(
    r"\s+(?:(?:of(?! [A-Za-z]\b(?! ))|as|in|for|at|on|which|that|because|since|when)\s+[A-Za-z][A-Za-z ]*|altogether|overall|indeed|again|too)$"
)
CHINESE_LEAD = re.compile(
    rf"\s*[{CJK}\u3040-\u30ff\uac00-\ud7af\u00c0-\u024f\u0400-\u04ff]+[^=]*\d|[^A-Za-z]*[\u3040-\u30ff\uac00-\ud7af]"
)  # words before a number
CHINESE_SO = re.compile(
    "^\\s*(?:故|即|则|所以|因此|于是|从而|综上(?:所述)?|可得|解得|∴|答)+[，,：:]?\\s*(?=[^，,]*$|[^\u4e00-\u9fff]*$)"
)
EXCLAIMED = re.compile(r"(?<=[\w$%)])!+$")
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$((?:[^$\\]|\\.)+?)\$|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)
DISPLAY = re.compile(
    r"(?:\\\[|\$\$)?\s*\\begin\{(?:equation|align|aligned|gather)\*?\}(.*?)\\end\{[a-z]+\*?\}\s*(?:\\\]|\$\$)?",
    re.DOTALL,
)
CALCULATOR = re.compile(r"<<[^<>\n]{1,200}>>")  # GSM8K's notes for a calculator: 48+24 = <<48+24=72>>72
BOLD_EXCLAIMED = re.compile(r"(?<=[\w.)%$])(\*\*|__|\*)!+(?=\s|$)")
LINE_START = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]+|(?:=+>|-+>|→|⇒|⟹|➜|➔)[ \t]*)", re.MULTILINE
)  # a heading's mark, an arrow
# "27 is odd" tells of a number, "x > 8" is more than its number, "8 books with $40" ends with what they cost.
PREDICATED = re.compile(
    r"\d\W*\s(?:is|are)\s+(?:not\s+)?(?:too|also|odd|even|prime|composite|divisible|positive|negative|small|large|an? (?:\w+ )?(?:number|integer|multiple|divisor"
    r"|factor|prime|square|cube|power))\b[^\d]*$",
    re.IGNORECASE,
)
INEQUALITY = re.compile(r"(?<![\w$\\])((?:-?[\d./]+\s*(?:<=?|≤)\s*)?[A-Za-z]\s*(?:[<>]=?|[≤≥])\s*-?[\d./]+)\W*$")
WITH_WHAT = re.compile(
    r"(\d[^\d=]{0,60}?)\s+(?:with|using|in|after|within|over|during|for|by)\s+(?:the |his |her |their |those |these |all |only |exactly )?\$?\d[\d,.]*"
    r"(?!\W*[-+*/×÷]|[^\d]*\b(?:total|altogether|all|each)\b)[^\d=]*$"
)
BECAUSE = re.compile(r",?\s+(?:because|since)\b")
CONCLUDES = re.compile(r"=|\b(?:so|thus|hence|therefore|then|equals)\b")
AT = re.compile(r"^at\s+(?=\()")
EITHER = re.compile(r"\beither\s+(?=[-\d$\\(])", re.IGNORECASE)
PROBLEM = re.compile(
    r"\b(?:how (?:many|much|long|far|old|often|tall)|what|which|who|where|when)\b[^?？.\n]*[?？]\W*$",
    re.IGNORECASE,
)
DISPLAYED = re.compile(r"\$\$(?:[^$]|(?<=\\)\$)+\$\$|\\\[.+?\\\]", re.DOTALL)
NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.\\^{(])-?(?:[$€£¥]\s?)?(?:\d+ \d+/\d+|(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+(?!\d)|\d+)(?:\.\d+|,\d{1,2}(?!\d|,\d))?(?:/\d+)?)"
    rf"(?:\s?(?:%|°|[^\W\d_{CJK}]{{1,3}}[²³]|€|(?:km|cm|mm|mg|m[lL]|kg|m|g|L|lbs?|ft|hrs?|min|oz|mph)(?![A-Za-z])))?(?![A-Za-z0-9_^{{]|/(?!(?:[a-z]{{3,12}}|hr|kg|km|lb)\b))"
)
# What an equation in a sentence arrives at: "so he has 4 + 5 = 9 points in 40 minutes".
CALCULATED = re.compile(r"\d[^=]{0,60}[-+*/×÷x%][^=]{0,60}\d")
EQUALS = re.compile(
    rf"=\s*({NUMBER.pattern})(?!\s*[-+*/×÷^=(]\s*\d)(?![^=]*\b(?:so|thus|hence|therefore|which|must|total)\b[^=]*\d)(?=[^=]*$)"
)
MONEY = re.compile(r"\$[\d,.]+[^$\\]*[^\s\d$\\][^$\\]*\$\d")  # two amounts, not one formula
SENTENCE_END = re.compile(r"(?<=[^\s.])\.(?=\s+[A-Z(]|\s*$)|[。！](?=.)|[!?](?=\s+\S)")
COMMAND = re.compile(r"\\[a-z]+\s*\{[^{}]*\}|\\[A-Za-z]+")
BETWEEN_FORMULAS = re.compile(r"[\s,;，、；]*(?:and|or|或者?|和|与|及)?\s*")
LETTER = "A-Za-z\u00c0-\u024f\u0400-\u04ff"  # Latin and Cyrillic
WORD = re.compile(rf"(?<![\\A-Za-z])[{LETTER}]{{2,}}|[{CJK}\u3040-\u30ff\uac00-\ud7af]{{2}}")
MARKUP = " \t\n*_`\u3000"
SPACE = " \t\n`\u3000"
STOPS = ".。"
PROOF_END = re.compile(
    r"(?:\bQ\.?\s?E\.?\s?D\b\.?|[∎■□▪◻◼⬛]|\$?\\(?:blacksquare|square|qed|Box|qedsymbol)(?![A-Za-z])\$?)[\s.$]*$"
)
VALUE = re.compile(r"\d|\$|\\")


def conclusion_of(text: str) -> str | None:
    """What the last sentence with a formula or a number arrives at. None if there is none.

    >>> conclusion_of("We add. So the total is 12 apples."), conclusion_of("Suppose x = 5.")
    ('12 apples', None)
    """
    return _last_statement(prepared(text[-MAX_READ:])) or None


def prepared(text: str) -> str:
    """A short text without marks of emphasis and of a proof's end, each displayed formula on one line."""
    if "<<" in text:
        text = CALCULATOR.sub("", text)
    text = DISPLAY.sub(_last_row, text)
    text = LINE_START.sub("", BOLD_EXCLAIMED.sub(r"\1", text))
    if "$$" in text or "\\[" in text:
        text = DISPLAYED.sub(lambda match: match[0].replace("\n", " "), text)
    return PROOF_END.sub("", unemphasised(text).strip(SPACE)).strip(SPACE)


def _last_row(display: re.Match) -> str:
    """What a displayed environment arrives at: the last side of its last row."""
    rows = [row for row in display[1].split("\\\\") if row.strip()]
    return f"$$ {rows[-1].split('&')[-1].strip().removeprefix('=')} $$" if rows else " "


def is_prose(text: str, words: int = 3) -> bool:
    """Whether a text has that many words outside formulas and commands, "and" and "or" not counted."""
    plain = FORMULA.sub(" ", COMMAND.sub(" ", text))
    return sum(word not in ("and", "or") for word in WORD.findall(plain)) >= words


def run_of_formulas(text: str, formulas: list[re.Match]) -> int:
    """End of the first formulas that are joined by commas, "and" or "or"."""
    end = formulas[0].end()
    for formula in formulas[1:]:
        if not BETWEEN_FORMULAS.fullmatch(text[end : formula.start()]):
            break
        end = formula.end()
    return end


def sentences_of(line: str) -> list[str]:
    return [sentence for sentence in SENTENCE_END.split(line) if sentence.strip(MARKUP + STOPS)]


def _last_statement(text: str) -> str:
    """What the last sentence with a formula or a number arrives at; of several lines, the last such line."""
    if PROBLEM.search(text, max(0, len(text) - MAX_QUESTION)):
        return ""  # it ends with the question that was asked
    formulas = list(FORMULA.finditer(text))
    if formulas and not text[formulas[-1].end() :].strip(MARKUP + ".,;!。"):
        line = text[text.rfind("\n", 0, formulas[-1].start()) + 1 :]
        sentence = SENTENCE_END.split(line.rstrip(MARKUP + "."))[-1].strip()
        if not ASIDE.match(line):
            return "" if is_supposed(sentence) else _last_formulas(text, formulas)
    lines = [QUESTION.sub("", line) if line.rstrip(MARKUP)[-1:] in ("?", "？") else line for line in text.split("\n")]
    lines = [line for line in lines if line.strip(MARKUP)]
    if not lines:
        return ""
    valued = [k for k, line in enumerate(lines) if VALUE.search(line)]
    stated = [k for k in valued if not ASIDE.match(lines[k])] or valued
    if not stated:
        return conclusion(sentences_of(lines[-1])[-1].strip(MARKUP + STOPS)) if sentences_of(lines[-1]) else ""
    last = stated[-1]
    sentences = sentences_of(lines[last])
    if not sentences:
        return ""
    at = max((k for k, sentence in enumerate(sentences) if VALUE.search(sentence)), default=len(sentences) - 1)
    later = " ".join(sentences[at + 1 :] + [line for line in lines[last + 1 :] if not ASIDE.match(line)])
    if UNFINISHED.match(later) and not ASIDE.match(later):
        return ""
    if REJECTED.search(later) and not re.search(r"\bnot only\b", later):
        return ""
    return conclusion(sentences[at].strip(MARKUP + STOPS))


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


def is_supposed(sentence: str) -> bool:
    """Whether a sentence only supposes something, or is not sure of it."""
    return bool(UNSURE.search(sentence) or SUPPOSED.match(sentence))


def _without_reason(sentence: str) -> str:
    """The sentence up to its last "because", where a number stands before it and no conclusion after it."""
    reason = next(reversed(list(BECAUSE.finditer(sentence))), None)
    if reason is None or CONCLUDES.search(sentence, reason.end()) or not re.search(r"\d", sentence[: reason.start()]):
        return sentence
    return sentence[: reason.start()]


def conclusion(sentence: str) -> str:
    """What a sentence arrives at: its last formula, what follows its last "is", or its last number."""
    sentence = EITHER.sub("", CHINESE_SO.sub("", sentence))
    sentence = EXCLAIMED.sub("", PURPOSE.sub(r"\1", sentence))
    if NO_ANSWER.search(sentence) or NOTICED.match(sentence) or is_supposed(sentence):
        return ""
    sentence = _without_reason(sentence)
    if "\\" not in sentence and MONEY.search(sentence):
        sentence = sentence.replace("$", "")
    equals = EQUALS.search(sentence)
    if (
        equals
        and CALCULATED.search(sentence, 0, equals.start())
        and is_prose(sentence, 1)
        and not FORMULA.search(sentence)
    ):
        return "" if REJECTED.search(sentence, equals.end()) else equals[1]
    sentence = WITH_WHAT.sub(r"\1", IS_THE_ANSWER.sub("", sentence))
    if BOUND.search(sentence) or PREDICATED.search(sentence):
        return ""
    if inequality := INEQUALITY.search(sentence):
        return inequality[1]
    formulas = list(FORMULA.finditer(sentence))
    if formulas and REJECTED.search(sentence, formulas[-1].end()):
        return ""
    if formulas and not NUMBER.search(sentence, formulas[-1].end()):
        return _last_formulas(sentence, formulas)
    start, valued = 0, NUMBER.search(sentence) is not None
    for match in CONNECTIVE.finditer(sentence):
        rest = sentence[match.end() :]
        if rest.strip() and (not valued or NUMBER.search(rest) or not is_prose(rest, 1)):
            start = match.end()
    rest = sentence[start:].strip(MARKUP)
    if not is_prose(rest):
        rest = TRAILING_WORDS.sub("", rest).rstrip(",; ")
    if not is_prose(rest) and (start or not is_prose(rest, 1)) and not CHINESE_LEAD.match(rest):
        return "" if REJECTED.search(rest) else AT.sub("", rest)
    numbers = list(NUMBER.finditer(sentence))
    if numbers:
        end = numbers[-1].end()
        return "" if REJECTED.search(sentence, end) or DOUBTED_AFTER.search(sentence, end) else numbers[-1][0]
    return rest if start else ""
