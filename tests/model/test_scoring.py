"""Reward models: transformers' sequence classification with one label is the oracle, of files in and out."""

import json
from dataclasses import replace

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from ponder.model.config import is_reward_model
from ponder.model.decoder import build_random
from ponder.model.scoring import sequence_scores, with_score
from ponder.model.weights import load_decoder, save_decoder
from tests.model.families import FAMILIES, make_checkpoint

PAD = 7
TEXTS = [[3, 9, PAD, 11], [5], [2, 4, 8, 16, 32, PAD], [PAD, PAD, 1, 159, 159]]


def make_reward_model(name, directory, labels=1, seed=0):
    torch.manual_seed(seed)
    config = FAMILIES[name]()
    config.num_labels, config.pad_token_id = labels, PAD
    model = transformers.AutoModelForSequenceClassification.from_config(config, dtype=torch.float32).eval()
    model.save_pretrained(directory)
    return model


def oracle(model, ids):
    """One at a time, without padding: transformers would else take a last token for padding, where it is the same."""
    model.config.pad_token_id = None
    with torch.no_grad():
        return [model(torch.tensor([one])).logits.item() for one in ids]


@pytest.mark.parametrize("name", FAMILIES)
def test_public_reward_models_give_the_scores_of_transformers(name, tmp_path):
    model = make_reward_model(name, tmp_path)
    ours = sequence_scores(load_decoder(tmp_path, scores=True), TEXTS, token_budget=8)
    assert ours == pytest.approx(oracle(model, TEXTS), abs=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_saved_gives_transformers_the_same_scores(name, tmp_path):
    make_checkpoint(name, tmp_path)
    decoder = with_score(load_decoder(tmp_path), seed=4)
    decoder.config = replace(decoder.config, pad_id=PAD)
    saved = tmp_path / "saved"
    saved.mkdir()
    save_decoder(decoder, saved)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(saved, dtype=torch.float32).eval()
    assert model.config.num_labels == 1 and model.config.pad_token_id == PAD
    assert sequence_scores(decoder, TEXTS) == pytest.approx(oracle(model, TEXTS), abs=1e-5)


def test_a_sequence_is_pooled_at_its_length_though_padding_and_end_stand_in_it(tmp_path):
    make_reward_model("qwen2", tmp_path)
    decoder = load_decoder(tmp_path, scores=True)
    inside, cut = [3, PAD, 9, 159, 11, PAD], [3, PAD, 9, 159, 11]
    assert abs(sequence_scores(decoder, [inside])[0] - sequence_scores(decoder, [cut])[0]) > 1e-3
    beside = sequence_scores(decoder, [inside, [1] * 9])
    assert beside[0] == pytest.approx(sequence_scores(decoder, [inside])[0], abs=1e-6)


def test_a_reward_model_is_not_taken_for_one_that_writes_nor_the_other_way_round(tmp_path):
    make_reward_model("qwen2", tmp_path)
    assert is_reward_model(tmp_path)
    with pytest.raises(ValueError, match="Qwen2ForSequenceClassification is a reward model: it scores answers"):
        load_decoder(tmp_path)
    make_checkpoint("qwen2", tmp_path / "writes")
    assert not is_reward_model(tmp_path / "writes")
    with pytest.raises(ValueError, match="has no head that scores them"):
        load_decoder(tmp_path / "writes", scores=True)


@pytest.mark.parametrize("labels", [2, 5])
def test_a_classifier_of_several_labels_is_no_reward_model(labels, tmp_path):
    make_reward_model("llama", tmp_path, labels)
    with pytest.raises(ValueError, match=f"it has {labels} labels"):
        load_decoder(tmp_path, scores=True)


def test_labels_that_a_config_does_not_name_are_two_as_in_transformers(tmp_path):
    make_reward_model("llama", tmp_path)
    path = tmp_path / "config.json"
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in raw.items() if key not in ("id2label", "num_labels")}))
    with pytest.raises(ValueError, match="it has 2 labels"):
        load_decoder(tmp_path, scores=True)


def test_a_head_that_is_missing_is_said(tmp_path):
    make_reward_model("qwen2", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["score.weight"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"lacks 1 tensors, first 'score\.weight'"):
        load_decoder(tmp_path, scores=True)


def test_the_output_matrix_of_the_base_that_was_left_in_is_passed_over(tmp_path):
    model = make_reward_model("qwen2", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1
    save_file(tensors, tmp_path / "model.safetensors")
    assert sequence_scores(load_decoder(tmp_path, scores=True), TEXTS) == pytest.approx(oracle(model, TEXTS), abs=1e-5)


def test_the_base_keeps_its_weights_when_a_head_is_put_on_it(tmp_path):
    make_checkpoint("llama", tmp_path)
    base = load_decoder(tmp_path)
    before = {name: parameter.clone() for name, parameter in base.named_parameters()}
    scoring = with_score(base, seed=1)
    assert all(torch.equal(before[name], parameter) for name, parameter in base.named_parameters())
    again = with_score(build_random(base.config, 0), seed=1)
    assert torch.equal(scoring.score.weight, again.score.weight), "drawn from the seed alone"
