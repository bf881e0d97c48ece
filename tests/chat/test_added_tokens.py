"""Tags that become tokens of a tokenizer that had none: as in Qwen3, and as transformers reads it."""

import json

import pytest
from tokenizers import AddedToken, Tokenizer

from ponder.chat.added_tokens import add_tokens
from ponder.chat.renderer import Renderer

TAGS = ["<think>", "</think>"]
TALK = [{"role": "user", "content": "Say <think> 1"}, {"role": "assistant", "content": "<think>\n2\n</think>\n\n3"}]


@pytest.fixture(params=[False, True], ids=["tokenizer.json", "all files"])
def bare(request, tiny, variant):
    """A directory whose tokenizer has the special tokens of ChatML and no tags."""
    directory = variant()
    raw = json.loads((tiny / "tokenizer.json").read_text())
    tokenizer = Tokenizer.from_str(json.dumps(raw | {"added_tokens": []}))
    specials = [token["content"] for token in raw["added_tokens"] if token["special"]]
    tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in specials])
    tokenizer.save(str(directory / "tokenizer.json"))
    if request.param:
        path = directory / "tokenizer_config.json"
        about = {
            str(i): {"content": t.content, "special": True} for i, t in tokenizer.get_added_tokens_decoder().items()
        }
        path.write_text(json.dumps(json.loads(path.read_text()) | {"added_tokens_decoder": about}))
        (directory / "added_tokens.json").write_text(json.dumps({t["content"]: int(i) for i, t in about.items()}))
    return directory


def test_tags_become_tokens_here_and_in_transformers(bare, tmp_path):
    transformers = pytest.importorskip("transformers")
    before = Renderer.load(bare)
    assert before.markers.think is None
    renderer, made_of = add_tokens(before, TAGS)
    first = before.vocab_size
    assert made_of == {first: before.encode("<think>"), first + 1: before.encode("</think>")}
    assert len(made_of[first]) > 1 and renderer.vocab_size == first + 2
    assert (renderer.markers.think, renderer.markers.think_end) == (first, first + 1)
    (tmp_path / "saved").mkdir()
    renderer.save(tmp_path / "saved")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")
    for text in ("a<think>\nb</think>c", "<think ><think>", "no tag", "</think>"):
        ids = renderer.encode(text)
        assert ids == theirs(text, add_special_tokens=False)["input_ids"]
        assert renderer.decode(ids, keep_special=False) == text, "they stay in decoded text"
    assert theirs.convert_tokens_to_ids(TAGS) == [first, first + 1]
    assert not set(TAGS) & set(theirs.all_special_tokens)
    ids, mask = renderer.training_example(TALK)
    learned = [token for token, on in zip(ids, mask, strict=True) if on]
    assert learned.count(first + 1) == 1, "a thought is made of tokens now"
    assert ids.count(first) == 1, "the template's; the user's stays text"


def test_everything_else_stays_as_it_was(bare):
    before = Renderer.load(bare)
    renderer, _ = add_tokens(before, TAGS)
    for text in ("State the final answer: 12 + 30 =", "think", "<|im_end|>", "<tool_call>", "\u00e9 \u601d"):
        assert renderer.encode(text) == before.encode(text)
    assert renderer.stop_ids == before.stop_ids and renderer.files.keys() == before.files.keys()
    edited, original = (json.loads(r.files["tokenizer.json"]) for r in (renderer, before))
    *kept, think, _ = edited.pop("added_tokens")
    assert kept == original.pop("added_tokens") and edited == original
    as_in_qwen3 = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    assert think == {"id": before.vocab_size, "content": "<think>"} | as_in_qwen3


def test_texts_that_are_tokens_already_keep_their_ids(bare, renderer):
    assert add_tokens(renderer, TAGS) == (renderer, {})
    once, _ = add_tokens(Renderer.load(bare), TAGS)
    again, made_of = add_tokens(once, [*TAGS, "<a>", "<a>"])
    assert list(made_of) == [once.vocab_size] and again.markers == once.markers


@pytest.mark.parametrize("text", ["", " ", " <a>", "<a>\n", "\u200b"])
def test_texts_that_cannot_be_tokens(bare, text):
    raw = json.loads((bare / "tokenizer.json").read_text())
    nothing = {"type": "Replace", "pattern": {"String": "\u200b"}, "content": ""}
    (bare / "tokenizer.json").write_text(json.dumps(raw | {"normalizer": nothing}))
    with pytest.raises(ValueError, match="cannot be added"):
        add_tokens(Renderer.load(bare), [text])
