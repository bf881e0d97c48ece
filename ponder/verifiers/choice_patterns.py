"""The words and marks by which a text states a chosen letter, as patterns for ponder.verifiers.choice_statements.

They run on plain text (`choice_statements.plain`): no emphasis, straight quotes, half-width letters. Repetition is
bounded, or starts at words that are rare, so that a search takes time in proportion to the text.
"""

import re

MAX_VALUE = 300  # characters of a field's, a box's or a line's value

INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
MARKS = dict.fromkeys(map(ord, "*`$"))  # Markdown's emphasis and LaTeX's dollar
QUOTES = dict.fromkeys(map(ord, "“”„«»「」『』"), '"') | dict.fromkeys(map(ord, "‘’‚"), "'")
PLAIN = INVISIBLE | MARKS | QUOTES
DELIMITER = re.compile(r"\\[()\[\]!,;: ]|\\q?quad\b|~")
STYLED = re.compile(r"\\(?:text|math|operatorname|bm|boldsymbol)(?:rm|bf|sf|it|tt|normal)?\s*\{([^{}]{0,300})\}")

# The letters of options in Arabic and Bengali, as multilingual suites of MMLU print them.
FOREIGN = dict(zip("أبجدঅবডঢ", "ABCDABCD", strict=True))
OPEN = r"""[\s"'(\[{<]{0,6}"""
CLOSE = r"""[\s"')\]}>]{0,6}"""
UPPER = r"(?:[A-Z](?![A-Za-z0-9_])|[أبجدঅবডঢ](?!\w))"
LOWER = r"""[a-j](?=[)\]}"'.,;:!。]|\s*(?:\n|$))"""  # only where nothing goes on: "a" is a word
LETTER = rf"(?P<letter>{UPPER}|{LOWER})"
RUN = r"(?P<run>[A-J]{2,8}(?![A-Za-z0-9_]))"

