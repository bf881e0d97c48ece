"""The letters that a value names: "C", "(C)", "C. text", "option C"; several for "A or C", "AC", "A to D".

All patterns run on plain text (ponder.verifiers.choice.text). Repetition is bounded, so that a search takes time in
proportion to the text.
"""

import re
from collections.abc import Iterable

MAX_VALUE = 300  # characters of a field's, a box's or a line's value

# The letters of options in Arabic and Bengali, as multilingual suites of MMLU print them.
FOREIGN = dict(zip("أبجدঅবডঢ", "ABCDABCD", strict=True))
OPEN = r"""[\s"'(\[{<【]{0,6}"""
CLOSE = r"""[\s"')\]}>】]{0,6}"""
UPPER = r"(?:[A-Z](?![A-Za-z0-9_])|[أبجدঅবডঢ](?!\w))"
LOWER = r"""[a-j](?=[)\]}"'.,;:!。]|\s*(?:\n|$))"""  # only where nothing goes on: "a" is a word
LETTER = rf"(?P<letter>{UPPER}|{LOWER})"
RUN = r"(?P<run>[A-J]{2,8}(?![A-Za-z0-9_]))"

LINE = re.compile(
    rf"\W{{0,12}}(?:\d{{1,3}}[.)]\s{{1,3}})?(?:(?:the|final|correct|option|choice|answer|letter|选项|选)[\s:]{{0,3}}){{0,3}}[\W_]{{0,6}}"
    rf"(?:{LETTER}|{RUN})(?P<rest>.{{0,{MAX_VALUE}}})",
    re.IGNORECASE,
)
# What stands between a letter and its option's text, or after a letter that stands alone. A question mark is doubt.
SEPARATED = re.compile(
    r"[\s\"')\]}>】]*(?:$|[)\]:,;|!。、✓✔✅☑]|选?项|(?<=\s)\(|\((?=[^()]{0,20}[一-鿿])|\.(?![a-z])|[-–—] |=> )"
)

# A second letter right after the first: "A or C", "A, B and D", "A/C". In "A, C is wrong" it starts a clause, and in
# "C, I think" it is a pronoun.
PRONOUN = r"(?!I(?:'|,|\s{1,3}(?!(?:and|or|are|is|both|also)\b)[a-z]))"
SECOND = re.compile(
    rf"{CLOSE}(?P<joint>[,(–—-]?\s{{0,3}}(?:,|/|;|&|\+|\||~|[-–—](?=\s?[A-J]\b)|\bor\b|\band\b|\bto\b|\bthrough\b|"
    rf"\bas well as\b|\band/or\b|(?<=\))\s?(?=\([A-J]\))|\s(?=[A-J][.!]?\s{{0,3}}(?:\n|$))|和|或者?|还是|及|与|、|以及|到))\s{{0,3}}"
    rf"(?:or|and|maybe|perhaps|possibly|probably|also|both|even|else|option|choice|\s){{0,6}}{OPEN}{PRONOUN}(?P<letter>{UPPER})"
)
CLAUSE = re.compile(
    r"\s{0,3}(?:(?P<plural>are|were|do|have|give|all|both|也|都|均|皆)|is|was|isn't|does|doesn't|fails?|has|can|cannot|can't|gives?"
    r"|would|being|having|violates?|contradicts?|ignores?|不|错|是)(?![a-z])"
    r"(?!\s?(?:both\s|all\s|also\s)?(?:correct|right|true|possible|plausible|对|正确))"
)
# In the same sentence or at the beginning of the next, a letter that is granted to be right, too.
RIGHT = r"(?:right|correct|true|possible|plausible|valid|acceptable|an answer|an option)"
BE = r"(?:is|are|could be|might be|may be|would be|can be|seems|looks)"
WORKS = r"(?:works?|fits?|holds?|applies|matches|satisfies|could be|might be|may be|would do)"
GRANTED = re.compile(
    rf"(?:[.!]\s)?[^.!?\n]{{0,80}}?(?:(?<![A-Za-z0-9_'-]){PRONOUN}(?P<first>{UPPER}){CLOSE}"
    rf"(?:{BE}\s(?:also|equally|just as|perhaps)\s{RIGHT}|{BE}\s(?:possible|plausible)\b|also\s(?:{BE}\s{RIGHT}|{WORKS})"
    rf"|{BE}\s{RIGHT},?\s(?:too|as well)|{WORKS},?\s(?:too|as well|equally well)|{BE},?\s(?:too|as well)(?=[.,;!]|$)"
    rf"|(?:could|might|may|can|would)\s(?:also|equally|well)\sbe\s{RIGHT})(?!\w)"
    rf"|\b(?:could|might|may|can|would)\s(?:also|equally|well|just as well|even)\s(?:be\s)?{OPEN}(?:option\s)?(?P<second>{UPPER})"
    rf"|\b(?:so is|as is|alternatively|or maybe|or perhaps|or possibly|and maybe|maybe|perhaps|possibly)\b[\s,]{{1,3}}{OPEN}"
    rf"(?:option\s)?(?P<third>{UPPER})(?={CLOSE}(?:[.,;!?\n]|$)))"
    rf"(?![^.!?\n]{{0,40}}\b(?:but|however|wrong|incorrect|tempting|excluded|ruled|violates|fails)\b)"
)
GOES_ON = re.compile(
    r"(?:\s{0,2}(?:[?=+^#×÷°](?!>)|[<>](?=\s?\w))|['-]\w|\s{0,2}\*\s{0,2}\w|\s?/\s?(?:\d|[a-z]\b)|\([A-Za-z0-9]{1,3}(?:\s?[,;]\s?[A-Za-z0-9]{1,3}){0,3}\))"
)
WORD = re.compile(r"[ \t]{1,3}([^\W\d_]\w{0,20})")
# Words that may follow an answer's letter within its sentence; before another word, "A" is an article.
REASONS = frozenset(
    (
        *("because", "since", "as", "for", "due", "which", "that", "with", "by", "and", "or", "but", "so", "not", "if"),
        *(
            "given",
            "from",
            "is",
            "was",
            "would",
            "must",
            "only",
            "per",
            "after",
            "though",
            "although",
            "while",
            "where",
        ),
        *("when", "rather", "instead", "based", "here", "then"),
    )
)


