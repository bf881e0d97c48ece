"""Function calls in a finished text, in the forms that the families of models write, each with a parser of its own.

`CALL_FORMS` has them by name. Each takes the text and the schemas of the functions' parameters, and returns the calls of
the text, or None where the text bears no mark of the form. A call that is begun and cannot be read is a MalformedCall: it
spoils the response, as it would spoil a turn with a server. Work on any text is bounded.

A served model's tokens are parsed while they come by ponder.chat.parser: Hermes form by itself, blocks of the others here.
"""

import re

from ponder.chat.call_forms.call import Call, MalformedCall, Properties, call_of_json
from ponder.chat.call_forms.deepseek import deepseek_calls
from ponder.chat.call_forms.hermes import hermes_calls
from ponder.chat.call_forms.json_text import json_calls
from ponder.chat.call_forms.llama import llama_calls
from ponder.chat.call_forms.mistral import mistral_calls
from ponder.chat.call_forms.python_text import python_calls
from ponder.chat.call_forms.tagged import tagged_calls
from ponder.chat.call_forms.xml import xml_calls

__all__ = ["CALL_FORMS", "Call", "MalformedCall", "call_of_json", "read_calls"]

# Those that begin with marks of their own come first; a text bears the marks of one of them, or its calls are in dispute.
MARKED = {
    "hermes": hermes_calls,
    "mistral": mistral_calls,
    "llama": llama_calls,
    "qwen_coder": xml_calls,
    "deepseek": deepseek_calls,
    "tagged": tagged_calls,
}
TURN_END = re.compile(
    r"(?:\s{0,20}(?:<\|(?:im_end|endoftext|eot_id|eom_id|end)\|>|</s>|<end_of_turn>|<eos>|<｜end▁of▁sentence｜>)){1,8}\s*\Z"
)
CALL_FORMS = MARKED | {"json": json_calls, "python": python_calls}


def read_calls(text: str, properties: Properties, form: str = "auto") -> list[Call]:
    """The calls in a text, none where it makes none.

    `properties` holds the functions' parameter schemas, by function and parameter. `form` is a name of CALL_FORMS, or
    "auto" for the first of them whose marks the text bears. MalformedCall for a call that cannot be read, and with "auto"
    where the marks of two families stand in one text.
    """
    text = TURN_END.sub("", text)
    if form != "auto":
        return CALL_FORMS[form](text, properties) or []
    # What a call's argument quotes is no mark.
    outside = " ".join(piece.rpartition("</tool_call>")[2] for piece in text.split("<tool_call>"))
    marked = {
        name: calls
        for name, read in MARKED.items()
        if (calls := read(text if name == "hermes" else outside, properties)) is not None
    }
    if len(marked) > 1:
        raise MalformedCall(f"the text has calls in {len(marked)} forms: {', '.join(marked)}")
    if marked:
        return next(iter(marked.values()))
    found = json_calls(text, properties)
    return (python_calls(text, properties) if found is None else found) or []
