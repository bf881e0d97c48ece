"""Scores of whole sequences by a reward model: its last hidden state, at the length that is known of each sequence, through one
row of weights (transformers' sequence classification with one label).

transformers looks for the last token that is no padding. Here lengths are stored, so that a sequence that ends with the padding's
token, or holds it, is pooled at its end like any other.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ponder.model.attention import PackedCausal
from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder


def head_scores(decoder: Decoder, hidden: Tensor) -> Tensor:
    """hidden # [sequences, hidden], the last of each -> [sequences], float32, whatever is computed in"""
    assert decoder.score is not None, "this decoder has no head that scores"
    return F.linear(hidden.float(), decoder.score.weight.float()).squeeze(-1)


@torch.no_grad()
def sequence_scores(decoder: Decoder, sequences: Sequence[Sequence[int]], token_budget: int = 8_192) -> list[float]:
    """The score of each sequence of token ids, in their order; at most `token_budget` tokens go through the decoder at a time (one
    sequence may have more)."""
    scores = [0.0] * len(sequences)
    for batch in _batches([len(sequence) for sequence in sequences], token_budget):
        lengths = [len(sequences[number]) for number in batch]
        attend = PackedCausal(lengths, decoder.device)
        ids = torch.tensor([token for number in batch for token in sequences[number]], device=decoder.device)
        last = torch.tensor(lengths, device=decoder.device).cumsum(0) - 1
        hidden = decoder(ids, attend.positions, attend, attend.width, wanted=last)
        for number, score in zip(batch, head_scores(decoder, hidden).tolist(), strict=True):
            scores[number] = score
    return scores


def with_score(decoder: Decoder, seed: int) -> Decoder:
    """A reward model of a model that writes: its layers (the same memory) with a head in the place of the output matrix, drawn from
    normal(0, 1 / sqrt(width + 1)) as in Stiennon et al. 2020 (arXiv:2009.01325)."""
    assert decoder.config.lora is None and not decoder.config.scores
    config: ModelConfig = replace(decoder.config, scores=True)
    with torch.device("meta"):
        scoring = Decoder(config)
    assert scoring.score is not None
    generator = torch.Generator().manual_seed(seed)
    head = torch.empty(scoring.score.weight.shape).normal_(0, (config.hidden_size + 1) ** -0.5, generator=generator)
    there = {name: parameter for name, parameter in decoder.named_parameters() if not name.startswith("lm_head.")}
    there["score.weight"] = nn.Parameter(head.to(decoder.device, decoder.dtype))
    scoring.load_state_dict(there, assign=True)
    return scoring


def _batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Numbers of sequences that are computed together, longest first, so that like lengths are padded to one rectangle."""
    batches: list[list[int]] = []
    room = 0
    for number in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        if not batches or room < lengths[batches[-1][0]]:
            batches.append([])
            room = token_budget
        batches[-1].append(number)
        room -= lengths[batches[-1][0]]
    return batches
