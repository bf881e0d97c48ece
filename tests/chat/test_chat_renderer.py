import json
import shutil
import subprocess
import sys
import unicodedata
from datetime import datetime

import pytest
from tokenizers import Tokenizer, decoders, models

from ponder.chat.renderer import Renderer
from ponder.chat.token_bytes import token_bytes

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": 'Adds a < b & c\'s "parts": größer',
        "parameters": {"type": "object", "properties": {"b": {"type": "number"}, "a": {"type": "number"}}},
    },
}
NOW = {"type": "function", "function": {"name": "now", "parameters": {}}}
SYSTEM = {"role": "system", "content": "Answer in one line."}
ASK = {"role": "user", "content": "What is 12 + 30?"}
THOUGHT = {"role": "assistant", "content": "<think>\n12 + 30 = 42\n</think>\n\nIt is 42."}


def calls(content, *arguments):
    functions = [{"type": "function", "function": {"name": "add", "arguments": each}} for each in arguments]
    return {"role": "assistant", "content": content, "tool_calls": functions}


def result(text):
    return {"role": "tool", "content": text}


TOOL_TURN = [ASK, calls("", {"b": 30, "a": 12}), result("42")]
CONVERSATIONS = {
    "one question": ([ASK], []),
    "system": ([SYSTEM, ASK], []),
    "system later": ([ASK, THOUGHT, SYSTEM, ASK], []),
    "tools": ([ASK], [ADD]),
    "system and tools": ([SYSTEM, ASK], [ADD, NOW]),
    "history": ([SYSTEM, ASK, THOUGHT, ASK, {"role": "assistant", "content": "42"}, ASK], []),
    "tool turn": (TOOL_TURN, [ADD]),
    "tool turn without tools": (TOOL_TURN, []),
    "parallel calls": ([ASK, calls("Both.", {"a": 1}, {"a": 'größer < 3 & "4"'}), result("3"), result("5")], [ADD]),
    "two tool turns": (
        [*TOOL_TURN, calls("<think>\nagain\n</think>\n\n", {"a": 1}), result("1"), result("2"), ASK],
        [ADD],
    ),
    "tool result first": ([result("42"), ASK], []),
    "unicode": ([{"role": "user", "content": "中文 café e\u0301 \U0001f914\u200d \u0661\u0662 \t\r\n  x"}], []),
    "tags that are no tokens": (
        [{"role": "user", "content": "Why <thinks> and <b>x</b> <|im|> |>?"}, THOUGHT, ASK],
        [],
    ),
    "markers in an answer": (
        [ASK, {"role": "assistant", "content": "So: </think>\n\n<tool_call>x</tool_call> or <think>?"}, ASK],
        [],
    ),
    "private characters": ([{"role": "user", "content": "\ue000 \U000f0001 \U00100000\U0010fffd."}], []),
    "empty": ([{"role": "user", "content": ""}, {"role": "assistant", "content": ""}], []),
}


@pytest.mark.parametrize("generation_prompt", [True, False])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_equals_transformers(renderer, oracle, name, generation_prompt):
    messages, tools = CONVERSATIONS[name]
    prompt = renderer.render(messages, tools, generation_prompt=generation_prompt)
    asked = {"tools": tools or None, "add_generation_prompt": generation_prompt}
    assert prompt.text == oracle.apply_chat_template(messages, tokenize=False, **asked)
    assert prompt.ids == oracle.apply_chat_template(messages, tokenize=True, return_dict=False, **asked)
    assert prompt.thinking_open == generation_prompt
    assert renderer.decode(prompt.ids) == unicodedata.normalize("NFC", prompt.text)


