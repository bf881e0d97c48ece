"""Markdown of a model, made into HTML that is safe by its making: every character of the model's is escaped, there is no
raw HTML, nothing is loaded, and links lead to http, https and mailto alone. Formulas become elements that the page's
script typesets; without the script their source stands there.

A long text is cut into chunks at empty lines, so that while it streams only its last chunk is rendered again, and only
that is sent again.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from html import escape
from itertools import islice

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

MOST_CHUNK = 20_000  # characters; a longer one is shown as it is: hostile text may make parsers slow
MOST_CHUNKS = 1_000  # of one text; what follows is shown as it is: each is an element of the document
MOST_BOXED = 300  # characters in the braces of a \boxed
MOST_LINE = 2_000  # characters; a longer line of prose goes on in a new paragraph
DELIMITERS = {"\\(": ("\\)", False), "\\[": ("\\]", True), "$$": ("$$", True)}  # closing, and whether displayed
_BOXED = "\\boxed{"
_SCHEMES = ("http://", "https://", "mailto:")
_FENCES = ("```", "~~~")


def rendered(text: str, copy_code: str, growing: bool) -> Iterator[str]:
    """HTML of a text, in pieces that stay as they are while the text grows, but for the last.

    Args:
        copy_code: label of the buttons beside code
        growing: more may come
    """
    cut = chunks(text)
    pieces = list(islice(cut, MOST_CHUNKS))
    for place, chunk in enumerate(pieces):
        if len(chunk) > MOST_CHUNK:
            yield from _plain(chunk)
        elif growing and place == len(pieces) - 1:
            yield render.__wrapped__(chunk, copy_code, colours=False)  # not kept: the next one is another
        else:
            yield render(chunk, copy_code)
    yield from _plain("\n".join(cut))


def chunks(text: str) -> Iterator[str]:
    """The text in parts that can be rendered alone: cut at empty lines, but not in code, formulas and lists' insides.
    Very long lines of prose are cut, too."""
    held: list[str] = []
    fence, math, gap = "", "", False
    for line in text.split("\n"):
        bare = line.strip()
        inside = bool(fence or math)
        if held and gap and not inside and bare and not line.startswith((" ", "\t")):
            yield "\n".join(held)
            held = []
        if fence:
            if bare.startswith(fence) and not bare.strip(fence[0]):
                fence = ""
        elif math:
            math = "" if math in bare else math
        elif bare.startswith(_FENCES):
            fence = bare[: len(bare) - len(bare.lstrip(bare[0]))]
        elif bare[:2] in ("\\[", "$$") and DELIMITERS[bare[:2]][0] not in bare[2:]:
            math = DELIMITERS[bare[:2]][0]
        else:
            *parts, line = _cut(line)
            for part in parts:
                yield "\n".join([*held, part])
                held = []
        gap = not bare
        held.append(line)
    if held and any(line.strip() for line in held):
        yield "\n".join(held)


def _cut(line: str) -> Iterator[str]:
    """A line of prose in parts, where it is very long."""
    start = 0
    while len(line) - start > 2 * MOST_LINE and (space := line.rfind(" ", start, start + MOST_LINE)) >= start:
        yield line[start : space + 1]
        start = space + 1
    yield line[start:]


def _plain(text: str) -> Iterator[str]:
    for start in range(0, len(text), MOST_CHUNK):
        yield f'<pre class="plain">{escape(text[start : start + MOST_CHUNK])}</pre>'


@lru_cache(maxsize=2048)
def render(chunk: str, copy_code: str, colours: bool = True) -> str:
    """HTML of a chunk. `copy_code`: label of the buttons beside code. `colours`: code is highlighted, which takes time."""
    if len(chunk) > MOST_CHUNK:
        return "".join(_plain(chunk))
    return _PARSER.render(chunk, {"copy_code": copy_code, "colours": colours})


def visible(text: str) -> str:
    """The text with control characters shown as what they are: some turn the order of what is read, as in code that is
    not what it seems, or write over it in terminals."""
    return _CONTROLS.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _is_safe(url: str) -> bool:
    return url.lower().startswith(_SCHEMES)


def _inline_math(state: StateInline, silent: bool) -> bool:
    opening = state.src[state.pos : state.pos + 2]
    if opening not in DELIMITERS:
        return False
    closing, display = DELIMITERS[opening]
    missing = state.env.setdefault("unclosed", {})  # so that a text of openings alone is searched once
    start = state.pos + 2
    if missing.get((state.src, closing), len(state.src)) <= start:
        return False
    end = state.src.find(closing, start)
    if end < 0:
        missing[state.src, closing] = start
        return False
    if not state.src[start:end].strip():
        return False
    if not silent:
        token = state.push("math", "", 0)
        token.content, token.meta = state.src[start:end], {"display": display}
    state.pos = end + 2
    return True


def _boxed(state: StateInline, silent: bool) -> bool:
    r"""A \boxed{...} that stands outside of a formula, as models write it that were rewarded for it."""
    if not state.src.startswith(_BOXED, state.pos):
        return False
    depth, start = 0, state.pos + len(_BOXED) - 1
    for place in range(start, min(start + MOST_BOXED, state.posMax)):
        depth += {"{": 1, "}": -1}.get(state.src[place], 0)
        if not depth:
            break
    else:
        return False
    if not silent:
        token = state.push("math", "", 0)
        token.content, token.meta = state.src[state.pos : place + 1], {"display": False}
    state.pos = place + 1
    return True


def _block_math(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    if state.is_code_block(start_line):
        return False
    first = state.src[state.bMarks[start_line] + state.tShift[start_line] : state.eMarks[start_line]]
    if first[:2] not in ("\\[", "$$"):
        return False
    closing = DELIMITERS[first[:2]][0]
    begin = state.bMarks[start_line] + state.tShift[start_line] + 2
    end = state.src.find(closing, begin, state.eMarks[end_line - 1])
    if end < 0:
        return False
    last = next(line for line in range(start_line, end_line) if end <= state.eMarks[line])
    if state.src[end + 2 : state.eMarks[last]].strip(" \t.,;:"):
        return False  # the line goes on: a paragraph that begins with a formula
    if silent:
        return True
    token = state.push("math", "", 0)
    token.content, token.block, token.map = state.src[begin:end], True, [start_line, last + 1]
    token.meta = {"display": True}
    state.line = last + 1
    return True


def _render_math(renderer, tokens: Sequence[Token], index: int, options, env) -> str:
    token = tokens[index]
    display = ' data-display="1"' if token.meta["display"] else ""
    element = "div" if token.block else "span"
    return f'<{element} class="math"{display}>{escape(token.content.strip())}</{element}>'


def _render_code(renderer, tokens: Sequence[Token], index: int, options, env) -> str:
    token = tokens[index]
    language = token.info.split()[0] if token.info.strip() else ""
    button = f'<button type="button" class="copy-code" data-copy="code">{escape(env["copy_code"])}</button>'
    head = f'<div class="code-head"><span>{escape(language[:30])}</span>{button}</div>'
    code = visible(token.content)
    body = _coloured(code, language) if env["colours"] else escape(code)
    return f'<div class="code">{head}<pre tabindex="0"><code>{body}</code></pre></div>\n'


def _coloured(code: str, language: str) -> str:
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return escape(code)
    return highlight(code, lexer, HtmlFormatter(nowrap=True, classprefix="hl-"))


def _render_image(renderer, tokens: Sequence[Token], index: int, options, env) -> str:
    """Nothing is loaded: a link, with the picture's description."""
    token = tokens[index]
    url, text = str(token.attrs.get("src", "")), escape(token.content or "image")
    return f'<a href="{escape(url)}"{_LINK}>{text}</a>' if _is_safe(url) else text


_LINK = ' target="_blank" rel="noopener noreferrer nofollow"'


def _render_link(renderer, tokens: Sequence[Token], index: int, options, env) -> str:
    return f'<a href="{escape(str(tokens[index].attrs["href"]))}"{_LINK}>'


def _render_table(renderer, tokens: Sequence[Token], index: int, options, env) -> str:
    return '<div class="table" tabindex="0"><table>'


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    parser.validateLink = _is_safe
    parser.inline.ruler.before("escape", "math", _inline_math)
    parser.inline.ruler.before("escape", "boxed", _boxed)
    options = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    parser.block.ruler.before("fence", "math_block", _block_math, options)
    for kind, rule in (
        ("math", _render_math),
        ("fence", _render_code),
        ("code_block", _render_code),
        ("image", _render_image),
        ("link_open", _render_link),
        ("table_open", _render_table),
    ):
        parser.add_render_rule(kind, rule)
    parser.add_render_rule("table_close", lambda *_: "</table></div>")
    return parser


_PARSER = _parser()
