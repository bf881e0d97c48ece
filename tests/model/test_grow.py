"""A vocabulary that grows: rows, means, and the same logits in transformers."""

import pytest
import torch
import transformers

from ponder.model.attention import score_sequences
from ponder.model.grow import grow_vocabulary
from ponder.model.shared import share_parameters
from ponder.model.weights import load_decoder, save_decoder
from tests.model.families import make_checkpoint

MADE_OF = {160: [3, 9, 9], 161: [4]}


@pytest.mark.parametrize("family", ["qwen2", "qwen2-tied", "llama"])
def test_new_rows_are_means_and_transformers_agrees(family, tmp_path):
    make_checkpoint(family, tmp_path)
    before, decoder = load_decoder(tmp_path), load_decoder(tmp_path)
    grow_vocabulary(decoder, MADE_OF)
    tables = [(decoder.embed.weight, before.embed.weight)]
    if family != "qwen2-tied":
        tables.append((decoder.lm_head.weight, before.lm_head.weight))
    for new, old in tables:
        assert new.shape == (162, 64) and torch.equal(new[:160], old)
        torch.testing.assert_close(new[160], (old[3] + 2 * old[9]) / 3)
        assert torch.equal(new[161], old[4])
    (tmp_path / "grown").mkdir()
    save_decoder(decoder, tmp_path / "grown")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "grown", dtype=torch.float32)
    assert theirs.config.vocab_size == 162 and theirs.get_input_embeddings().num_embeddings == 162
    ids = [1, 160, 2, 161, 159, 160]
    with torch.no_grad():
        ours = score_sequences(load_decoder(tmp_path / "grown"), [ids])[0]
        torch.testing.assert_close(ours, theirs(torch.tensor([ids])).logits[0], atol=1e-4, rtol=1e-4)
        old = score_sequences(before, [[1, 2, 5]])[0]
        torch.testing.assert_close(score_sequences(decoder, [[1, 2, 5]])[0][:, :160], old, atol=1e-5, rtol=1e-5)


def test_padding_is_used_before_the_vocabulary_grows(tmp_path):
    """A checkpoint whose matrices were made round: its tokenizer has 155 tokens."""
    make_checkpoint("qwen2", tmp_path)
    before, decoder = load_decoder(tmp_path), load_decoder(tmp_path)
    grow_vocabulary(decoder, {155: [1, 2], 156: [7]})
    assert decoder.config == before.config
    for new, old in ((decoder.embed.weight, before.embed.weight), (decoder.lm_head.weight, before.lm_head.weight)):
        torch.testing.assert_close(new[155], (old[1] + old[2]) / 2)
        assert torch.equal(new[156], old[7])
        others = [n for n in range(160) if n not in (155, 156)]
        assert torch.equal(new[others], old[others])


def test_means_are_taken_in_float32(tmp_path):
    make_checkpoint("qwen2", tmp_path)
    decoder = load_decoder(tmp_path, dtype="bfloat16")
    old = decoder.embed.weight.detach().clone()
    grow_vocabulary(decoder, {160: list(range(40))})
    assert torch.equal(decoder.embed.weight[160], old[:40].float().mean(0).bfloat16())


def test_shared_weights_do_not_grow(tmp_path):
    make_checkpoint("qwen2", tmp_path)
    decoder = load_decoder(tmp_path)
    share_parameters(decoder)
    with pytest.raises(AssertionError, match="cannot grow"):
        grow_vocabulary(decoder, MADE_OF)
