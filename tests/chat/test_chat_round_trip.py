"""What of a prompt survives the way to ids and back, by the family of the tokenizer."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers

from ponder.chat.birth import MARKERS, SPECIAL_TOKENS
from ponder.chat.plain_tokenizer import prefix_of
from ponder.chat.renderer import Renderer

ADD = {"type": "function", "function": {"name": "add", "description": "Ends <think>, adds.", "parameters": {}}}
SPOKEN = "Between <think> and </think> you may write; <|im_end|> ends a turn, </s> too, and <tool_call> begins a call."
PIECES = [
    *SPECIAL_TOKENS,
    *MARKERS,
    "</s>",
    "<s>",
    "<unk>",
    "a",
    " 12",
    "\n",
    " ",
    "<",
    "中",
    "\u2581",
    "e\u0301",
    "\t ",
]
TEXTS = st.lists(st.sampled_from(PIECES)).map("".join)


@pytest.fixture(scope="session")
def metaspace(llama, tmp_path_factory) -> Renderer:
    """Llama's newer form: the space is put before the whole text only, and by the pre-tokenizer."""
    tokenizer = Tokenizer.from_str(llama.tokenizer.to_str())
    tokenizer.normalizer = normalizers.Sequence([])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    return changed(llama, tokenizer, tmp_path_factory.mktemp("metaspace"))


@pytest.fixture(scope="session")
def gemma(llama, tmp_path_factory) -> Renderer:
    """Spaces as U+2581, and none before a text."""
    tokenizer = Tokenizer.from_str(llama.tokenizer.to_str())
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    return changed(llama, tokenizer, tmp_path_factory.mktemp("gemma"))


def changed(renderer: Renderer, tokenizer: Tokenizer, directory, template: str | None = None) -> Renderer:
    renderer.save(directory)
    tokenizer.save(str(directory / "tokenizer.json"))
    if template is not None:
        config = json.loads((directory / "tokenizer_config.json").read_text())
        (directory / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": template}))
    return Renderer.load(directory)


@pytest.fixture(params=["renderer", "qwen", "llama", "metaspace", "gemma"])
def model(request) -> Renderer:
    return request.getfixturevalue(request.param)


def test_prompts_that_speak_of_control_tokens(model):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": SPOKEN}]
    assert model.round_trip_difference(messages, [ADD]) is None
    ids = model.render(messages).ids
    assert "<think>" in model.decode(ids) and "</s>" in model.decode(ids)
    assert model.encode(model.decode(ids)) != ids, "encoded again, it would be control tokens, or have another space"


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(TEXTS, min_size=3, max_size=3),
    which=st.sampled_from(["renderer", "qwen", "llama", "metaspace", "gemma"]),
)
def test_no_prompt_is_refused(request, which, texts):
    messages = [
        {"role": role, "content": text} for role, text in zip(("user", "assistant", "user"), texts, strict=True)
    ]
    assert request.getfixturevalue(which).round_trip_difference(messages) is None


def test_where_a_space_is_put(renderer, qwen, llama, metaspace, gemma):
    assert [prefix_of(each.tokenizer) for each in (renderer, qwen, gemma)] == ["never"] * 3
    assert (prefix_of(llama.tokenizer), prefix_of(metaspace.tokenizer)) == ("always", "first")
    for each in (llama, metaspace):
        assert each.token_bytes(each.encode("Hello")[0])[:1] == b" "
        assert each.token_bytes(each.encode_written("Hello")[0])[:1] == b"H"
        prompt = each.render([{"role": "user", "content": "Hello </s> world"}])
        # Hidden or not, text stands in the same tokens.
        plain = each.render([{"role": "user", "content": "Hello world"}])
        end = plain.ids[plain.ids.index(each.turn_end) :]
        assert prompt.ids[:5] == plain.ids[:5] and prompt.ids[-len(end) :] == end


def test_a_tokenizer_that_loses_characters(qwen, tmp_path):
    saved = json.loads(qwen.tokenizer.to_str())
    saved["model"]["vocab"]["no byte"] = saved["model"]["vocab"].pop("\u00a4")  # 0xA4, in the middle of \U0001f914
    lossy = changed(qwen, Tokenizer.from_str(json.dumps(saved)), tmp_path)
    assert lossy.round_trip_difference([{"role": "user", "content": "So 4."}]) is None
    said = lossy.round_trip_difference([{"role": "user", "content": "Hello \U0001f914, world"}])
    assert said is not None and "\U0001f914" in said and "comes back as" in said and "world" in said


def test_a_tokenizer_with_unknown_tokens(llama, tmp_path):
    saved = json.loads(llama.tokenizer.to_str())
    saved["model"]["byte_fallback"] = False
    lossy = changed(llama, Tokenizer.from_str(json.dumps(saved)), tmp_path)
    said = lossy.round_trip_difference([{"role": "user", "content": "x 中 y"}])
    assert said == "in or after '<|user|>\\nx 中 y' comes '<unk>', and the chat template has '</s>'"


def test_control_tokens_that_swallow_white_space(qwen, tmp_path):
    tokenizer = Tokenizer.from_str(qwen.tokenizer.to_str())
    tokenizer.add_special_tokens([AddedToken("<|ask|>", rstrip=True), AddedToken("<|end|>", lstrip=True)])
    template = "{% for m in messages %}{{ '<|ask|>\n ' + m.content + '\n <|end|>\n' }}{% endfor %}<|ask|>"
    model = changed(qwen, tokenizer, tmp_path, template)
    asked = [{"role": "user", "content": "  Hello"}]
    assert model.decode(model.render(asked).ids) == "<|ask|>Hello<|end|>\n<|ask|>"
    spoken = [{"role": "user", "content": "  Hello <|ask|>"}]
    assert model.decode(model.render(spoken).ids) == "<|ask|>Hello <|ask|><|end|>\n<|ask|>"
    assert model.round_trip_difference(asked) is None
    assert model.round_trip_difference(spoken) is None