def test_the_template_is_qwqs(renderer):
    """Written out from QwQ-32B's conventions, since the oracle above runs our own template."""
    messages = [ASK, calls("", {"b": 30, "a": 12}, {}), result("42"), result("0"), THOUGHT, ASK]
    assert renderer.render(messages, [NOW]).text == (
        "<|im_start|>system\n\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
        '{"type": "function", "function": {"name": "now", "parameters": {}}}\n'
        "</tools>\n\nFor each function call, return a json object with function name and arguments within "
        '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n'
        "</tool_call><|im_end|>\n"
        "<|im_start|>user\nWhat is 12 + 30?<|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>\n{"name": "add", "arguments": {"b": 30, "a": 12}}\n</tool_call>\n'
        '<tool_call>\n{"name": "add", "arguments": {}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\n42\n</tool_response>\n<tool_response>\n0\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\nIt is 42.<|im_end|>\n"
        "<|im_start|>user\nWhat is 12 + 30?<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n"
    )
    with_system = renderer.render([SYSTEM, ASK], [NOW]).text
    assert with_system.startswith("<|im_start|>system\nAnswer in one line.\n\n# Tools\n\n")
    assert renderer.render([ASK]).text.startswith("<|im_start|>user\n")  # no system prompt of its own


# As strict as the templates that checkpoints bring along: it breaks on every trap unless they are absorbed before.
STRICT = """{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content.split('</think>')[-1].lstrip('\\n') }}
{%- for call in message.tool_calls %}{{- call.function.name + (call.function.arguments | tojson) }}{% endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{% endif %}"""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "assistant", "content": None, "tool_calls": [{"name": "f", "arguments": {}}]}, "f{}"),
        (
            {"role": "assistant", "tool_calls": [{"name": "f", "arguments": '{"b": 1, "a": "<"}'}]},
            'f{"b": 1, "a": "<"}',
        ),
        ({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"role": "assistant", "content": "4", "reasoning_content": "2+2"}, "4"),
        ({"role": "assistant", "content": "<think>\n2+2"}, ""),
        ({"role": "assistant", "content": "<think>\n2+2\n</think>\n\n4"}, "4"),
    ],
)
def test_traps_are_absorbed_before_rendering(variant, message, expected):
    text = Renderer.load(variant(STRICT)).render([message], generation_prompt=False).text
    assert text == f"<|im_start|>{message['role']}\n{expected}<|im_end|>\n"


def test_template_features_equal_transformers(variant):
    transformers = pytest.importorskip("transformers")
    template = """{{ bos_token }}{% for message in messages %}
    {% if loop.index > 2 %}{% break %}{% endif %}
    {% generation %}
    {{ message.content | tojson }}{{ eos_token }}
    {% endgeneration %}
{% endfor %}
{{ {'b': 'ä<>&', 'a': 1} | tojson(indent=2) }}{{ unk_token is defined }}{{ documents is none }}{{ tools is none }}
"""
    directory = variant(template, bos_token={"content": "<|im_start|>", "__type": "AddedToken"})
    expected = transformers.AutoTokenizer.from_pretrained(directory).apply_chat_template([ASK] * 3, tokenize=False)
    assert Renderer.load(directory).render([ASK] * 3).text == expected
    year = Renderer.load(variant("{{ strftime_now('%Y') }}")).render([ASK]).text
    assert year in (str(datetime.now().year), str(datetime.now().year - 1))  # midnight of New Year's Eve


def test_thinking_off_closes_the_thought(renderer):
    prompt = renderer.render([ASK], thinking=False)
    assert prompt.text.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert prompt.ids == renderer.encode(prompt.text)
    assert not prompt.thinking_open


def test_thinking_off_is_told_to_templates_that_know_it(variant):
    template = "{{ '<think>\\n\\n</think>\\n\\n' if enable_thinking is defined and enable_thinking is false else '' }}"
    renderer = Renderer.load(variant("<|im_start|>assistant\n" + template))
    assert renderer.render([ASK]).text == "<|im_start|>assistant\n"
    assert not renderer.render([ASK]).thinking_open
    assert renderer.render([ASK], thinking=False).text == "<|im_start|>assistant\n<think>\n\n</think>\n\n"


