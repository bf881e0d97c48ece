"""Calls as families of models mark them, read while they come; the style is taken from the chat template."""

import time

import pytest

from ponder.chat.call_styles import CALL_STYLES, style_of
from ponder.chat.deltas import text_of
from ponder.chat.parser import OutputParser, parse_output, parsed_output
from ponder.chat.renderer import Renderer
from tests.chat.built import CHATML, llama_like, qwen_like
from tests.chat.test_chat_sloppy_calls import TOOLS, made

CODER = "<function=add>\n<parameter=a>\n1\n</parameter>\n<parameter=note>\n</tool_call> 2\n</parameter>\n</function>"
CODED = [("add", {"a": 1, "note": "</tool_call> 2"})]
ONE = [("add", {"a": 1})]
DEEPSEEK = (
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n"
    '{"a": 1}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """By style: a model whose marks are text, and one with tokens for them."""

    def make(style):
        marks = "".join(CALL_STYLES[style].openings)
        template = CHATML + "{# " + (marks or "<tool_call>") + " #}"
        spelled = qwen_like if "▁" in marks else llama_like  # which SentencePiece takes for a space
        text = Renderer.load(spelled(tmp_path_factory.mktemp(style) / "text", template))
        directory = qwen_like(tmp_path_factory.mktemp(style) / "tokens", template)
        tokens = Renderer.load(directory)
        tokens.tokenizer.add_special_tokens([*CALL_STYLES[style].openings])
        tokens.tokenizer.save(str(directory / "tokenizer.json"))
        return [text, Renderer.load(directory)]

    return {style: make(style) for style in CALL_STYLES}


def ids_of(model, text):
    """As the model writes it: SentencePiece puts no space before what goes on from a prompt."""
    return model.encode_written(text) if "<0x0A>" in model.tokenizer.get_vocab() else model.encode(text)


def read(model, text, thinking_open=False, mode="strict"):
    ids = ids_of(model, text)
    whole = parse_output(ids, model, thinking_open, TOOLS, mode, lenient=True)
    parser = OutputParser(model, thinking_open, TOOLS, mode, lenient=True)
    deltas = [delta for token in ids for delta in parser.push([token])] + parser.finish()
    assert parsed_output(deltas, parser) == whole
    return whole


@pytest.mark.parametrize(
    ("style", "text", "calls", "content"),
    [
        ("qwen_coder", f"Sure.\n<tool_call>\n{CODER}\n</tool_call>", CODED, "Sure."),
        ("qwen_coder", f"Sure.\n{CODER}\n</tool_call>", CODED, "Sure.</tool_call>"),
        ("qwen_coder", f"<tool_call>\n{CODER}\n</tool_call>\n<tool_call>\n{CODER}\n</tool_call>", CODED * 2, ""),
        ("qwen_coder", '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>', ONE, ""),
        ("qwen_coder", "Write <function=name> there.", [], "Write <function=name> there."),
        ("qwen_coder", "<function=add>\n<parameter=a>\n1", [], "<function=add>\n<parameter=a>\n1"),
        ("llama", '<|python_tag|>{"name": "add", "parameters": {"a": 1}}', ONE, ""),
        ("llama", '<|python_tag|>{"name": "add", "parameters": {"a": 1}}; {"name": "now"}', [*ONE, ("now", {})], ""),
        ("llama", "<|python_tag|>add(a=1)", ONE, ""),
        ("llama", '{"name": "add", "parameters": {"a": 1}}', ONE, ""),
        ("llama", '<|python_tag|>{"name": "other"}', [], '<|python_tag|>{"name": "other"}'),
        ("mistral", '[TOOL_CALLS][{"name": "add", "arguments": {"a": 1}}]', ONE, ""),
        ("mistral", '[TOOL_CALLS] [{"name": "add", "arguments": {"a": 1}}, {"name": "now"}]', [*ONE, ("now", {})], ""),
        ("mistral", 'So\n[TOOL_CALLS]add[CALL_ID]abc123def[ARGS]{"a": 1}', ONE, "So"),
        ("mistral", '[TOOL_CALLS]add{"a": 1}[TOOL_CALLS]now{}', [*ONE, ("now", {})], ""),
        ("mistral", "[TOOL_CALLS] cut", [], "[TOOL_CALLS] cut"),
        ("mistral", "[TOOL", [], "[TOOL"),
        ("deepseek", f"{DEEPSEEK}", ONE, ""),
        ("deepseek", f"So\n{DEEPSEEK}\n", ONE, "So"),
        ("hermes", "[TOOL_CALLS] and <|python_tag|>", [], "[TOOL_CALLS] and <|python_tag|>"),
    ],
)
def test_calls_in_the_marks_of_a_family(models, style, text, calls, content):
    for model in models[style]:
        assert model.call_style == style
        output = read(model, text)
        assert (made(output), output.content.rstrip("\n")) == (calls, content)


def test_a_call_of_coders_in_the_thought(models):
    for model in models["qwen_coder"]:
        thought = f"I must.\n<tool_call>\n{CODER}\n</tool_call>"
        assert made(read(model, thought, thinking_open=True, mode="act")) == CODED
        draft = read(model, f"{thought}\n</think>\n\nNo.", thinking_open=True, mode="act")
        assert (draft.reasoning, draft.content, draft.tool_calls) == (thought + "\n", "No.", ())


def test_hermes_is_read_for_every_model(models):
    for pair in models.values():
        for model in pair:
            assert made(read(model, '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>')) == ONE


def test_without_tools_marks_are_text(models):
    text = '<|python_tag|>{"name": "add", "parameters": {"a": 1}}'
    for model in models["llama"]:
        for tools in (None, []):
            assert parse_output(ids_of(model, text), model, False, tools, lenient=True).content == text


@pytest.mark.parametrize("style", CALL_STYLES)
def test_no_flood_of_openings_is_read_again_and_again(models, style):
    for model in models[style]:
        for flood in ("<tool_call><function=add>", "<function=add>", *CALL_STYLES[style].openings):
            ids = ids_of(model, flood * 4000)
            started = time.process_time()
            output = parse_output(ids, model, False, TOOLS, lenient=True)
            assert time.process_time() - started < 8
            assert (output.content, output.tool_calls) == (flood * 4000, ())


@pytest.mark.parametrize(
    ("template", "tokens", "style"),
    [
        ("<tools>..<tool_call>", ["<tool_call>"], "hermes"),
        ("<tool_call>\n<function=", ["<tool_call>"], "qwen_coder"),
        ("[AVAILABLE_TOOLS] [TOOL_CALLS]", [], "mistral"),
        ("<|python_tag|>", [], "llama"),
        ("Environment: ipython", ["<|eom_id|>", "<|python_tag|>"], "llama"),
        ("<｜tool▁call▁begin｜>", ["<|python_tag|>"], "deepseek"),
        ("plain", [], "hermes"),
    ],
)
def test_the_style_of_a_template(template, tokens, style):
    assert style_of([template], tokens) == style


def test_prose_about_a_mark_is_told_at_once(models):
    for model in models["qwen_coder"]:
        parser = OutputParser(model, False, TOOLS, lenient=True)
        text = "Write <function=name> there"
        assert text_of([d for token in ids_of(model, text) for d in parser.push([token])], "content") == text
