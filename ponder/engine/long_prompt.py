"""Chunked prefill: a prompt that is computed a chunk at a time, so that others are sampled meanwhile."""

import torch
from torch import Tensor

from ponder.engine.attention import Extend
from ponder.engine.batch import factor_indices
from ponder.engine.kernels import LENGTH_BUCKET, ROW_TILE, Forms, round_up
from ponder.engine.kv_cache import KVCache
from ponder.engine.prefill import EXTEND_TOKENS
from ponder.engine.prefix import BLOCK, PrefixCache
from ponder.engine.protocol import Completion
from ponder.model.decoder import Decoder


class LongPrompt:
    """One prompt in a cache of its own, from which its sequence takes the keys and values when it is complete.

    What is computed together are parts of `part` tokens, which depend on the prompt (and what of it is kept) alone, not on
    who runs beside it (law 4).
    """

    def __init__(
        self,
        completion: Completion,
        decoder: Decoder,
        prefixes: PrefixCache | None,
        forms: Forms,
        part: int = EXTEND_TOKENS,
    ):
        self.part, self.forms = part, forms
        request = completion.request
        self.completion, self.decoder, self.prefixes = completion, decoder, prefixes
        self.cache = KVCache(decoder.config, decoder.device, decoder.dtype)
        self.cache.resize(1, round_up(len(request.prompt), LENGTH_BUCKET))
        blocks = prefixes.find(request.prompt, request.rope_factor) if prefixes else []
        self.done = completion.cached_tokens = len(blocks) * BLOCK
        if prefixes and blocks:
            prefixes.load(blocks, self.cache, 0)

    def advance(self, tokens: int) -> Tensor | None:
        """Compute so many tokens more, in whole parts, one at least; at the prompt's end, logits of the next token
        # [1, vocab], float32."""
        prompt = self.completion.request.prompt
        for _ in range(max(1, tokens // self.part)):
            part = prompt[self.done : self.done + self.part]
            hidden = self._extend(part)
            self.done += len(part)
            if self.done == len(prompt):
                return self._end(hidden[len(part) - 1])
        return None

    def _end(self, hidden: Tensor) -> Tensor:
        if self.prefixes:
            request = self.completion.request
            self.prefixes.store(request.prompt, request.rope_factor, self.cache, 0)
        tile = torch.zeros(ROW_TILE, len(hidden), device=hidden.device, dtype=hidden.dtype)
        tile[0] = hidden
        return self.decoder.logits(tile, self.forms.rows)[:1].float()

    def _extend(self, part: tuple[int, ...]) -> Tensor:
        """Hidden states # [width, hidden] of the next tokens, padding included."""
        device, width = self.decoder.device, round_up(len(part), LENGTH_BUCKET)
        ids = torch.zeros(width, dtype=torch.int64)
        ids[: len(part)] = torch.tensor(part)
        attend = Extend(width, [((self.cache, 0), self.done, len(part))], device)
        factors = factor_indices(self.decoder, [self.completion.request.rope_factor] * width)
        return self.decoder(ids.to(device), attend.positions, attend, self.done + width, factors, self.forms.rows)
