"""The words by which a text states a chosen letter, as patterns for ponder.verifiers.choice.statements.

They run on plain text (ponder.verifiers.choice.text). Repetition is bounded, or starts at words that are rare, so that a
search takes time in proportion to the text.
"""

import re

from ponder.verifiers.choice.letters import CLOSE, LETTER, MAX_VALUE, OPEN, RUN

ADVERBS = (
    r"(?:(?:therefore|thus|then|hence|clearly|obviously|definitely|certainly|indeed|simply|most|likely|probably|"
    r"presumably|either|both|only|the|correct|right|best|option|choice|letter|answer|alternative|is|be|opción|opcion|"
    r"option|opzione|opção|вариант|la|le|el|die|der|das|den|选项|是|为|:)[\s:(\"'\[]{1,4}){0,5}"
)
ASIDE = (
    r"(?:[,:]?\s(?:I (?:think|believe|guess|suppose)|in my (?:opinion|view)|of course|as (?:shown|stated) above),\s)?"
)
NOT_BUT = r"(?:not\s{1,3}[(\"']?[A-Z][)\"']?,?\s{1,3}(?:but|so|hence|thus|therefore)\s{1,3}(?:rather\s{1,3})?)?"
NOUN = r"""(?<![A-Za-z])(?:answers?|ans\.?|choice|option|alternative|selection|pick|solution|result)(?![A-Za-z])(?!\\{0,2}["']\s{0,3}[:=])"""
FOREIGN_NOUN = (
    r"(?:antwort|antwoord|svar|vastaus|válasz|jawapan|odpověď|απάντηση|תשובה|جواب|जवाब|คำตอบ|lösung|réponse|respuesta|risposta|resposta|ответ|jawaban|jibu|cevap|yanıt|odpowiedź|đáp án|ìdáhùn|"
    r"答え|正解|正答|정답|답변|답|উত্তর|उत्तर|الإجابة|الجواب|إجابة)"
)
# On the next line the letter stands alone, or with its option's text behind a mark.
NEXT_LINE = r"\s{0,3}\n\s{0,3}(?=\W{0,4}[A-Z]\W{0,4}(?:\n|$)|\W{0,4}[A-Z][\s\"')\]}]{0,3}(?:[.):,]|\s[-–—]\s))"
IS = rf"(?:\bis\b|\bare\b|\bbe\b|\bwas\b|'s\b|:|=|->|→|⇒|=>|\s[-–—]\s|{NEXT_LINE})"
FOREIGN_IS = r"(?::|=|ঃ|：|is\b|är\b|er\b|ist\b|lautet\b|est\b|es\b|è\b|é\b|это\b|adalah\b|ni\b|là\b|هي|هو|은|는|は|が)"
ANSWER_IS = re.compile(
    rf"(?i:{NOUN}(?P<mid>[^.:=?!\n]{{0,60}}?)(?P<link>{IS})|{FOREIGN_NOUN}[^.:=?!\n]{{0,30}}?{FOREIGN_IS})"
    rf"(?i:{ASIDE})(?:\s?\.{{2,3}}\s?)?{OPEN}(?i:{ADVERBS}){NOT_BUT}{OPEN}(?:{LETTER}|{RUN})"
)
IS_ANSWER = re.compile(
    rf"(?<![A-Za-z0-9_'-]){LETTER}{CLOSE}(?:is|would be|must be|has to be)\s(?P<mid>(?:\w{{1,12}}\s){{0,3}}?)"
    r"(?:(?:correct|right|best|final)\s(?:answer|option|choice|one)|(?:the|my|our)\s(?:answer|choice|pick)\b(?!\s(?:key|sheet|for|in|of|under|only|without|you|one)\b))\b",
)
CHINESE = re.compile(
    rf"(?:答案|正确选项|正確答案|正确的|(?<![不别勿误错])(?<!不[能应可要该])[选選](?![项項])[择擇]?)"
    rf"(?:[\s:无疑应應该該就的是为為填选選择】\]]|选项|答案){{0,8}}{OPEN}(?:{LETTER}|{RUN})"
)
# A second thought: "Wait, no: D", "Actually, it is D".
REVISED = re.compile(
    r"(?i:\b(?:(?:wait|actually|correction|scratch that|sorry|oops|hmm|on (?:second thought|reflection)|or rather|i mean|i meant|"
    r"no(?=[,:;.!–—-]|\s(?:wait|actually|sorry)))[\s,:;.!–—-]{1,6}){1,4}"
    r"(?:(?:it|that|this|so|the|answer|option|must|should|is|be|i|choose|make|think)"
    rf"[\s,:;.!–—-]{{1,4}}|it's\s){{0,6}}){OPEN}{LETTER}(?={CLOSE}(?:[.!,;\n]|$))"
)
CHOOSE = re.compile(
    r"\b(?i:choose|chose|select|selected|pick|picked|go(?:ing)? with|went with|opt for|settle on|leav(?:es|ing)(?: us with)?|left with"
    rf"|only|chosen|(?:i|i'll|i will|i'd|i would) (?:answer|say))\s{OPEN}(?i:{ADVERBS}){OPEN}(?:{LETTER}|{RUN})"
)
IS_CORRECT = re.compile(
    rf"(?<![A-Za-z0-9_'-]){LETTER}{CLOSE}(?:(?:is|must be|seems|appears|looks)\s(?P<mid>(?:\w{{1,12}}\s){{0,3}}?)(?:correct|right|true)\b"
    r"|(?:选项|项)?(?:是|为)?(?:正确|对|符合|成立))"
)
MARKED = re.compile(
    rf"^\W{{0,6}}(?i:(?:final|my|your|the|correct|right|best|selected)?\s?(?:correct|right|letter|response|conclusion|verdict|final|"
    rf"guess|decision|结论|综上|综上所述))\s?[:,，=]\s{{0,3}}{OPEN}(?i:{ADVERBS}){OPEN}{LETTER}(?P<rest>.{{0,{MAX_VALUE}}})"
)
SO = re.compile(
    rf"(?i:(?:\b(?:so|thus|therefore|hence|it's|it is|it must be|it has to be|it should be|this is|that is|which is|final answer|okay|ok|(?:i|we) conclude(?: that)?|probably|definitely|clearly|certainly|obviously|presumably|most likely|by elimination|in conclusion|in short|overall|finally)\b|(?:因此|所以|综上)[,\s]?(?:应该?|就)?[是为]?|应[为是]|[∴→⇒]|=>|->))"
    rf"[\s,:]{{0,3}}{OPEN}(?i:{ADVERBS}){OPEN}{LETTER}{CLOSE}(?:then|here|indeed)?[.!。]?$"
)
IT_IS = re.compile(
    rf"(?i:(?:^|[.,\n;]\s{{0,3}})(?:so |but )?(?:it's|it is|it must be)\s){OPEN}(?i:{ADVERBS}){OPEN}{LETTER}(?=[.,;!])"
)
# "The statement that holds is C", "the right one is C".
HOLDING = r"(?:holds|works|fits|applies|remains|survives|stands|satisfies|agrees|is (?:true|right|correct|left|valid))"
THE_ONE = re.compile(
    r"(?i:(?:\b(?:right|correct|true|valid|best|proper|appropriate|remaining|matching)\s(?:one|statement|claim|expression|figure|"
    r"graph|diagram|formula|sentence|conclusion|candidate|fit|match|item|letter|description|pair|order)|\b(?:one|statement|claim|expression|"
    rf"figure|graph|diagram|formula|sentence|item|letter|only one|what)\s(?:that\s|which\s|to\s|left\s)?(?:{HOLDING}|remain|left)?)"
    rf"(?P<mid>\s[^.:=?!\n]{{0,40}}?)?\s?(?P<link>\bis\b|\bmust be\b|\bhas to be\b|:)){OPEN}(?i:{ADVERBS}){OPEN}{LETTER}(?={CLOSE}(?:[.,;!\n]|$))"
)
MATCHES = re.compile(
    r"(?i:\b(?:corresponds? to|match(?:es|ing)?|agrees with|giv(?:es|ing)|which is|that is|this is|namely|we get|yields|points to|i\.e\.,?|"
    rf"mark|tick|go for|i answer|i'd answer|i say|i'd say|is found in)\s(?:the\s)?(?:option|choice|answer|letter)\s){OPEN}{LETTER}(?={CLOSE}(?:[.,;!\n]|$))"
)
# One letter alone that holds; of several that do, none is chosen.
HOLDS = re.compile(
    rf"(?<![A-Za-z0-9_'-]){LETTER}{CLOSE}(?:(?:is|was)\sthe\sonly\s(?:one|option|choice|statement|answer|letter)|(?:alone\s)?{HOLDING}\b|it\sis\b)"
)
OPTION_LINE = re.compile(
    r"^\W{0,6}([A-Z])(?:[.):]|\((?=[^()]{0,20}[一-鿿])|[,、](?!\s{0,2}(?!I\b)[A-J](?![A-Za-z']))|\s[-–—]\s)(?!\s{0,3}(?:is|was|isn't|does|doesn't|fails?|has|can|cannot|gives?|would)\b)",
    re.MULTILINE,
)
BARE = re.compile(
    r"[\W_]{0,12}(?:\d{1,3}[.)]\s{1,3})?(?:(?:(?i:option|choice|answer)[\W_]{1,4}){1,3}|选项?[\W_]{0,4})?[A-Za-z](?![\W_]{0,12}\?)(?:选?项)?[\W_]{0,12}"
)
LAST_SENTENCE = re.compile(rf"(?<=[a-z\d)]{{3}})[.!?;]\s{{1,3}}{OPEN}(?i:option\s)?{LETTER}{CLOSE}[.!]?$")
BECAUSE = re.compile(
    r"[\W_]{0,6}(?i:option\s)?(?P<letter>[A-Z])[\W_]{0,3}\s(?i:because|since|for sure|by elimination|most likely|of course)\b"
)
IN_BRACKETS = re.compile(r"\(([A-Z])\)")
ENDS_IN_BRACKETS = re.compile(r"\((?P<letter>[A-Z])\)[\s.!]{0,4}$")
DENIED = re.compile(
    r"\bnot\b|n't\b|\bnever\b|\bcannot\b|\b(?:un|less )likely|\bwrong|\bincorrect|\bneither|\beliminat|\brul(?:e|ed|ing)\b|不|错"
    r"|\b(?:choices|options|letters|candidates)\b",  # a list of what there is to choose from
    re.IGNORECASE,
)
AMONG = re.compile(
    r"\b(?:among|amongst|from|of) (?:(?:the|these|all|those|four|five|given) ){0,3}(?:choices|options|letters|candidates)\b",
    re.I,
)
TOO = re.compile(r"\b(?:is|are) (?:much |far )?too \w")
NOT_SO = re.compile(r"\s{0,2}(?:选?项)?\s{0,2}是?(?:不|错)")
NAMED = re.compile(rf"(?i:\banswer(?:{IS})?\s{{0,3}}(?:is\b)?)[\s:]{{0,3}}(?P<text>[^\n]{{1,{MAX_VALUE}}})")
