"""What a client's Lark must not say: tokens by name or number, and texts that are no UTF-8.

llguidance's Lark has terminals for single tokens (`<think>`, `<[5]>`), and two ways to let bytes through that are no
UTF-8, which is how it spells tokens without a text. With either, structured output could hold the tags of thoughts and
calls and the ends of turns. The text is cut into lexemes as llguidance cuts it, so that what stands inside of strings,
regular expressions and comments is left alone.
"""

import json
import re

_LEXEME = re.compile(
    r"""
      (?P<blank> [ \t]+ | (?:\#|//)[^\n]* )
    | (?P<schema> %json )
    | (?P<keyword> %llguidance | %regex )[ \t\r\n]*  # with a JSON object behind it
    | (?P<repeat> ~[ \t]*[+-]?[0-9] )
    | "(?: \\(?: ["\\/bfnrt] | u[a-fA-F0-9]{4} ) | [^"\\\x00-\x1F\x7F] )*"
    | /(?: \\. | [^/\\] )+/
    | [^"/]
    """,
    re.VERBOSE,
)
_JSON = json.JSONDecoder()


def check_lark(lark: str) -> None:
    """Looks at a grammar, whether or not it is correct otherwise; nested `%lark` is part of the text.

    Raises:
        ValueError: it says what it must not, with the line.
    """
    place, before = 0, ""
    while place < len(lark):
        found = _LEXEME.match(lark, place)
        if not found:
            raise _refusal(lark, place, f"{lark[place]} begins a string or a regular expression that does not end")
        if found["schema"]:
            raise _refusal(lark, place, "%json inside a grammar is not supported; send the schema as json_schema")
        if found[0] == "<":
            told = "tokens (<name>, <[number]>) cannot be asked for; for that text write it in quotes"
            raise _refusal(lark, place, told)
        if found[0] == "~" and before != "&":
            # Alone it stands for all other bytes. After & it only takes away from what is UTF-8.
            told = "~ (not) must stand behind & (and), such as in /(?s:.*)/ & ~/x/"
            raise _refusal(lark, place, told)
        end = found.end()
        if found["keyword"]:
            end = _after_options(lark, place, end, found["keyword"])
        if not found["blank"]:
            before = found[0]
        place = end


def _after_options(lark: str, place: int, start: int, keyword: str) -> int:
    """Where the JSON object ends that begins at `start`."""
    try:
        options, end = _JSON.raw_decode(lark, start)
    except (ValueError, RecursionError):
        options, end = None, start
    if not isinstance(options, dict):
        raise _refusal(lark, place, f"{keyword} must be followed by a JSON object")
    if keyword == "%llguidance" and "allow_invalid_utf8" in options:
        raise _refusal(lark, place, "allow_invalid_utf8 is not supported; leave it out")
    return end


def _refusal(lark: str, place: int, told: str) -> ValueError:
    return ValueError(f"the grammar, line {lark.count(chr(10), 0, place) + 1}: {told}")