def read_letters(value: str) -> tuple[str, ...]:
    """The letters that a field's or a box's value names.

    >>> read_letters("(c)"), read_letters("B. 20 m"), read_letters("A, C"), read_letters("12")
    (('C',), ('B',), ('A', 'C'), ())
    """
    value = value.strip().strip("\"'.").strip()
    match = LINE.match(value)
    if match and (match["letter"] or "").islower():
        match = LINE.match(value.upper())  # "a, b": in lower case throughout
    if match is None:
        return ()
    rest = match["rest"]
    if run := match["run"]:
        return each_once(run) if run.isupper() and not rest.strip(" .)]}\"'!") else ()
    return with_second(match["letter"], rest) if SEPARATED.match(rest) or SECOND.match(rest) else ()


def each_once(letters: Iterable[str]) -> tuple[str, ...]:
    """Each letter once, in capitals, those of other scripts as the Latin ones they stand for."""
    return tuple(dict.fromkeys(FOREIGN.get(letter, letter.upper()) for letter in letters))


def with_second(letter: str, rest: str) -> tuple[str, ...]:
    """The letter, and those joined to it in what follows, unless they are the subject of a clause of their own."""
    letters, position, joint = [letter], 0, ""
    while second := SECOND.match(rest, position):
        joint = joint or second["joint"]
        letters.append(second["letter"])
        position = second.end()
    clause = CLAUSE.match(rest, position) if joint else None
    if clause and (joint.strip()[0] in ",;(、" or (len(letters) == 2 and not clause["plural"])):
        letters = letters[:1]
    if granted := GRANTED.match(rest):
        letters += [granted["first"] or granted["second"] or granted["third"]]
    return each_once(letters)


def names_an_option(letter: str, rest: str, after_colon: bool) -> bool:
    """Whether the letter stands for an option, judged by what follows it: in "A triangle" and "C major" it does not."""
    if GOES_ON.match(rest):
        return False
    word = WORD.match(rest)
    if word is None or word[1] in REASONS:
        return True
    if letter in "AI" or letter.islower():
        return False
    return after_colon or not word[1].islower()
