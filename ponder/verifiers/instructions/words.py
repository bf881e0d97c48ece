"""Words as tokens, as the official checker counts those in capital letters.

That one asks NLTK's tokenizer, in the manner of the Penn Treebank: signs of punctuation stand alone, contractions and
possessives are split ("DON'T" is DO and N'T), hyphens join. Only which pieces of letters there are is followed here, not
how the signs come out. What the rules are was read off NLTK 3.10.
"""

import re

from ponder.verifiers.instructions.sentences import sentences

# (pattern, replacement), in the order in which they apply to one sentence. Each takes linear time.
RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[\xab\u201c\u2018\u201e`]", r" \g<0> "),
        (r"([ (\[{<])''", r"\1 `` "),
        # A quote before a word stands alone, unless what follows looks like the end of a contraction.
        (r"(?i)(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", "' "),
        # The last stop of the sentence, with closing signs after it.
        (r"(?<!\.)\.(?=[\])}>\"'\xbb\u201d\u2019 ]*+\s*\Z)", " . "),
        (r"([:,])(\D)", r" \1 \2"),
        (r"\.{2,}", r" \g<0> "),
        (r"[;@#$%&\u2012-\u2015?!]", r" \g<0> "),
        (r"([^'])' ", r"\1 ' "),
        (r"[*\[\](){}<>\xbb\u201d\u2019\"]", r" \g<0> "),
        (r"--", " -- "),
        (r"''", " '' "),
        (r"\s+", " "),
        (r"([^' ])('[sSmMdD]?) ", r"\1 \2 "),
        (r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", r"\1 \2 "),
        (r"(?i)\b(can)(not)\b", r" \1 \2 "),
        (r"(?i)\b(d)('ye)\b", r" \1 \2 "),
        (r"(?i)\b(gim)(me)\b", r" \1 \2 "),
        (r"(?i)\b(gon)(na)\b", r" \1 \2 "),
        (r"(?i)\b(got)(ta)\b", r" \1 \2 "),
        (r"(?i)\b(lem)(me)\b", r" \1 \2 "),
        (r"(?i)\b(more)('n)\b", r" \1 \2 "),
        (r"(?i)\b(wan)(na)(?=\s)", r" \1 \2 "),
    )
)


def capital_words(text: str) -> list[str]:
    """Tokens with capitals and without small letters.

    >>> capital_words("I DON'T KNOW TIME-SAVING U.S. tricks. A pity!")
    ['I', 'DO', "N'T", 'KNOW', 'TIME-SAVING', 'U.S.', 'A']
    """
    # A sentence without capitals need not be cut into tokens.
    cut = [_tokens(sentence) for sentence in sentences(text) if any(map(str.isupper, sentence))]
    return [token for tokens in cut for token in tokens if token.isupper()]


def _tokens(sentence: str) -> list[str]:
    text = f" {sentence} "
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text.split()