KEY = r"(?:(?:final|correct|your|my|the)[_ ])?(?:answer|choice|option)(?:[_ ](?:letter|choice|option))?|答案|选项"
FIELD = re.compile(
    rf"""(?P<quote>\\{{0,2}}["'])\s{{0,3}}(?:{KEY})\s{{0,3}}(?P=quote)\s{{0,20}}[:=]\s{{0,20}}(?!\s)"""
    r"""|<(?:final_)?answer>""",
    re.IGNORECASE,
)
FIELD_VALUE = re.compile(
    r"""\\{0,2}"(?P<double>[^"\\\n]{0,300})\\{0,2}" | \\{0,2}'(?P<single>[^'\\\n]{0,300})\\{0,2}'
    | \[(?P<list>[^\[\]]{0,300})\] | (?P<bare>[^"'\[\],}<\n]{0,300})""",
    re.VERBOSE,
)
# What may follow in the same JSON object: the reason, whose words are no statement of their own.
MEMBER = re.compile(
    r"""\s{0,20},\s{0,20}(?P<quote>["'])[^"'\\\n]{1,80}(?P=quote)\s{0,20}:\s{0,20}"""
    r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|\[[^\[\]]{0,5000}\]|[^"'{}\[\],]{1,80})""",
    re.DOTALL,
)
EXAMPLE = re.compile(
    r"(?:\be\.g\.|\bfor example|\bfor instance|\bsuch as|\bexample:|\bin the form(?: of)?|例如|比如|形如)[\s,:\"'({]{0,6}$",
    re.IGNORECASE,
)
PLACEHOLDERS = frozenset(("X", "LETTER", "YOUR ANSWER", "YOUR CHOICE", "CHOICE", "ANSWER", "...", "?", "_"))

BOX = re.compile(r"\\f?box(?:ed)?\s{0,5}(?:\{(?P<value>[^{}]{0,300})\}|(?P<open>\{)|(?P<letter>[A-Z])(?![A-Za-z]))")
BETWEEN_BOXES = re.compile(r"\s{0,6}(?:,\s{0,3})?(?:and|or|,|;|/|&|和|或|、)\s{0,6}")

ADVERBS = (
    r"(?:(?:therefore|thus|then|hence|clearly|obviously|definitely|certainly|indeed|simply|most|likely|probably|"
    r"presumably|either|both|only|the|correct|right|best|option|choice|letter|answer|alternative|is|be|opción|opcion|"
    r"option|opzione|opção|вариант|la|le|el|die|der|das|den|选项|是|为|:)[\s:(\"'\[]{1,4}){0,5}"
)
NOT_BUT = r"(?:not\s{1,3}[(\"']?[A-Z][)\"']?,?\s{1,3}(?:but|so|hence|thus|therefore)\s{1,3}(?:rather\s{1,3})?)?"
NOUN = r"""(?<![A-Za-z])(?:answers?|choice|option|alternative|selection|pick|solution)\b(?!\\{0,2}["']\s{0,3}[:=])"""
FOREIGN_NOUN = (
    r"(?:antwort|lösung|réponse|respuesta|risposta|resposta|ответ|jawaban|jibu|cevap|yanıt|odpowiedź|đáp án|ìdáhùn|"
    r"答え|正解|正答|정답|답변|답|উত্তর|उत्तर|الإجابة|الجواب|إجابة)"
)
IS = r"(?:\bis\b|\bare\b|\bbe\b|\bwas\b|'s\b|:|=|->|→|\s-\s|\s{0,3}\n\s{0,3}(?=\W{0,4}[A-Z]\W{0,4}(?:\n|$)))"
FOREIGN_IS = r"(?::|=|ঃ|：|ist\b|lautet\b|est\b|es\b|è\b|é\b|это\b|adalah\b|ni\b|là\b|هي|هو|은|는|は|が)"
ANSWER_IS = re.compile(
    rf"(?i:{NOUN}(?P<mid>[^.:=?!\n]{{0,60}}?)(?P<link>{IS})|{FOREIGN_NOUN}[^.:=?!\n]{{0,30}}?{FOREIGN_IS})"
    rf"{OPEN}(?i:{ADVERBS}){NOT_BUT}{OPEN}(?:{LETTER}|{RUN})"
)
IS_ANSWER = re.compile(
    rf"(?<![A-Za-z0-9_'-]){LETTER}{CLOSE}(?:is|would be|must be|has to be)\s(?P<mid>(?:\w{{1,12}}\s){{0,3}}?)"
    r"(?:correct|right|best|final)\s(?:answer|option|choice)\b",
)
CHINESE = re.compile(
    rf"(?:答案|正确选项|正確答案|(?<![不别勿])(?<!不[能应可要该])[选選](?![项項])[择擇]?)(?:[\s:应應该該就的是为為填选選择】\]]|选项){{0,8}}{OPEN}(?:{LETTER}|{RUN})"
)
CHOOSE = re.compile(
    r"\b(?i:choose|chose|select|selected|pick|picked|go(?:ing)? with|went with|opt for|settle on|leaves(?: us with)?|left with)\s"
    rf"{OPEN}(?i:{ADVERBS}){OPEN}(?:{LETTER}|{RUN})"
)
IS_CORRECT = re.compile(
    rf"(?<![A-Za-z0-9_'-]){LETTER}{CLOSE}(?:(?:is|must be|seems|appears|looks)\s(?P<mid>(?:\w{{1,12}}\s){{0,3}}?)(?:correct|right)\b"
    r"|(?:选项|项)?(?:是|为)?正确)"
)
SO = re.compile(
    rf"(?i:\b(?:so|thus|therefore|hence|it's|it is|it must be|it has to be|final answer)\b|因此|所以)[\s,:]{{0,3}}{OPEN}(?i:{ADVERBS}){OPEN}{LETTER}{CLOSE}[.!。]?$"
)
LINE = re.compile(
    rf"\W{{0,12}}(?:(?:option|choice|answer|选项|选)[\s:]{{0,3}})?[\W_]{{0,6}}(?:{LETTER}|{RUN})(?P<rest>.{{0,{MAX_VALUE}}})",
    re.IGNORECASE,
)
# What stands between a letter and its option's text.
SEPARATED = re.compile(r"[\s\"')\]}>]*(?:$|[)\]:,;]|\.(?![a-z])|[-–—] )")
OPTION_LINE = re.compile(
    r"^\W{0,6}([A-Z])[.):,](?!\s{0,3}(?:is|was|isn't|does|doesn't|fails?|has|can|cannot|gives?|would)\b)", re.MULTILINE
)
BARE = re.compile(r"[\W_]{0,12}(?:(?i:option|choice|answer|选项|选)[\W_]{1,4})?[A-Za-z][\W_]{0,12}")
IN_BRACKETS = re.compile(r"\(([A-Z])\)")
ENDS_IN_BRACKETS = re.compile(r"\((?P<letter>[A-Z])\)[\s.!]{0,4}$")

# A second letter right after the first: "A or C", "A, B and D", "A/C". In "A, C is wrong" it starts a clause.
SECOND = re.compile(
    rf"{CLOSE}(?P<joint>[,(]?\s{{0,3}}(?:,|/|;|&|\+|\bor\b|\band\b|\bas well as\b|和|或者?|及|与|、|以及))\s{{0,3}}"
    rf"(?:or|and|maybe|perhaps|possibly|probably|also|both|even|option|choice|\s){{0,6}}{OPEN}(?P<letter>{UPPER})"
)
CLAUSE = re.compile(
    r"\s{0,3}(?:(?P<plural>are|were|do|have|give|all|both|也|都)|is|was|isn't|does|doesn't|fails?|has|can|cannot|can't|gives?"
    r"|would|不|错|是)(?![a-z])(?!\s?(?:both\s|all\s|also\s)?(?:correct|right|true|对|正确))"
)
QUOTED_SECOND = re.compile(r"""\s{0,3}(?:,|/|or|and)\s{0,3}["'(]([A-Za-z])["')](?!\s{0,3}:)""")
DENIED = re.compile(
    r"\bnot\b|n't\b|\bnever\b|\bcannot\b|\b(?:un|less )likely|\bwrong|\bincorrect|\bneither|\beliminat|\brul(?:e|ed|ing)\b|不|错"
    r"|\b(?:choices|options|letters|candidates)\b",  # a list of what there is to choose from
    re.IGNORECASE,
)
UNSURE_BEFORE = re.compile(
    r"(?:(?:\b(?:if|whether|suppos\w{1,4}|assum\w{1,4}|unless|doubt|cannot|not|never|wrong to|than to)|n't"
    r"|(?:\bnot|n't|\bnever)(?: \w{1,12})? (?:think|believe|say|mean|imply|agree|claim|conclude|assume))\s"
    r"(?:that\s)?(?:(?:the|an?|our|your|my)\s)?(?:(?:correct|right|best|final|only)\s)?|如果|假设|若)$",
    re.IGNORECASE,
)
GOES_ON = re.compile(r"(?:\s{0,2}[?=+^<>#×÷]|['-]\w|\s{0,2}\*\s{0,2}\w)")
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
        *("when", "rather", "instead", "based"),
    )
)
NOT_SO = re.compile(r"\s{0,2}(?:选?项)?\s{0,2}是?(?:不|错)")
NAMED = re.compile(rf"(?i:\banswer(?:{IS})?\s{{0,3}}(?:is\b)?)[\s:]{{0,3}}(?P<text>[^\n]{{1,{MAX_VALUE}}})")
