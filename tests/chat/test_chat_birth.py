import json
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.chat.birth import MARKERS, SPECIAL_TOKENS, train_tokenizer, write_tokenizer
from ponder.chat.renderer import Renderer

PROMPT = "State the final answer to the following arithmetic problem: 4821 + 977 ="


def test_about_one_token_a_word_and_one_a_digit(renderer):
    tokens = [renderer.decode([token]) for token in renderer.encode(PROMPT)]
    assert tokens == [
        *("State", " the", " final", " answer", " to", " the", " following", " arithmetic", " problem", ":", " "),
        *("4", "8", "2", "1", " +", " ", "9", "7", "7", " ="),
    ]


@settings(deadline=None)
@given(text=st.text(alphabet="0123456789 +-.,=\nab"))
def test_digits_are_single_tokens(renderer, text):
    for token in renderer.encode(text):
        spelled = renderer.decode([token])
        assert len(spelled) == 1 or not any(character.isdigit() for character in spelled)


@settings(deadline=None)
@given(text=st.text())
def test_any_text_survives(renderer, text):
    assert renderer.decode(renderer.encode(text)) == unicodedata.normalize("NFC", text)


def test_markers_are_single_tokens_and_only_chatml_is_special(renderer):
    for name in SPECIAL_TOKENS + MARKERS:
        (token,) = renderer.encode(name)
        assert renderer.decode([token]) == name
        assert renderer.decode([token], keep_special=False) == ("" if name in SPECIAL_TOKENS else name)
    spelled = ("think", "think_end", "tool_call", "tool_call_end", "tool_response", "tool_response_end")
    assert [getattr(renderer.markers, name) for name in spelled] == [renderer.encode(name)[0] for name in MARKERS]


def test_the_same_texts_give_the_same_tokenizer_in_any_process(texts, tmp_path):
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    script = (
        "import json, sys; from ponder.chat.birth import train_tokenizer\n"
        "print(train_tokenizer(json.load(open(sys.argv[1])), 512).to_str())"
    )
    for seed in ("1", "2"):
        again = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "texts.json")],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "RAYON_NUM_THREADS": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert again.stdout.strip() == train_tokenizer(iter(texts), 512).to_str()


def test_vocab_size_is_a_limit_and_markers_in_texts_cost_no_merges(texts):
    tokenizer = train_tokenizer(texts, 300)
    assert tokenizer.get_vocab_size() == 300
    learned = train_tokenizer(["<|im_start|>user\n<think>"] * 50, 512).get_vocab()
    assert not [
        token for token in learned if ("im" in token or "think" in token) and token not in SPECIAL_TOKENS + MARKERS
    ]
    with pytest.raises(ValueError, match="vocab_size is 264; give at least 265"):
        train_tokenizer(texts, 264)


def test_transformers_reads_the_same_tokenizer(oracle, renderer):
    assert oracle(PROMPT).input_ids == renderer.encode(PROMPT)
    assert (oracle.eos_token, oracle.pad_token, oracle.bos_token) == ("<|im_end|>", "<|endoftext|>", None)
    assert oracle.model_max_length == 1024


@pytest.mark.parametrize("model_type", ["qwen2", "qwen3", "llama"])
def test_transformers_reads_it_beside_a_model(texts, tmp_path, model_type):
    """It chooses a tokenizer class by the model's type then, and builds parts of the pipeline anew."""
    transformers = pytest.importorskip("transformers")
    write_tokenizer(train_tokenizer(texts, 400), tmp_path, 1024)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    ours, theirs = Renderer.load(tmp_path), transformers.AutoTokenizer.from_pretrained(tmp_path)
    odd = "\n\n e\u0301 中 don't (x) 3.14\t \r\n .\n</think>\n\n<tool_call>{}</tool_call>  1  a<|im_end|>\n"
    assert theirs(PROMPT + odd).input_ids == ours.encode(PROMPT + odd)
    for keep in (True, False):
        ids = ours.encode(PROMPT + odd)
        assert theirs.decode(ids, skip_special_tokens=not keep) == ours.decode(ids, keep_special=keep)
    asked = [{"role": "user", "content": PROMPT}]
    assert theirs.apply_chat_template(asked, add_generation_prompt=True, return_dict=False) == ours.render(asked).ids
