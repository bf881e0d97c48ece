"""What the words around a sentence make of it: said, only supposed, or denied.

"The answer is B" settles nothing in "students often think the answer is B", in quotes, or as "the least likely answer is
B"; after "if" it settles something only where nothing else does. Only the sentence itself is looked at, from its last
"but", "so" or the like.
"""

import re
from typing import Literal

Standing = Literal["said", "supposed", "denied"]

BEFORE = 160  # characters before a statement that are looked at
AFTER = 80

SENTENCE_END = re.compile(r"[.!?](?=\s|$|[\"')])|[\n;。!?]")
# Where a clause of its own begins, which what stands before it does not reach.
TURN = re.compile(
    r"(?:[,:)\]]|\s[-–—]|^)\s{0,2}(?:and\s)?so\b(?!\s(?:tempting|common|easy|many))|\b(?:thus|therefore|hence|but|however|"
    r"yet|instead|consequently|which (?:means|gives|leaves)|we get|we conclude)\b|因此|所以|故(?!障)|但|然而|[→⇒]",
    re.IGNORECASE,
)
CONDITION = re.compile(
    r"\b(?:if|unless|suppos(?:e|ed|ing)|assum(?:e|ed|ing)|imagine|provided|whether|had (?:it|we|they|the|there|he|she|this)|"
    r"were (?:it|we|they|the|there|this)|should (?:the|it|we)|in (?:that|this|which|such a) case|otherwise)\b"
    r"|如果|若|假如|假设|倘若|要是|除非",
    re.IGNORECASE,
)
WHEN = re.compile(r"\b(?:if|when|unless|provided|assuming|in case|you get|one gets)\b|如果|若", re.IGNORECASE)
WOULD = re.compile(r"(?<!\bI )(?<!\bwe )\b(?:would|could|might)\b", re.IGNORECASE)
OF_OTHERS = re.compile(
    r"\b(?:(?:students?|people|many|some|others?|one|someone|anyone|beginners|candidates|readers|you|they|he|she|intuition|"
    r"a (?:friend|classmate|colleague|student)|my (?:friend|teacher|classmate))(?: \w{1,12}){0,2} "
    r"(?:think|thinks|thought|say|says|said|argue|argues|believe|believes|claim|claims|guess|choose|chooses|pick|picks|"
    r"answer|answers|answered|suggests?|conclude|expect|assume|be tempted|are tempted|jump)"
    r"|(?:first|initial) (?:thought|guess|idea|instinct|impression)"
    r"|tempt(?:s|ed|ing|ation)|mistake(?:n|nly)?|misconception|misread\w{0,4}|trap|wrongly|incorrectly|erroneously|falsely|"
    r"na[iï]vely?|first glance|(?:at first|initially|originally)(?: \w{1,12}){0,3} (?:thought|said|seem|look|appear|guess|"
    r"believ|think|say)\w{0,3})\b"
    r"|误选|错选|误以为|有人(?:会|误|认)|容易(?:误|错|认为|以为|选)|易错|常见错误|学生(?:会|常|可能|往往|容易)|例如",
    re.IGNORECASE,
)
OTHERS_NOUN = re.compile(
    r"\b(?:their|his|her|(?!(?:let|it|that|here|what|there|question|problem|exercise|puzzle|today|item|quiz|task)'s)\w{2,15}(?:'s|s'))\s(?:\w{1,12}\s)?$|"
    r"\b(?:tempting|common|popular|other|another|second[- ]best|initial|first|previous|original|earlier|sample|example|"
    r"(?:an?|one) (?:\w{1,12} )?(?:possible|plausible|likely|conceivable))\s(?:\w{1,12}\s)?$",
    re.IGNORECASE,
)
BEGINS_WITH_NOUN = re.compile(r"(?:answer|ans|choice|option|alternative|selection|pick|solution|result)", re.IGNORECASE)
ASKED_NOUN = re.compile(r"\b(?:no|any|each|every|which|what|let the)\s(?:\w{1,12}\s)?$", re.IGNORECASE)
WRONG_NOUN = re.compile(
    r"\b(?:(?:least|less|not the|un)\s?(?:likely|plausible|probable|correct|right|suitable|accurate|appropriate|good)"
    r"|wrong|incorrect|worst|false|bad|invalid|rejected|eliminated|excluded)\s(?:\w{1,12}\s)?$"
    r"|(?:错误|不正确|干扰)的?$",
    re.IGNORECASE,
)
# "Although A is tempting, the answer is C": what stands between the last comma and the statement is no more than this.
MAIN = re.compile(r"\s*(?:then |and )?(?:(?:the|our|my|a) )?(?:\w{1,12} )?", re.IGNORECASE)
# In the clause before: the statement is refused, or nobody knows.
REFUSED = re.compile(
    r"\b(?:nobody|no one|hardly|den(?:y|ies|ied)|disprov\w{1,4}|refut\w{1,4}|reject\w{0,3} that|(?:is|remains) (?:unclear|unknown|uncertain)|"
    r"(?:wrong|incorrect|false|untrue|absurd|rash|premature|unwise|impossible|mistaken|careless) (?:to|that)|"
    r"not (?:true|the case|clear|certain|obvious|known|possible|sure|convinced) (?:that|whether|if|to)|no (?:reason|evidence|proof)|"
    r"(?:cannot|can't|could not|couldn't|don't|do not|doesn't|does not|never) (?:\w{1,12} )?(?:say|tell|know|show|prove|mean|"
    r"follow|conclude|claim|be sure|believe|think))\b|不能说|不知道|不确定",
    re.IGNORECASE,
)
HEDGED = re.compile(
    r"\b(?:could|might|may|can|maybe|perhaps|possibly)\b(?! only| be (?:shown|seen|found|deduced|read))|也许|可能|或许",
    re.I,
)
UNSURE_BEFORE = re.compile(
    r"(?:(?:\bI (?:\w{1,12} )?(?:thought|assumed|believed|guessed|expected|figured|suspected)|\b(?:if|whether|suppos\w{1,4}|assum\w{1,4}|unless|doubt|not (?:sure|certain|convinced)|cannot|not|never|wrong to|than to)|n't"
    r"|(?:\bnot|n't|\bnever)(?: \w{1,12})? (?:think|believe|say|mean|imply|agree|claim|conclude|assume))\s"
    r"(?:that\s)?(?:(?:the|an?|our|your|my)\s)?(?:(?:correct|right|best|final|only)\s)?|如果|假设|若)$",
    re.IGNORECASE,
)
EXAMPLE = re.compile(
    r"(?:\be\.g\.|\bfor example|\bfor instance|\bsuch as|\bexample:|\bin the form(?: of)?|例如|比如|形如)[\s,:\"'({]{0,6}$",
    re.IGNORECASE,
)
QUESTION = re.compile(r"\W{0,4}(?:is|are|could|can|would|should|might|why|which|what|does|do|how|whether)\b", re.I)
ASKS = re.compile(r"[^.!?\n]{0,80}\?")
CALLED_WRONG = re.compile(
    r"[\s,(]{0,4}or (?:something|some|another|anything|none|neither|one of|any|the other|not)\b|"
    r"""[\s"')\]]{0,4}(?:(?:is|was|would be|are|being)\s(?:\w{1,12}\s)?(?:wrong|incorrect|false|mistaken|not|a (?:common )?mistake|"""
    r"a trap|tempting|an error)|(?:ignores|fails|misses|neglects|forgets|confuses|overlooks|violates|contradicts|(?:but|though) wrong)\b|是?(?:错|不对|不正确)|[吗吧]|呢\?)",
    re.IGNORECASE,
)
TO_BE_CHECKED = re.compile(r"[\s,]{0,3}(?:at first|initially|on the face of it|at a glance)\b", re.IGNORECASE)


