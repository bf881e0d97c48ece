"""How families of models mark the calls that they write, for the parser that reads them while they come.

Hermes' `<tool_call>` is read for every model that is given tools: it is what a request can force, and what models are
asked for whose templates show no tools. A style adds the marks of its family; what stands behind such a mark is read when
it is whole, by the family's form in ponder.chat.call_forms.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ponder.chat.call_forms import CALL_FORMS, Call, MalformedCall
from ponder.chat.call_forms.call import Properties
from ponder.chat.call_forms.xml import xml_call
from ponder.chat.tool_calls import functions_of

NAME_OF_BLOCK = re.compile(r"<function=([^>\n]{1,200})>")
LONGEST_NAME = 220  # characters up to the end of `<function=name>`


@dataclass(frozen=True)
class CallStyle:
    """`openings`: marks that begin calls. `closings`: those that end them; where there are none, the turn's end does.
    `read`: the calls in a text that begins with an opening."""

    openings: tuple[str, ...] = ()
    closings: tuple[str, ...] = ()
    read: Callable[[str, Properties], list[Call] | None] = CALL_FORMS["hermes"]


def _coder_calls(text: str, properties: Properties) -> list[Call] | None:
    call = xml_call(text, properties)
    return None if call is None else [call]


CALL_STYLES = {
    "hermes": CallStyle(),
    "qwen_coder": CallStyle(("<function=",), ("</function>",), _coder_calls),
    "llama": CallStyle(("<|python_tag|>",), (), CALL_FORMS["llama"]),
    "mistral": CallStyle(("[TOOL_CALLS]",), (), CALL_FORMS["mistral"]),
    "deepseek": CallStyle(
        ("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"), ("<｜tool▁calls▁end｜>",), CALL_FORMS["deepseek"]
    ),
}
# By what stands in a chat template, the surest first.
_SIGNS = (
    ("<｜tool▁call▁begin｜>", "deepseek"),
    ("<function=", "qwen_coder"),
    ("<tool_call>", "hermes"),
    ("[TOOL_CALLS]", "mistral"),
    ("<|python_tag|>", "llama"),
    ("<|eom_id|>", "llama"),
)


def style_of(templates: Sequence[str], added_tokens: Sequence[str]) -> str:
    """The name of the style that a model writes: by the marks in its templates, or else by those that its tokenizer has
    tokens for (Llama 3.2 has `<|python_tag|>` there only)."""
    for texts in (templates, added_tokens):
        for sign, style in _SIGNS:
            if any(sign in text for text in texts):
                return style
    return "hermes"


def properties_of(tools: Sequence[Mapping[str, Any]]) -> Properties:
    """The schemas of the functions' parameters, by function and parameter."""
    schemas = {name: function.get("parameters") for name, function in functions_of(tools).items()}
    properties = {
        name: schema.get("properties") if isinstance(schema, Mapping) else None for name, schema in schemas.items()
    }
    return {name: given if isinstance(given, Mapping) else {} for name, given in properties.items()}


def read_block(style: CallStyle, text: str, properties: Properties) -> list[Call]:
    """The calls of a block, mark included. Raises ValueError where it holds none, or one of another function."""
    try:
        calls = style.read(text, properties)
    except MalformedCall as error:
        raise ValueError(str(error)) from error
    if not calls:
        raise ValueError("no call follows its mark")
    for call in calls:
        if properties and call.name not in properties:
            raise ValueError(f"there is no tool of the name {call.name[:64]!r}")
    return calls
