"""A larger vocabulary: rows of the embeddings, and of the output matrix, for tokens that the tokenizer has been given."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ponder.model.decoder import Decoder


@torch.no_grad()
def grow_vocabulary(decoder: Decoder, made_of: Mapping[int, Sequence[int]]) -> None:
    """Give new tokens the mean of the embeddings that their text had before, and the same in an untied output matrix
    (lm_head), in place. Rows that the vocabulary was padded with are used first; it grows by as many as are missing,
    and `config.vocab_size` with it.

    Before the weights are shared with other processes, and before an optimizer has them.

    Args:
        made_of: for each new id, the ids of its text before
    """
    assert getattr(decoder, "shared_memory", None) is None, "shared weights cannot grow"
    if not made_of:
        return
    vocab_size = max(decoder.config.vocab_size, 1 + max(made_of))
    decoder.config = replace(decoder.config, vocab_size=vocab_size)
    decoder.embed.weight = nn.Parameter(_grown(decoder.embed.weight, vocab_size, made_of))
    decoder.embed.num_embeddings = vocab_size
    if decoder.lm_head is not None:
        decoder.lm_head.weight = nn.Parameter(_grown(decoder.lm_head.weight, vocab_size, made_of))
        decoder.lm_head.out_features = vocab_size


def _grown(old: Tensor, vocab_size: int, made_of: Mapping[int, Sequence[int]]) -> Tensor:
    """old # [vocab before, hidden] -> [vocab_size, hidden]"""
    new = torch.cat((old, old.new_zeros(vocab_size - len(old), old.shape[1])))
    for token, parts in made_of.items():
        new[token] = old[list(parts)].mean(0)
    return new