def standing(text: str, start: int, end: int) -> Standing:
    """What is to be made of the statement text[start:end]: `supposed` ones count only where nothing else is said."""
    before = _clause(text[max(0, start - BEFORE) : start])
    near = text[max(0, start - 40) : start]
    if UNSURE_BEFORE.search(near) or EXAMPLE.search(near) or WRONG_NOUN.search(near):
        return "denied"
    if BEGINS_WITH_NOUN.match(text, start) and ASKED_NOUN.search(near):
        return "denied"
    said, after = text[start:end], text[end : end + AFTER]
    if CALLED_WRONG.match(after):
        return "denied"
    if QUESTION.match(before or said) and ASKS.match(after):
        return "denied"
    would = WOULD.search(said) or WOULD.search(before[-20:])
    follows = WHEN.search(SENTENCE_END.split(after, maxsplit=1)[0])
    if would and (CONDITION.search(before) or follows):
        return "denied"
    main = _main_clause(before)
    quoted = near[-1:] in ('"', "'") and after[:1] in ('"', "'")
    if quoted or REFUSED.search(main) or HEDGED.search(said) or OF_OTHERS.search(main) or OTHERS_NOUN.search(near):
        return "denied"
    return "supposed" if would or follows or CONDITION.search(before) or TO_BE_CHECKED.match(after) else "said"


def _clause(before: str) -> str:
    """The part of the text before a statement that belongs to its clause."""
    ends = [match.end() for match in SENTENCE_END.finditer(before)]
    before = before[ends[-1] :] if ends else before
    turns = [match.end() for match in TURN.finditer(before)]
    return before[turns[-1] :] if turns else before


def _main_clause(before: str) -> str:
    """The clause from its last comma on, where the statement begins right after it; "that, in a vacuum, the" goes on."""
    head, comma, tail = before.rpartition(",")
    return tail if comma and MAIN.fullmatch(tail) and not re.search(r"\bthat,", before) and head else before
