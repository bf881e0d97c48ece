"""A response's text made plain, before letters are looked for in it."""

import re
import unicodedata

INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufe0e\ufe0f\ufeff"))
MARKS = dict.fromkeys(map(ord, "*`$"))  # Markdown's emphasis and LaTeX's dollar
QUOTES = dict.fromkeys(map(ord, "“”„«»「」『』"), '"') | dict.fromkeys(map(ord, "‘’‚"), "'")
PLAIN = INVISIBLE | MARKS | QUOTES
DELIMITER = re.compile(r"\\[()\[\]!]")
SPACE = re.compile(r"\\[,;:{} ]|\\q?quad\b|(?<=[\w)\]}.:])~")
HTML = re.compile(r"</?(?:b|i|u|em|strong|p|br|span|div|code|mark|center|h[1-6])\b[^<>]{0,80}>")
STYLED = re.compile(
    r"\\(?:(?:text|math|operatorname)(?:rm|bf|sf|it|tt|normal)?|bm|boldsymbol|emph|underline|strong|"
    r"(?:text)?color\s*\{\w{1,20}\}|mbox|hbox)\s*\{([^{}]{0,300})\}"
)
SIZED = re.compile(
    r"\\(?:left|right|displaystyle|(?:foot|script|tiny|small|normal|large|Large|LARGE|huge|Huge|bf|rm|it|sf)(?:size)?|"
    r"bfseries|color\s*\{\w{1,20}\})(?![A-Za-z])\s*"
)
UNDERSCORED = re.compile(r"(?<![\w\\])_{1,2}([^_\n]{1,80})_{1,2}(?!\w)")
# What ends a turn in the languages of templates, where a decoder has left it in the text.
CONTROL = re.compile(
    r"<[|｜][A-Za-z_▁]{1,30}[|｜]>|</?s>|<(?:start|end)_of_turn>|<(?:eos|bos|pad)>|\[/?INST\]|\[(?:EOS|end of text)\]"
)


def plain(text: str) -> str:
    """Text without emphasis, LaTeX delimiters, control tokens and invisible characters; full-width forms and quotes made
    plain.

    >>> plain("**（Ｃ）** $\\\\text{C}$ “C”<|im_end|>")
    '(C) C "C"\\n'
    """
    text = HTML.sub("", CONTROL.sub("\n", text))
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.encode("utf-8", "ignore").decode())  # and no lone surrogates
    text = UNDERSCORED.sub(r"\1", text) if "_" in text else text
    text = SPACE.sub(" ", DELIMITER.sub("", text.translate(PLAIN)))
    if "\\" not in text:
        return text
    text = SIZED.sub("", text)
    return STYLED.sub(r"\1", STYLED.sub(r"\1", text))


def comparable(text: str) -> str:
    """A text with its marks, case, spacing and closing full stop folded, to compare options with."""
    return " ".join(plain(text).casefold().split()).strip("\"' .:;,")
