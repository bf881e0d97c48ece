"""The decoder against transformers, on random checkpoints of each family, in float32."""

import pytest
import torch
import transformers

from ponder.model import weights
from ponder.model.attention import score_sequences
from ponder.model.weights import load_decoder, save_decoder
from tests.model.families import FAMILIES, make_checkpoint


def sequences() -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(0, 150, (length,), generator=generator).tolist() for length in (1, 7, 200, 33)]


def their_logits(model, sequence: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([sequence])).logits[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_prefill_logits_agree_with_transformers(family, tmp_path):
    model = make_checkpoint(family, tmp_path)
    decoder = load_decoder(tmp_path)
    with torch.no_grad():
        for sequence, ours in zip(sequences(), score_sequences(decoder, sequences()), strict=True):
            torch.testing.assert_close(ours, their_logits(model, sequence), atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_checkpoint_loads_in_transformers(family, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHARD_BYTES", 60_000)
    original = make_checkpoint(family, tmp_path / "theirs")
    ours = tmp_path / "ours"
    ours.mkdir()
    save_decoder(load_decoder(tmp_path / "theirs"), ours)
    assert len(list(ours.glob("*.safetensors"))) > 3, "a small shard limit makes several shards"
    reloaded, info = transformers.AutoModelForCausalLM.from_pretrained(ours, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    sequence = sequences()[2]
    assert torch.equal(their_logits(reloaded, sequence), their_logits(original, sequence))


def test_bfloat16_checkpoint_keeps_its_bytes(tmp_path):
    make_checkpoint("qwen3", tmp_path / "a").to(torch.bfloat16).save_pretrained(tmp_path / "a")
    decoder = load_decoder(tmp_path / "a")
    assert decoder.dtype == torch.bfloat16
    (tmp_path / "b").mkdir()
    save_decoder(decoder, tmp_path / "b")
    again = load_decoder(tmp_path / "b")
    for (name, one), (_, other) in zip(decoder.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_bfloat16_logits_stay_near_transformers(tmp_path):
    model = make_checkpoint("qwen2", tmp_path).to(torch.bfloat16)
    decoder = load_decoder(tmp_path, dtype="bfloat16")
    with torch.no_grad():
        ours, theirs = score_sequences(decoder, [sequences()[2]])[0], their_logits(model, sequences()[2])
    probability_gap = (ours.float().softmax(-1) - theirs.float().softmax(-1)).abs().mean()
    assert probability_gap < 1e-3
