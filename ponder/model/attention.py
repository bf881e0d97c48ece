"""Attention over packed sequences, for learning and for whole-sequence scoring. The engine's own lie beside its cache."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ponder.model.decoder import Decoder


class PackedCausal:
    """Sequences laid end to end in one stream; each token sees its own sequence up to itself.

    Only here are sequences padded to a rectangle; every matrix product of the decoder runs on real tokens alone.
    """

    def __init__(self, lengths: Sequence[int], device: torch.device | str = "cpu"):
        assert lengths and min(lengths) > 0, "every sequence needs a token"
        self.rows, self.width = len(lengths), max(lengths)
        self.device = torch.device(device)
        offsets = torch.tensor(lengths, dtype=torch.int64).cumsum(0) - torch.tensor(lengths)
        row_of = torch.repeat_interleave(torch.arange(self.rows), torch.tensor(lengths))  # [tokens]
        self.positions = (torch.arange(len(row_of)) - offsets[row_of]).to(self.device)  # [tokens]
        self.ragged = min(lengths) < self.width
        self.cells = row_of.to(self.device) * self.width + self.positions  # [tokens], each one's cell in the rectangle

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (self._rectangle(x) for x in (q, k, v))  # [rows, heads, width, head_dim]
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
        out = out.transpose(1, 2).reshape(self.rows * self.width, -1)
        return out.index_select(0, self.cells) if self.ragged else out

    def _rectangle(self, x: Tensor) -> Tensor:
        if self.ragged:
            x = x.new_zeros(self.rows * self.width, *x.shape[1:]).index_copy(0, self.cells, x)
        return x.view(self.rows, self.width, *x.shape[1:]).transpose(1, 2)


def score_sequences(decoder: Decoder, sequences: Sequence[Sequence[int]]) -> list[Tensor]:
    """Logits of whole sequences, each # [length, vocab]: the plain forward pass, for tests and small jobs."""
    lengths = [len(sequence) for sequence in sequences]
    attend = PackedCausal(lengths, decoder.device)
    ids = torch.tensor([token for sequence in sequences for token in sequence], device=decoder.device)
    hidden = decoder(ids, attend.positions, attend, attend.width)
    return list(decoder.logits(hidden).split(lengths))