def test_thinking_off_where_the_model_itself_would_open_the_thought(variant):
    renderer = Renderer.load(
        variant("{{ messages[0].content }}{{ '<|im_start|>assistant\\n' if add_generation_prompt }}")
    )
    prompt = renderer.render([ASK], thinking=False)
    assert prompt.text == "What is 12 + 30?<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert prompt.ids == renderer.encode(prompt.text)
    assert renderer.render([ASK], thinking=False, generation_prompt=False).text == "What is 12 + 30?"


def test_a_tag_that_a_person_wrote_opens_no_thought(variant):
    asks = [{"role": "user", "content": "What does <think> mean?"}]
    chatml = "{{ '<|im_start|>user\\n' + messages[0].content + '<|im_end|>\\n' }}"
    assert not Renderer.load(variant(chatml)).render(asks).thinking_open
    header_only = (
        "{{ messages[0].content + '<think><|im_start|>' }}"  # nothing ends the person's turn but the next header
    )
    assert not Renderer.load(variant(header_only)).render(asks).thinking_open


@pytest.mark.parametrize("missing", [["<think>", "</think>"], ["<think>"], ["</think>"]])
def test_a_model_without_thinking_tokens(tiny, tmp_path, missing):
    shutil.copytree(tiny, tmp_path / "plain")
    saved = json.loads((tiny / "tokenizer.json").read_text())
    saved["added_tokens"] = [token for token in saved["added_tokens"] if token["content"] not in missing]
    (tmp_path / "plain" / "tokenizer.json").write_text(json.dumps(saved))
    renderer = Renderer.load(tmp_path / "plain")
    assert (renderer.markers.think, renderer.markers.think_end) == (None, None)
    assert renderer.markers.tool_call is not None
    prompt = renderer.render([ASK])
    assert prompt.text.endswith("<|im_start|>assistant\n<think>\n") and prompt.thinking_open
    off = renderer.render([ASK], thinking=False)
    assert off.text.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n") and not off.thinking_open
    ids, mask = renderer.training_example([ASK, THOUGHT])
    assert ids[: len(prompt.ids)] == prompt.ids
    assert renderer.decode(ids[mask.index(1) :]) == "12 + 30 = 42\n</think>\n\nIt is 42.<|im_end|>"


@pytest.mark.parametrize(
    ("eos_token", "generation_config", "expected"),
    [
        ("<|im_end|>", None, {"<|im_end|>", "<|endoftext|>"}),
        ({"content": "</tool_call>"}, None, {"<|im_end|>", "<|endoftext|>", "</tool_call>"}),
        (None, {"eos_token_id": None}, {"<|im_end|>", "<|endoftext|>"}),
        (None, {"eos_token_id": 0}, {"<|im_end|>", "<|endoftext|>", "!"}),
        (None, {"eos_token_id": [0, 1]}, {"<|im_end|>", "<|endoftext|>", "!", '"'}),
    ],
)
def test_stop_ids(variant, eos_token, generation_config, expected):
    renderer = Renderer.load(variant(generation_config=generation_config, eos_token=eos_token))
    assert {renderer.decode([token]) for token in renderer.stop_ids} == expected


def test_named_templates_and_template_files(variant):
    listed = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "with tools"}]
    directory = variant(listed)
    assert Renderer.load(directory).render([ASK]).text == "plain"
    assert Renderer.load(directory).render([ASK], [ADD]).text == "with tools"
    (directory / "chat_template.jinja").write_text("from the file")
    assert Renderer.load(directory).render([ASK]).text == "from the file"


