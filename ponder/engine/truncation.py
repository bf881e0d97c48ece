"""Which tokens top_k, top_p (nucleus sampling) and min_p leave, and the draw of one of them by inverting the cumulative
distribution. Only as much of a row is sorted as its answer needs."""

from dataclasses import dataclass

import torch
from torch import Tensor

NARROW = 1024  # rows with a greater top_k are drawn apart
FIRST_WIDTHS = (64, 512, 4096)  # how many tokens are sorted, one after the other, where no top_k bounds them
CHUNK = 64  # of a row, whose maximum is taken at once
# Memory that is used again is cheaper than new memory for all rows; more pieces are dearer where threads wait for each other.
ROWS_AT_ONCE, LEAST_ROWS_AT_ONCE, CANDIDATES_AT_ONCE = 16, 8, 2**18


@dataclass
class Truncation:
    """Rows of a batch that truncate alike; tensors # [rows], of these rows alone.

    Attributes:
        rows: of the batch, int64; None: all
        width: the widest top_k, at least 1; None where the rows have none
    """

    rows: Tensor | None
    width: int | None
    top_k: Tensor
    top_p: Tensor
    min_p: Tensor


def invert_rows(probs: Tensor, uniform: Tensor) -> Tensor:
    """`_invert`, some rows at a time: their cumulative sums stand in the same small memory."""
    if len(probs) <= ROWS_AT_ONCE:
        return _invert(probs, uniform)
    some = zip(probs.split(ROWS_AT_ONCE), uniform.split(ROWS_AT_ONCE), strict=True)
    return torch.cat([_invert(p, u) for p, u in some])


def _invert(probs: Tensor, uniform: Tensor) -> Tensor:
    """First index whose cumulative sum exceeds uniform * total; never an index of probability 0."""
    cumulative = probs.cumsum(-1)
    total = cumulative[:, -1:].contiguous()
    index = torch.searchsorted(cumulative, uniform.unsqueeze(1) * total, right=True)
    # Rounding can carry uniform * total up to the total itself; the first index that reaches it is the last possible.
    last = torch.searchsorted(cumulative, total)
    return torch.minimum(index, last).squeeze(1)


def draw_ranked(probs: Tensor, uniform: Tensor, truncation: Truncation) -> Tensor:
    """top_k, then top_p over what it keeps, then min_p relative to the likeliest: the order of transformers."""
    assert truncation.width is not None
    order = first(probs, min(truncation.width, probs.shape[1]))
    values = probs.gather(1, order)
    rank = torch.arange(values.shape[1], device=probs.device)
    values = values.masked_fill(rank >= truncation.top_k.unsqueeze(1), 0.0)
    kept = _nucleus(values, values.cumsum(-1), None, truncation.top_p, truncation.min_p)
    return order.gather(1, _invert(kept, uniform).unsqueeze(1)).squeeze(1)


def draw_nucleus(probs: Tensor, uniform: Tensor, truncation: Truncation) -> Tensor:
    """top_p and min_p without a top_k: of the likeliest tokens as many as suffice are sorted.

    Whether a row's first so many suffice says the row alone, and all that suffice give the same token.
    """
    vocab = probs.shape[1]
    total = torch.cat([some.cumsum(-1)[:, -1:] for some in probs.split(ROWS_AT_ONCE)])
    tokens = torch.zeros(len(probs), dtype=torch.int64, device=probs.device)
    left = torch.arange(len(probs), device=probs.device)
    # Whether they suffice is a question to the device, which a GPU is slower to answer than to sort.
    widths = [width for width in FIRST_WIDTHS if width < vocab] if probs.device.type == "cpu" else []
    for width in (*widths, vocab):
        some, top_p, min_p = (
            x if len(left) == len(x) else x[left] for x in (probs, truncation.top_p, truncation.min_p)
        )
        order = first(some, width)
        values = some.gather(1, order)
        cumulative = values.cumsum(-1)
        kept = _nucleus(values, cumulative, total[left], top_p, min_p)
        found = order.gather(1, _invert(kept, uniform[left]).unsqueeze(1)).squeeze(1)
        if width == vocab:
            tokens[left] = found
            break
        # The margin is for the rounding of the sums.
        reached = cumulative[:, -1] > top_p * total[left, 0] * (1 + 1e-6)
        enough = reached | (values[:, -1] < min_p * values[:, 0])
        tokens[left[enough]] = found[enough]
        left = left[~enough]
        if not len(left):
            break
    return tokens


def _nucleus(values: Tensor, cumulative: Tensor, total: Tensor | None, top_p: Tensor, min_p: Tensor) -> Tensor:
    """`values` # [rows, width], descending, with 0 for what top_p and min_p take away.

    Args:
        total: # [rows, 1], what top_p is a share of; None: the sum of `values`
    """
    total = cumulative[:, -1:] if total is None else total
    values = values.masked_fill(cumulative - values > top_p.unsqueeze(1) * total, 0.0)
    return values.masked_fill(values < min_p.unsqueeze(1) * values[:, :1], 0.0)


def first(values: Tensor, width: int) -> Tensor:
    """Where the `width` greatest of each row stand # [rows, width], greatest first, and equals by their index: the same
    whatever the width, which belongs to the batch (law 4). Logits of bfloat16 have many equals.

    Args:
        values: # [rows, vocab], float32, no NaN
    """
    at_once = max(LEAST_ROWS_AT_ONCE, CANDIDATES_AT_ONCE // (width * CHUNK))
    return torch.cat([_first_of_chunks(some, width) for some in values.split(at_once)])


def _first_of_chunks(values: Tensor, width: int) -> Tensor:
    """As `first`. Of a long row only the chunks with the `width` greatest maxima are looked at: whatever stands in another
    chunk has `width` maxima before it."""
    rows, vocab = values.shape
    places, chunks = torch.arange(vocab, device=values.device), vocab // CHUNK
    if width * CHUNK > vocab // 2:
        return _first_at(values, places, vocab, width)
    maxima = values[:, : chunks * CHUNK].unflatten(1, (chunks, CHUNK)).amax(-1)
    taken = _first_at(maxima, places[:chunks], chunks, width).unsqueeze(2)
    rest = places[chunks * CHUNK :].expand(rows, -1)
    candidates = torch.cat(((taken * CHUNK + places[:CHUNK]).flatten(1), rest), 1)
    return _first_at(values.gather(1, candidates), candidates, vocab, width)


def _first_at(values: Tensor, places: Tensor, bound: int, width: int) -> Tensor:
    """As `first`, of values that stand at `places` # [rows or none, count], all below `bound`."""
    bits = (values + 0.0).view(torch.int32)  # both zeros are one
    ranks = bits ^ ((bits >> 31) & (2**31 - 1))  # in the order of the floats
    keys = ranks.to(torch.int64).bitwise_left_shift_(32)
    keys |= bound - 1 - places
    count = keys.shape[1]
    keys = keys.topk(width, dim=-1).values if width < count else keys.sort(dim=-1, descending=True).values
    return bound - 1 - (keys & (2**32 - 1))
