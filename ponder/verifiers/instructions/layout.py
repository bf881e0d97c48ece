r"""Instructions about marks in the text: bullets, sections, titles and the like.

The official checker's regular expressions are kept in what they match, but written so that they take linear time:
several of them are quadratic in long lines or runs of blank lines.
"""

import re
from typing import Any

from ponder.verifiers.instructions.arguments import pattern, text
from ponder.verifiers.instructions.checked import Checked, compared, exactly, quoted

# A line that begins with a star and goes on with anything else, a line break too: so a lone `*` swallows the next line,
# and `*italic*` at the beginning of a line is a bullet. Blank lines before it belong to the match.
STARS = re.compile(r"^\s*+(?:(\*[^*].*+)|.*+)", re.MULTILINE)
# Any line that begins with a dash: `---` and `-5` are bullets too.
DASHES = re.compile(r"^\s*+(?:(-.*+)|.*+)", re.MULTILINE)
HIGHLIGHT = re.compile(r"\*[^\n*]*\*")
DOUBLE_HIGHLIGHT = re.compile(r"\*\*[^\n*]*\*\*")
DIVIDER = re.compile(r"\s?\*\*\*\s?")
POSTSCRIPTS = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
CODE = re.compile(
    r"^ {0,3}(```+|~~~+).*?(?:^ {0,3}\1|\Z)|(?<!`)(`+)(?!`)[^\n]{0,400}?(?<!`)\2(?!`)", re.MULTILINE | re.DOTALL
)
STRAY_TAG = re.compile(
    r"</?(?:think|thinking|reasoning|scratchpad|answer|tool_call|tool_calls|tool_response|tools|function_call)\s{0,9}/?>"
    r"|<[|\uff5c][^<>|\uff5c\n]{1,40}[|\uff5c]>",
    re.IGNORECASE,
)


def number_placeholders(content: str, num_placeholders: float) -> Checked:
    # A placeholder is [anything] on one line, also empty or the text of a Markdown link.
    count = 0
    for line in content.split("\n"):
        start = line.find("[")
        while start >= 0 and (end := line.find("]", start)) >= 0:
            count += 1
            start = line.find("[", end)
    return compared(count, "placeholders in square brackets", "at least", num_placeholders)


def marker(value: Any) -> str:
    """An argument: the mark of a postscript; neither of the two usual ones, it is a regular expression in lower case."""
    if text(value) not in POSTSCRIPTS:
        pattern(value.lower())
    return text(value)


def postscript(content: str, postscript_marker: str) -> Checked:
    # It may stand anywhere, also in the middle of a line; nothing need follow it.
    expression = POSTSCRIPTS.get(postscript_marker, postscript_marker.lower())
    found = re.search(expression, content.lower(), re.MULTILINE)
    return Checked(bool(found), f"{'has' if found else 'lacks'} a postscript marked {quoted(postscript_marker)}")


def number_bullet_lists(content: str, num_bullets: float) -> Checked:
    count = sum(sum(1 for bullet in kind.finditer(content) if bullet[1] is not None) for kind in (STARS, DASHES))
    return exactly(count, "bullet points", num_bullets)


def constrained_response(content: str) -> Checked:
    # A substring test: whatever stands around the option, and more than one option, is accepted.
    found = next((option for option in OPTIONS if option in content), None)
    return Checked(found is not None, f"has {found!r}" if found else "has none of the three options, letter by letter")


def number_highlighted_sections(content: str, num_highlights: float) -> Checked:
    # Two counts are added, so **x** counts once (as `*x*` it is `**`, empty) and ***x*** twice; `a * b * c` counts once.
    single = sum(1 for found in HIGHLIGHT.findall(content) if found.strip("*").strip())
    double = sum(
        1 for found in DOUBLE_HIGHLIGHT.findall(content) if found.removeprefix("**").removesuffix("**").strip()
    )
    return compared(single + double, "highlights between asterisks", "at least", num_highlights)


def section_expression(section_spliter: str) -> str:
    return rf"\s?{section_spliter}\s?\d+\s?"


def multiple_sections(content: str, section_spliter: str, num_sections: float) -> Checked:
    # `split`, not a count of matches: a marker with groups in it adds their texts to the parts, as it does officially.
    count = len(re.split(section_expression(section_spliter), content)) - 1
    return compared(count, f"sections marked {quoted(section_spliter)} and a number", "at least", num_sections)


def title(content: str) -> Checked:
    # Per line from the first << to the last >>, with something other than brackets and space between; anywhere.
    for line in content.split("\n"):
        start, end = line.find("<<"), line.rfind(">>")
        if 0 <= start < end and line[start : end + 2].lstrip("<").rstrip(">").strip():
            return Checked(True, f"has the title {quoted(line[start : end + 2])}")
    return Checked(False, "has no title in double angular brackets")


def number_paragraphs(content: str, num_paragraphs: float) -> Checked:
    # Paragraphs are what `***` divides. A blank one counts as none at either end, and fails in the middle.
    paragraphs = DIVIDER.split(content)
    if any(not paragraph.strip() for paragraph in paragraphs[1:-1]):
        return Checked(False, "has a blank paragraph between two dividers ***")
    count = len(paragraphs) - sum(not paragraphs[end].strip() for end in {0, len(paragraphs) - 1})
    return exactly(count, "paragraphs divided by ***", num_paragraphs)


def two_responses(content: str) -> Checked:
    parts = content.split("******")
    if any(not part.strip() for part in parts[1:-1]):
        return Checked(False, "has an empty response between two dividers ******")
    responses = [part.strip() for part in parts if part.strip()]
    if len(responses) != 2:
        return Checked(False, f"{len(responses)} responses divided by ******, asked for exactly 2")
    different = responses[0] != responses[1]
    return Checked(different, f"the two responses are {'different' if different else 'the same'}")


def no_stray_tags(content: str) -> Checked:
    """Ours: no tags of the chat's own machinery. Those in code, as a text about them has, are not stray."""
    found = STRAY_TAG.search(CODE.sub(" ", content))
    return Checked(not found, f"has the stray tag {quoted(found[0])}" if found else "has no stray tags")
