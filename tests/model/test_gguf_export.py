"""What goes out as GGUF comes back bit for bit, and llama.cpp computes with it what transformers does with the original."""

import json
import warnings

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from ponder.chat.birth import train_tokenizer, write_tokenizer
from ponder.model.config import load_config
from ponder.model.gguf.exporting import plan_export, write_export
from ponder.model.weights import load_decoder, save_decoder
from tests.model.families import FAMILIES
from tests.model.gguf_files import TEMPLATE, TEXTS, exported, imported, llama_cpp, make

WRITABLE = [name for name in FAMILIES if name != "qwen3-bias-tied"]
PROMPT = 20  # tokens


def stored(path) -> dict[str, gguf.gguf_reader.ReaderTensor]:
    return {one.name: one for one in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize("name", WRITABLE)
def test_there_and_back_is_bitwise_equal(name, tmp_path):
    make(name, tmp_path / "a")
    back = imported(exported(tmp_path / "a"), tmp_path / "b")
    before, after = (load_file(tmp_path / one / "model.safetensors") for one in "ab")
    assert before.keys() == after.keys() and all(torch.equal(before[one], after[one]) for one in before)
    assert load_config(back) == load_config(tmp_path / "a")


@pytest.mark.parametrize("name", WRITABLE)
def test_llama_cpp_gives_the_logits_and_the_greedy_tokens_of_the_original(name, tmp_path):
    model = make(name, tmp_path)
    llama = llama_cpp(exported(tmp_path))
    sequence = Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode(TEXTS[0]).ids[:PROMPT]
    llama.eval(sequence)
    with torch.no_grad():
        theirs = model(torch.tensor([sequence])).logits[0]
        np.testing.assert_allclose(llama.scores[: len(sequence)], theirs.numpy(), atol=2e-4)
        for _ in range(24):
            sequence.append(int(model(torch.tensor([sequence])).logits[0, -1].argmax()))
    llama.reset()
    stream = llama.generate(sequence[:PROMPT], temp=0.0, repeat_penalty=1.0)
    assert [next(stream) for _ in range(24)] == sequence[PROMPT:]


@pytest.mark.parametrize("attention", (1.3, 1.0))
def test_yarn_with_an_attention_factor_of_its_own(attention, tmp_path):
    model = make("qwen2-yarn", tmp_path)
    path = tmp_path / "config.json"
    raw = json.loads(path.read_text())
    raw["rope_parameters"] |= {"attention_factor": attention}
    path.write_text(json.dumps(raw))
    assert load_config(imported(exported(tmp_path), tmp_path / "b")) == load_config(tmp_path)
    model = type(model).from_pretrained(tmp_path, dtype=torch.float32).eval()
    llama, ids = llama_cpp(tmp_path / "float32.gguf"), list(range(40, 60))
    llama.eval(ids)
    with torch.no_grad():
        theirs = model(torch.tensor([ids])).logits[0]
    np.testing.assert_allclose(llama.scores[: len(ids)], theirs.numpy(), atol=2e-4)


def test_yarn_with_another_ramp_comes_back_and_is_remarked_on(tmp_path):
    """llama.cpp does not read it from the file."""
    make("qwen3-yarn", tmp_path)
    assert not plan_export(tmp_path).remarks("float32")
    path = tmp_path / "config.json"
    raw = json.loads(path.read_text())
    raw["rope_parameters"] |= {"beta_fast": 16.0, "beta_slow": 2.0}
    path.write_text(json.dumps(raw))
    assert load_config(imported(exported(tmp_path), tmp_path / "b")) == load_config(tmp_path)
    (remark,) = plan_export(tmp_path).remarks("float32")
    assert "--yarn-beta-fast 16 --yarn-beta-slow 2" in remark


def test_the_shape_of_llama_3_1_needs_no_words_of_ours(tmp_path):
    """A file by llama.cpp's converter has the divisors only; these tell the scaling where heads have their usual size."""
    from ponder.model.config import RopeConfig
    from ponder.model.fields import Fields
    from ponder.model.gguf.rope import llama3_divisors, llama3_from_divisors

    for factor, original, high in ((8.0, 8192, 4.0), (32.0, 8192, 4.0), (4.0, 4096, 8.0), (16.0, 8192, 2.0)):
        rope = RopeConfig(500_000.0, "llama3", factor, original, high_freq_factor=high)
        assert llama3_from_divisors(rope.theta, llama3_divisors(rope, 128), Fields({}, "x"), "") == rope
    assert llama3_from_divisors(5e5, np.ones(64, np.float32), Fields({}, "x"), "") == RopeConfig(5e5)
    for other in (np.linspace(1, 8, 64), np.full(64, np.nan), np.full(64, 0.5)):
        assert llama3_from_divisors(5e5, other.astype(np.float32), Fields({}, "x"), "") is None


def test_tokenizer_template_and_generation_config_survive(tmp_path):
    make("qwen2", tmp_path / "a")
    (tmp_path / "a/additional_chat_templates").mkdir()
    (tmp_path / "a/additional_chat_templates/tool_use.jinja").write_text("tools: {{ tools }}")
    back = imported(exported(tmp_path / "a"), tmp_path / "b")
    one, other = (Tokenizer.from_file(str(tmp_path / where / "tokenizer.json")) for where in "ab")
    assert one.get_vocab() == other.get_vocab(), "rows that only fill up the embeddings are no tokens"
    for text in [*TEXTS, "decomposed e\u0301"]:
        assert one.encode(text).ids == other.encode(text).ids, text
        assert one.decode(one.encode(text).ids, False) == other.decode(other.encode(text).ids, False)
    about = other.get_added_tokens_decoder()
    assert {token.content for token in about.values() if token.special} == {
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
    }
    assert {token.content for token in about.values() if not token.special} == {"<think>", "</think>"}
    assert (back / "chat_template.jinja").read_bytes() == TEMPLATE.encode()
    assert (back / "additional_chat_templates/tool_use.jinja").read_text() == "tools: {{ tools }}"
    generation = [json.loads((tmp_path / where / "generation_config.json").read_text()) for where in "ab"]
    for key in ("eos_token_id", "pad_token_id", "temperature", "top_k", "top_p", "repetition_penalty", "do_sample"):
        assert generation[0][key] == generation[1][key], key


def test_a_newborn_model_of_ponder_goes_to_llama_cpp(tmp_path):
    """Its tokenizer cuts words as Qwen2's does."""
    make("qwen2", tmp_path, padding=200)
    tokenizer = train_tokenizer(TEXTS, 300)
    (tmp_path / "chat_template.jinja").unlink()
    write_tokenizer(tokenizer, tmp_path, 512)
    path = exported(tmp_path)
    again = Tokenizer.from_file(str(imported(path, tmp_path / "b") / "tokenizer.json"))
    assert again.get_vocab() == tokenizer.get_vocab()
    llama = llama_cpp(path)
    for text in TEXTS:
        assert llama.tokenize(text.encode(), add_bos=False, special=True) == tokenizer.encode(text).ids


@pytest.mark.parametrize(("dtype", "kind"), (("float32", "F32"), ("float16", "F16"), ("q8_0", "Q8_0")))
def test_vectors_stay_float32_and_narrow_rows_half(dtype, kind, tmp_path):
    make("qwen3", tmp_path)
    tensors = stored(exported(tmp_path, dtype))
    assert {one.tensor_type.name for one in tensors.values() if len(one.shape) == 1} == {"F32"}
    narrow = {name for name in tensors if "ffn_down" in name}  # rows of 112
    for name, one in tensors.items():
        if len(one.shape) > 1:
            assert one.tensor_type.name == ("F16" if dtype == "q8_0" and name in narrow else kind), name
    remarks = plan_export(tmp_path).remarks(dtype)
    assert len(remarks) == (dtype == "q8_0")
    assert all("3 matrices stay F16" in one and "down_proj" in one and "multiple of 32" in one for one in remarks)


def test_q8_0_is_near_and_runs_in_llama_cpp(tmp_path):
    make("llama", tmp_path / "a", intermediate_size=128)
    path = exported(tmp_path / "a", "q8_0")
    back = load_file(imported(path, tmp_path / "b") / "model.safetensors")
    for name, tensor in load_file(tmp_path / "a/model.safetensors").items():
        assert (back[name] - tensor).abs().max() <= tensor.abs().max() / 127, name
    stream = llama_cpp(path).generate([1, 2, 3], temp=0.0)
    assert len([next(stream) for _ in range(5)]) == 5


def test_a_bfloat16_checkpoint_in_shards(tmp_path, monkeypatch):
    make("llama", tmp_path / "a")
    monkeypatch.setattr("ponder.model.weights.SHARD_BYTES", 60_000)
    (tmp_path / "a/model.safetensors").rename(tmp_path / "model.safetensors")
    (tmp_path / "a/model.safetensors").symlink_to(tmp_path / "model.safetensors")
    decoder = load_decoder(tmp_path / "a", "bfloat16")
    (tmp_path / "a/model.safetensors").unlink()
    save_decoder(decoder, tmp_path / "a")
    assert len(list((tmp_path / "a").glob("*.safetensors"))) > 3
    back = load_decoder(imported(exported(tmp_path / "a"), tmp_path / "b", "bfloat16"))
    for (name, one), (_, other) in zip(decoder.named_parameters(), back.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_another_head_beside_tied_embeddings_goes_out_too(tmp_path):
    make("qwen2-tied", tmp_path / "a")
    file = tmp_path / "a/model.safetensors"
    tensors = load_file(file)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1
    save_file(tensors, file, metadata={"format": "pt"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = exported(tmp_path / "a")
    back = imported(path, tmp_path / "b")
    assert not load_config(back).tie_embeddings
    assert torch.equal(load_file(back / "model.safetensors")["lm_head.weight"], tensors["lm_head.weight"])


def refused(directory, dtype: str = "float32") -> str:
    with pytest.raises(ValueError) as error:
        write_export(plan_export(directory), directory / "x.gguf", dtype)
    assert str(directory) in str(error.value) and "\n" not in str(error.value)
    return str(error.value)


def test_what_gguf_or_llama_cpp_has_not_is_refused(tmp_path):
    make("qwen3-bias-tied", tmp_path / "bias")
    assert "a bias of qwen3's attention output" in refused(tmp_path / "bias")
    make("qwen2", tmp_path / "rope")
    path = tmp_path / "rope/config.json"
    raw = json.loads(path.read_text())
    raw["rope_parameters"] = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0}
    path.write_text(json.dumps(raw))
    assert "llama3 RoPE scaling of a qwen2 model" in refused(tmp_path / "rope")
    raw["rope_parameters"] = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 8.0, "truncate": False}
    path.write_text(json.dumps(raw))
    assert "truncate: false" in refused(tmp_path / "rope")


def test_tokenizers_that_gguf_has_no_words_for(tmp_path):
    make("llama", tmp_path)
    path = tmp_path / "tokenizer.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    for part, value, word in (
        ("pre_tokenizer", {"type": "Whitespace"}, "no name for"),
        ("model", {**whole["model"], "byte_fallback": True}, "SentencePiece"),
        ("model", {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}, "WordLevel"),
    ):
        path.write_text(json.dumps(whole | {part: value, "added_tokens": []}), encoding="utf-8")
        assert word in refused(tmp_path)
    path.write_text("{")
    assert "tokenizer.json is broken" in refused(tmp_path)
    path.unlink()
    assert "tokenizer.json is missing" in refused(tmp_path)


def test_numbers_that_no_half_holds(tmp_path):
    make("llama", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = 1e5
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    said = refused(tmp_path, "float16")
    assert "model.layers.1.mlp.up_proj.weight" in said and "(1 of " in said and "--dtype float32" in said
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = float("nan")
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for dtype in ("float32", "q8_0"):
        assert "NaN or infinity" in refused(tmp_path, dtype)