def test_what_transformers_saves_renders_the_same(renderer, oracle, variant, tmp_path):
    oracle.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "chat_template.jinja").exists()
    assert Renderer.load(tmp_path / "again").render(*CONVERSATIONS["parallel calls"]) == renderer.render(
        *CONVERSATIONS["parallel calls"]
    )
    transformers = pytest.importorskip("transformers")
    named = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "with tools"}]
    transformers.AutoTokenizer.from_pretrained(variant(named)).save_pretrained(tmp_path / "named")
    assert Renderer.load(tmp_path / "named").render([ASK], [ADD]).text == "with tools"


def test_saved_limits_do_not_cut_prompts(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "cut")
    tokenizer = Tokenizer.from_file(str(tiny / "tokenizer.json"))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=4000)
    tokenizer.save(str(tmp_path / "cut" / "tokenizer.json"))
    assert Renderer.load(tmp_path / "cut").render([ASK]).ids == Renderer.load(tiny).render([ASK]).ids


def test_save_needs_no_source(variant, tmp_path):
    source = variant(generation_config={"eos_token_id": [0]})
    (source / "additional_chat_templates").mkdir()
    (source / "additional_chat_templates" / "tool_use.jinja").write_text("with tools")
    renderer = Renderer.load(source)
    shutil.rmtree(source)
    renderer.save(tmp_path / "checkpoint")
    again = Renderer.load(tmp_path / "checkpoint")
    assert again.render([ASK]) == renderer.render([ASK])
    assert again.render([ASK], [ADD]).text == "with tools"
    assert again.stop_ids == renderer.stop_ids


def test_training_example(renderer):
    history = [SYSTEM, ASK, THOUGHT, ASK]
    prompt = renderer.render(history)
    inline = {"role": "assistant", "content": "<think>\n2 + 0 = 2\n</think>\n\n42"}
    ids, mask = renderer.training_example([*history, inline])
    border = len(prompt.ids)
    assert ids[:border] == prompt.ids
    assert ids[border:] == [*renderer.encode("2 + 0 = 2\n</think>\n\n42"), renderer.turn_end]
    assert mask == [0] * border + [1] * (len(ids) - border)
    apart = {"role": "assistant", "content": "42", "reasoning_content": "2 + 0 = 2"}
    assert renderer.training_example([*history, apart]) == (ids, mask)


def test_training_example_with_calls_and_without_thinking(renderer, variant):
    ids, mask = renderer.training_example([ASK, calls("Both.", {"b": 1, "a": 2}, {})], [ADD])
    assert ids[: mask.index(1)] == renderer.render([ASK], [ADD]).ids
    assert renderer.decode(ids[mask.index(1) :]) == (
        '\n</think>\n\nBoth.\n<tool_call>\n{"name": "add", "arguments": {"b": 1, "a": 2}}\n</tool_call>\n'
        '<tool_call>\n{"name": "add", "arguments": {}}\n</tool_call><|im_end|>'
    )
    ids, mask = renderer.training_example([ASK, calls(None, {})])
    assert renderer.decode(ids[mask.index(1) :]).startswith("\n</think>\n\n<tool_call>\n")
    closed = Renderer.load(variant("<|im_start|>assistant\n"))  # this template opens no thought
    for message, text in [
        (THOUGHT, "<think>\n12 + 30 = 42\n</think>\n\nIt is 42."),
        ({**ASK, "role": "assistant"}, ASK["content"]),
    ]:
        ids, mask = closed.training_example([ASK, message])
        assert closed.decode(ids[mask.index(1) :]) == text + "<|im_end|>"


def test_no_example_teaches_a_broken_call(renderer):
    broken = {"role": "assistant", "tool_calls": [{"function": {"name": "add", "arguments": '{"a": 1,'}}]}
    assert '"arguments": {"a": 1,}' in renderer.render([ASK, broken]).text, "in a history it is what was written"
    with pytest.raises(ValueError, match="'add' are no JSON object"):
        renderer.training_example([ASK, broken])


