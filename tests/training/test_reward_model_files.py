"""The token for padding of a saved reward model: one with which no sequence ends, or transformers would pool before its end."""

import pytest
import torch
import transformers

from ponder.chat.renderer import Renderer
from ponder.model.scoring import sequence_scores, with_score
from ponder.model.weights import load_decoder
from ponder.training.master import MasterWeights
from ponder.training.reward_model_files import padding_token, save_reward_model
from tests.shared.born import give_birth


@pytest.fixture
def born(tmp_path):
    give_birth(tmp_path)
    return load_decoder(tmp_path), Renderer.load(tmp_path)


def test_sequences_that_end_with_the_tokenizers_own_padding_are_pooled_at_their_end(born, tmp_path):
    decoder, renderer = born
    own = renderer.tokenizer.token_to_id("<|endoftext|>")
    sequences = [[5, 6, 7, own], [9, own, own]]
    save_reward_model(MasterWeights.of(with_score(decoder, 1)), renderer, {own}, tmp_path / "saved", "float32")
    saved = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    pad = saved.config.pad_token_id
    assert pad != own and transformers.AutoTokenizer.from_pretrained(tmp_path / "saved").pad_token_id == pad
    padded = torch.tensor([ids + [pad] * (6 - len(ids)) for ids in sequences])
    with torch.no_grad():
        theirs = saved(padded, attention_mask=(padded != pad).long()).logits.squeeze(-1).tolist()
    ours = sequence_scores(load_decoder(tmp_path / "saved", scores=True), sequences)
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_the_models_own_padding_is_kept_where_it_will_do(born):
    _, renderer = born
    end = renderer.tokenizer.token_to_id("<|im_end|>")
    assert padding_token(renderer, end, set()) == end
    assert padding_token(renderer, end, {end}) == renderer.tokenizer.token_to_id("<|endoftext|>")


def test_where_sequences_end_with_every_special_token_it_is_said(born):
    _, renderer = born
    special = {n for n, token in renderer.tokenizer.get_added_tokens_decoder().items() if token.special}
    with pytest.raises(ValueError, match="no special token is left for padding"):
        padding_token(renderer, None, special)
