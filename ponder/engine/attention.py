"""How the tokens of one step attend to what is cached: one new token of each running sequence (decode), whole prompts,
and parts of longer ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ponder.engine.decode import Decode, DecodeByLength
from ponder.engine.kernels import LENGTH_BUCKET, Forms, attend_whole, round_up
from ponder.engine.kv_cache import KVCache
from ponder.engine.ragged import RaggedDecode


@dataclass(frozen=True)
class Part:
    """Tokens of one sequence that are computed together.

    Attributes:
        table: # [blocks], int64, its block table
        start, stop: its tokens, `stop` excluded
        whole: it is a prompt from the first token to the last
    """

    table: np.ndarray
    start: int
    stop: int
    whole: bool


class StepAttention:
    """An `Attend` for the flat stream of one step: the decoding rows first, then the parts of prompts, then padding."""

    def __init__(
        self,
        cache: KVCache,
        decode: Decode | DecodeByLength | RaggedDecode | None,
        parts: Sequence[Part],
        forms: Forms,
        blocks: np.ndarray,
        offsets: np.ndarray,
    ):
        """blocks, offsets: # [tokens], int64, where each token of the stream is cached, without padding"""
        self.cache, self.decode, self.forms = cache, decode, forms
        device = cache.device
        self.tokens, self.places = len(blocks), cache.places(blocks, offsets)
        first = decode.rows if decode else 0
        self.wholes: list[_Whole | _Alone] = []
        self.extensions: list[_Extension] = []
        whole: dict[int, list[tuple[int, int]]] = {}  # by padded width, which depends on the prompt alone (law 4)
        for part in parts:
            length = part.stop - part.start
            if part.whole and not forms.exact and device.type == "cpu":
                self.wholes.append(_Alone(slice(first, first + length)))
            elif part.whole:
                whole.setdefault(round_up(length, LENGTH_BUCKET), []).append((first, length))
            else:
                self.extensions.append(_Extension(part, first, device, cache.dtype))
            first += length
        self.wholes += [_Whole(width, stretches, device) for width, stretches in whole.items()]

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        # All are written before any is read: parts of one prompt see each other.
        self.cache.write(layer, self.places, k[: self.tokens], v[: self.tokens])
        if self.decode and self.decode.rows == len(q):
            return self.decode(layer, q)
        out = torch.zeros(len(q), q.shape[1] * q.shape[2], device=q.device, dtype=q.dtype)  # padding sees nothing
        if self.decode:
            out[: self.decode.rows] = self.decode(layer, q[: self.decode.rows])
        for whole in self.wholes:
            whole.write(out, q, k, v, self.forms)
        for extension in self.extensions:
            extension.write(out, q, *self.cache.read(layer, extension.table))
        return out


class _Whole:
    """Prompts of one padded width, each of which sees itself alone."""

    def __init__(self, width: int, stretches: Sequence[tuple[int, int]], device: torch.device):
        """stretches: of each prompt, where its tokens begin in the stream, and how many there are"""
        spread = np.zeros((len(stretches), width), dtype=np.int64)
        real = np.zeros((len(stretches), width), dtype=bool)
        for row, (first, length) in enumerate(stretches):
            spread[row] = np.minimum(np.arange(first, first + width), first + length - 1)
            real[row, :length] = True
        self.spread = torch.from_numpy(spread).to(device)  # [prompts, width], places in the stream
        self.back = torch.from_numpy(np.flatnonzero(real)).to(device)
        self.tokens = torch.from_numpy(spread[real]).to(device)

    def write(self, out: Tensor, q: Tensor, k: Tensor, v: Tensor, forms: Forms) -> None:
        q, k, v = (x[self.spread].transpose(1, 2) for x in (q, k, v))  # [prompts, heads, width, head_dim]
        attended = attend_whole(q, k, v, forms.prompts).transpose(1, 2).flatten(2).flatten(0, 1)
        out[self.tokens] = attended[self.back]


@dataclass(frozen=True)
class _Alone:
    """One prompt where batches need not be invariant: in its own length, read where it lies."""

    own: slice

    def write(self, out: Tensor, q: Tensor, k: Tensor, v: Tensor, forms: Forms) -> None:
        q, k, v = (x[self.own].transpose(0, 1).unsqueeze(0) for x in (q, k, v))  # [1, heads, tokens, head_dim]
        out[self.own] = attend_whole(q, k, v, None)[0].transpose(0, 1).flatten(1)


class _Extension:
    """A part of a sequence whose beginning is cached: its tokens see the beginning, and each other up to themselves.

    It attends by itself, over a length of its own: kernels choose their order by it (law 4).
    """

    def __init__(self, part: Part, first: int, device: torch.device, dtype: torch.dtype):
        self.first, self.count = first, part.stop - part.start
        self.width, length = (round_up(n, LENGTH_BUCKET) for n in (self.count, part.stop))
        self.table = torch.from_numpy(part.table[: length // LENGTH_BUCKET].copy()).to(device)
        positions = torch.arange(part.start, part.start + self.width, device=device)
        hidden = torch.arange(length, device=device) > positions.unsqueeze(1)
        # [width, length], added to the scores
        self.mask = torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, float("-inf"))

    def write(self, out: Tensor, q: Tensor, keys: Tensor, values: Tensor) -> None:
        """keys, values # [kv_heads, length, head_dim], the new ones among them"""
        own = slice(self.first, self.first + self.count)
        q = F.pad(q[own], (0, 0, 0, 0, 0, self.width - self.count))
        # Query heads of one key head stand as a batch: kernels that take a mask do not share keys among heads.
        grouped = q.unflatten(1, (len(keys), -1)).permute(2, 1, 0, 3)  # [group, kv_heads, width, head_dim]
        shape = (len(grouped), *keys.shape)
        attended = F.scaled_dot_product_attention(
            grouped, keys.expand(shape), values.expand(shape), attn_mask=self.mask
        )
        out[own] = attended.permute(2, 1, 0, 3).reshape(self.width, -1)[: self.count]
