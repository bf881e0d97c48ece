"""YaRN factors of single sequences, against transformers' static YaRN of the same factor."""

import copy
from dataclasses import replace

import pytest
import torch
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from ponder.model.attention import PackedCausal
from ponder.model.config import RopeConfig, load_preset
from ponder.model.rope import RotaryTable, inverse_frequencies, yarn_for
from ponder.model.weights import load_decoder
from tests.model.families import make_checkpoint, static_yarn
from tests.model.test_decoder import sequences, their_logits


def test_the_published_vectors_of_qwq():
    """Head dimension 128, theta 1e6, 32,768 trained positions: pairs 0-23 keep their angle, 40-63 are divided by the
    factor, a ramp lies between; cos and sin grow by 0.1 ln(factor) + 1."""
    plain, _ = inverse_frequencies(RopeConfig(theta=1e6), 128)
    for factor, magnitude in ((2.0, 1.06931), (4.0, 1.13863), (1.25, 1.02231)):
        scaled, scale = inverse_frequencies(yarn_for(RopeConfig(theta=1e6), factor, 32_768), 128)
        assert scale == pytest.approx(magnitude, abs=1e-5)
        assert torch.equal(scaled[:24], plain[:24])
        torch.testing.assert_close(scaled[40:], plain[40:] / factor, rtol=1e-6, atol=0)
        for pair, ramp in ((24, 1 / 17), (39, 16 / 17)):
            expected = plain[pair] * (ramp / factor + 1 - ramp)
            torch.testing.assert_close(scaled[pair], expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("factor", [2.0, 4.0])
@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama"])
def test_frequencies_equal_transformers(family, factor, tmp_path):
    model = static_yarn(make_checkpoint(family, tmp_path), factor)
    config = load_decoder(tmp_path).config
    theirs, their_scale = ROPE_INIT_FUNCTIONS["yarn"](model.config, torch.device("cpu"))
    ours, scale = inverse_frequencies(yarn_for(config.rope, factor, config.max_positions), config.head_dim)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)
    assert scale == pytest.approx(their_scale, abs=1e-9)


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama"])
def test_logits_of_mixed_factors_equal_transformers_static_yarn(family, tmp_path):
    """One packed stream of sequences whose factors differ; those of factor 1 equal the unscaled stream bit for bit."""
    model = make_checkpoint(family, tmp_path)
    decoder = load_decoder(tmp_path)
    lengths = [len(sequence) for sequence in sequences()]
    factors = [4.0, 1.0, 2.0, 1.0]
    attend = PackedCausal(lengths)
    ids = torch.tensor([token for sequence in sequences() for token in sequence])
    index = [decoder.rotary.index(factor) for factor in factors]
    with torch.no_grad():
        plain = decoder.logits(decoder(ids, attend.positions, attend, attend.width)).split(lengths)
        table = torch.tensor(index).repeat_interleave(torch.tensor(lengths))
        mixed = decoder.logits(decoder(ids, attend.positions, attend, attend.width, table)).split(lengths)
        for sequence, factor, ours, unscaled in zip(sequences(), factors, mixed, plain, strict=True):
            if factor == 1:
                assert torch.equal(ours, unscaled)
            else:
                assert len(sequence) == 1 or (ours - unscaled).abs().max() > 1e-2, "the factor must have an effect"
                theirs = static_yarn(copy.deepcopy(model), factor)
                torch.testing.assert_close(ours, their_logits(theirs, sequence), atol=1e-4, rtol=0)


def test_a_later_factor_leaves_earlier_tables_as_they_are():
    table = RotaryTable(RopeConfig(), 16, context=64)
    positions = torch.arange(600)
    before = [x.clone() for x in table(positions, 600, torch.float32)]
    two = table.index(2.0)
    table(positions, 600, torch.float32, torch.full((600,), two))
    table.index(8.0)
    for one, other in zip(
        before, table(positions, 600, torch.float32, torch.zeros(600, dtype=torch.int64)), strict=True
    ):
        assert torch.equal(one, other)
    assert table.index(2.0) == two


def test_a_model_with_a_scaling_of_its_own_takes_no_other():
    rope = replace(load_preset("qwq-32b").rope, kind="yarn", factor=4.0, original_max_positions=32_768)
    with pytest.raises(ValueError, match="scaled already"):
        RotaryTable(rope, 128, 131_072).index(2.0)
    assert RotaryTable(rope, 128, 131_072).index(1.0) == 0