def test_training_example_never_tokenises_across_the_border(renderer, variant):
    glued = Renderer.load(variant("The{{ ' ' }}"))
    ids, mask = glued.training_example([ASK, {"role": "assistant", "content": "sum"}])
    assert glued.decode(ids) == "The sum<|im_end|>"
    assert ids != glued.encode("The sum<|im_end|>")  # together they would be other tokens
    assert sum(mask) == len(glued.encode("sum")) + 1


def test_training_example_refuses_what_it_cannot_mask(renderer, variant):
    with pytest.raises(ValueError, match="ends with the assistant"):
        renderer.training_example([ASK])
    with pytest.raises(ValueError, match="never closes"):
        renderer.training_example([ASK, {"role": "assistant", "content": "<think>\nhm"}])


def test_text_that_is_no_unicode_is_refused(renderer):
    with pytest.raises(ValueError, match="surrogate"):
        renderer.render([{"role": "user", "content": "half \ud83d"}])


def test_vocab_size_covers_every_id(renderer, oracle):
    assert renderer.vocab_size == len(oracle) == max(renderer.encode("<|endoftext|></tool_response>")) + 1
    assert renderer.token_bytes(renderer.vocab_size) == b""


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("tokenizer.json", None, "no tokenizer.json in .*; give the directory"),
        ("tokenizer.json", '{"version": ', "tokenizer.json is broken"),
        ("tokenizer_config.json", None, "has no chat template; save one as"),
        ("tokenizer_config.json", '{"chat_template": null}', "has no chat template"),
        ("tokenizer_config.json", '{"chat_template": [{"name": "rag", "template": ""}]}', "has no chat template"),
        ("tokenizer_config.json", '{"chat_template": ', "tokenizer_config.json is broken JSON"),
        ("tokenizer_config.json", "[]", "must be a JSON object"),
        ("generation_config.json", "{", "generation_config.json is broken JSON"),
        ("chat_template.jinja", "{% for x in %}", "no valid Jinja, line 1"),
    ],
)
def test_broken_directories_are_refused(variant, name, content, complaint):
    directory = variant()
    (directory / name).unlink(missing_ok=True)
    if content is not None:
        (directory / name).write_text(content)
    with pytest.raises(ValueError, match=complaint):
        Renderer.load(directory)


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('cannot render these messages: odd roles') }}",
        "{{ messages[0].nothing.at_all }}",
        "{{ 1 / 0 }}",
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_template_that_raises_is_a_user_error(variant, template):
    with pytest.raises(ValueError, match="cannot render these messages"):
        Renderer.load(variant(template)).render([ASK])


def test_byte_fallback_tokens_have_their_bytes():
    tokens = ["<0xE4>", "<0xB8>", "<0xAD>", "\u2581the", "a", "<0xzz>"]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, [], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    bytes_of = token_bytes(tokenizer)
    ids = [0, 1, 2, 3, 4]
    assert b"".join(map(bytes_of, ids)).decode() == "中 thea" == tokenizer.decode(ids)
    tokenizer.decoder = decoders.WordPiece()
    with pytest.raises(ValueError, match="WordPiece"):
        token_bytes(tokenizer)


def test_added_tokens_stand_for_themselves():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = decoders.ByteLevel()
    added = ["<caf\u00e9>", "<\uff5cAssistant\uff5c>", "<two words>"]
    tokenizer.add_tokens(added)
    assert [token_bytes(tokenizer)(token).decode() for token in range(3)] == added


def test_every_token_has_the_bytes_that_transformers_knows(renderer, oracle):
    for token in range(renderer.vocab_size):
        assert renderer.token_bytes(token).decode(errors="replace") == oracle.decode([token])


def test_the_room_imports_no_torch_and_no_transformers():
    room = "ponder.chat.renderer, ponder.chat.parser, ponder.chat.birth, ponder.chat.thinking, ponder.chat.loops"
    heavy = "{'torch', 'transformers', 'numpy'}"
    subprocess.run([sys.executable, "-c", f"import sys, {room}\nassert not {heavy} & set(sys.modules)"], check=True)
