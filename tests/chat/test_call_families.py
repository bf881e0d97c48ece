"""Calls as the families of models write them, each by its own parser and by "auto"."""

import pytest

from ponder.chat.call_forms import MARKED, Call, MalformedCall, read_calls

PROPERTIES = {
    "f": {"a": {"type": "integer"}, "s": {"type": "string"}, "l": {"type": "array"}, "b": {"type": "boolean"}}
}
ONE = [Call("f", {"a": 1})]

FORMS = {
    "hermes": ['<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'],
    "qwen_coder": [
        "<function=f>\n<parameter=a>\n1\n</parameter>\n</function>",
        "Let me look.\n<function=f><parameter=a>1</parameter></function> Done.",
        '<function=f>{"a": 1}</function>',
        '<function=f>\n{"a": 1}\n</function><|eot_id|>',
    ],
    "llama": [
        '<|python_tag|>{"name": "f", "parameters": {"a": 1}}',
        '<|python_tag|>{"type": "function", "name": "f", "parameters": {"a": 1}}<|eom_id|>',
        '<|python_tag|>[{"name": "f", "arguments": {"a": 1}}]<|eot_id|>',
        "<|python_tag|>f(a=1)",
        "<|python_tag|>[f(a=1)]",
    ],
    "mistral": [
        '[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}]',
        '[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}, "id": "q1w2e3r4t"}]</s>',
        '[TOOL_CALLS]{"name": "f", "arguments": {"a": 1}}',
        '[TOOL_CALLS]f{"a": 1}',
        '[TOOL_CALLS]f[ARGS]{"a": 1}</s>',
        '[TOOL_CALLS]f[CALL_ID]q1w2e3r4t[ARGS]{"a": 1}',
        'I will look.[TOOL_CALLS]f {"a": 1}',
    ],
    "deepseek": [
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n"
        '{"a": 1}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{"a": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    ],
    "tagged": [
        '<function_call>{"name": "f", "arguments": {"a": 1}}</function_call>',
        '<functioncall> {"name": "f", "arguments": {"a": 1}}',
        '<tool_calls>[{"name": "f", "arguments": {"a": 1}}]</tool_calls> Done.',
        '<|tool_call|>[{"name": "f", "arguments": {"a": 1}}]<|/tool_call|>',
        '<|tool_call|>[{"name": "f", "arguments": {"a": 1}}]',
    ],
    "json": [
        '{"name": "f", "parameters": {"a": 1}}',
        '{"name": "f", "arguments": {"a": 1}}<|im_end|>\n<|endoftext|>',
        '[{"f": {"a": 1}}]',
        '{"f": {"a": 1}}',
        '{"function": "f", "arguments": {"a": 1}}',
        '{"tool": "f", "args": {"a": 1}}',
        '{"function_call": {"name": "f", "arguments": "{\\"a\\": 1}"}}',
        'I call it:\n{"name": "f", "arguments": {"a": 1}}',
        'I call it: {"name": "f", "arguments": {"a": 1}}',
        'I call it.\n\n[{"name": "f", "arguments": {"a": 1}}]\n',
        '```\n{"f": {"a": 1}}\n```',
    ],
    "python": ["[f(a=1)]", "f(a=1)", "I call it: [f(a=1)]", "f(a=1)<|eot_id|>"],
}


@pytest.mark.parametrize(("form", "text"), [(form, text) for form, texts in FORMS.items() for text in texts])
def test_families(form, text):
    assert read_calls(text, PROPERTIES) == ONE
    assert read_calls(text, PROPERTIES, form) == ONE
    for other in MARKED.keys() - {form}:
        try:
            found = read_calls(text, PROPERTIES, other)
        except MalformedCall:
            continue
        assert found == [], other


def test_several_calls():
    two = [Call("f", {"a": 1}), Call("f", {"a": 2})]
    for text in (
        '<|python_tag|>{"name": "f", "parameters": {"a": 1}}; {"name": "f", "parameters": {"a": 2}}',
        '<|python_tag|>{"name": "f", "parameters": {"a": 1}}<|python_tag|>{"name": "f", "parameters": {"a": 2}}',
        '[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}}, {"name": "f", "arguments": {"a": 2}}]',
        '[TOOL_CALLS]f{"a": 1}[TOOL_CALLS]f{"a": 2}',
        '[TOOL_CALLS]f{"a": 1}f{"a": 2}',
        "<function=f><parameter=a>1</parameter></function>\n<function=f><parameter=a>2</parameter></function>",
        '{"name": "f", "arguments": {"a": 1}}\n{"name": "f", "arguments": {"a": 2}}',
        '[{"f": {"a": 1}}, {"f": {"a": 2}}]',
        '```json\n{"name": "f", "arguments": {"a": 1}}\n```\nand\n```json\n{"name": "f", "arguments": {"a": 2}}\n```',
        "[f(a=1), f(a=2)]",
    ):
        assert read_calls(text, PROPERTIES) == two, text


@pytest.mark.parametrize(
    "text",
    [
        "[TOOL_CALLS]",
        "[TOOL_CALLS] f",
        '[TOOL_CALLS]f{"a": 1',
        '[TOOL_CALLS]f{"a": NaN}',
        '[TOOL_CALLS]f{"a": 1} and so on',
        '[TOOL_CALLS][{"name": "f"}, 3]',
        "<|python_tag|>",
        "<|python_tag|>print(1)",
        '<|python_tag|>{"name": "f", "parameters": {"a": 1}',
        "<|python_tag|>{}",
        "<function=f><parameter=a>1</function>",
        "<function_call>f</function_call>",
        '<tool_calls>[{"name": "f", "arguments": {"a": 1}}] and more</tool_calls>',
        "<function=f><parameter=a>1</parameter>",
        "<function=f>{broken}</function>",
        "a </function> too many <function=f></function>",
        "<｜tool▁call▁begin｜>f",
        "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{}",
        "<｜tool▁call▁begin｜><｜tool▁sep｜>{}<｜tool▁call▁end｜>",
        '[TOOL_CALLS]f{"a": 1}<function=f><parameter=a>1</parameter></function>',
        '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>[TOOL_CALLS]f{"a": 2}',
        '{"f": {"a": 1}, "g": {}',
    ],
)
def test_calls_of_families_that_cannot_be_read(text):
    if text.startswith('{"f"'):
        assert read_calls(text, PROPERTIES) == []  # nothing says that it is a call
        return
    with pytest.raises(MalformedCall):
        read_calls(text, PROPERTIES)


def test_what_only_looks_like_a_call():
    for text in (
        '{"g": {"a": 1}}',
        '{"f": 1}',
        '{"f": {"a": 1}, "h": {}}',
        '{"function": "g", "arguments": {}}',
        'One could send {"name": "f", "arguments": {"a": 1}} to it, but need not.',
        'Such as:\n{"name": "f", "arguments": {"a": 1}}\nbut that is not needed.',
        'So: {"name": "g", "arguments": {"a": 1}}',
        "see f(a=1)",
    ):
        assert read_calls(text, PROPERTIES) == [], text
    quoting = '<tool_call>{"name": "f", "arguments": {"s": "[TOOL_CALLS]g{} <function=g>"}}</tool_call>'
    assert read_calls(quoting, PROPERTIES) == [Call("f", {"s": "[TOOL_CALLS]g{} <function=g>"})]
