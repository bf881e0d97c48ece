"""The local engine: continuous batching over the learner's own weights, read in place (law 1).

Every step either prefills the prompts of sequences that the scheduler lets in (once for all that share one), and samples
their first tokens, or decodes one token of every running sequence. A finished sequence leaves at once: the last row of
the KV cache moves into its place. Who is let in, and when, says `engine/scheduler.py`.

With `chunk_tokens` (serving) sequences stand in lanes by length (`engine/lanes.py`), so that a long one costs the others
neither memory nor time beyond its own; without (training) one rectangle holds all.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from ponder.engine.batch import Batch
from ponder.engine.invariance import choose_forms
from ponder.engine.kernels import LENGTH_BUCKET, Forms, round_up, thread_count
from ponder.engine.kv_cache import KVCache, Slot
from ponder.engine.lanes import Lanes, Reservation, bounds_up_to, most_tokens
from ponder.engine.limits import Limits
from ponder.engine.long_prompt import LongPrompt
from ponder.engine.prefill import EXTEND_TOKENS, Prefiller
from ponder.engine.prefix import PrefixCache
from ponder.engine.protocol import Completion, Request
from ponder.engine.sampler import likeliest, sample
from ponder.engine.scheduler import Scheduler
from ponder.model.decoder import Decoder

DEFAULT_TOKEN_BUDGET = 262_144


class LocalEngine:
    """
    Args:
        decoder: sampled from as it is at each step; nothing of it is copied
        token_budget: most tokens whose keys and values are held at a time (rows times the longest they may become, by
            lane): that is how many are let in. With chunk_tokens a lane may be a third larger than it needs, so a third
            more than the budget is held at most, and one layer of a lane that is being resized
        max_rows: most sequences that run at a time
        rope_factors: the YaRN factors that requests may have, 1 among them; sequences of all stand in one batch
        prefix_tokens: keys and values of this many tokens are kept for prompts that begin alike (prefix caching); 0 is
            off. Only where the weights do not change: what is kept was computed with those of its time
        chunk_tokens: most prompt tokens that are computed before the running sequences have their turn (chunked
            prefill); None lets all prompts go first and whole, for throughput
        forms: of the arithmetic; None: the fastest that hold law 4 on this machine (engine/invariance.py)
    Raises:
        ValueError: a budget that holds nothing, or a factor that the model cannot have.
    """

    def __init__(
        self,
        decoder: Decoder,
        token_budget: int = DEFAULT_TOKEN_BUDGET,
        max_rows: int = 256,
        rope_factors: Sequence[float] = (1.0,),
        prefix_tokens: int = 0,
        chunk_tokens: int | None = None,
        forms: Forms | None = None,
    ):
        self.decoder, self.chunk_tokens = decoder, chunk_tokens
        self.limits = Limits.of(decoder.config, token_budget, rope_factors)
        bounds = [self.limits.longest] if chunk_tokens is None else bounds_up_to(self.limits.longest)
        self.prefixes: PrefixCache | None = None
        if prefix_tokens:
            self.prefixes = PrefixCache(decoder.config, prefix_tokens, decoder.device, decoder.dtype)
        self.scheduler = Scheduler(bounds, token_budget, max_rows, chunk_tokens, self._kept)
        self._prepare_rotary()
        self.forms = forms or choose_forms(decoder)
        self.lanes = Lanes(bounds, self._new_cache, self.forms, fitted=chunk_tokens is not None)
        self.running = self.lanes.running  # lane after lane, no gaps
        self.prefiller = Prefiller(decoder, self.prefixes, self.forms)
        self.long: LongPrompt | None = None  # whose prompt is being computed in chunks
        self.batch: Batch | None = None  # tensors of the running rows; None when the rows have changed

    # ---- the protocol ----

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        self.submit(requests)
        while self.busy:
            yield from self.step()

    def submit(self, requests: Iterable[Request]) -> list[Completion]:
        """Queue requests, all or none of them.

        Returns:
            their completions, which grow with every step that samples for them
        Raises:
            ValueError: a request that can never run.
        """
        requests = list(requests)
        self.limits.check(requests)
        completions = [Completion(request) for request in requests]
        self.scheduler.add(completions)
        return completions

    @torch.inference_mode()
    def abort(self, request_id: Hashable) -> None:
        """Drop a request wherever it is; its row is free at once."""
        self.scheduler.drop(request_id)
        if self.long and self.long.completion.request.id == request_id:
            self.long.completion.finish_reason = "aborted"
            self.long = None
        for row in [row for row, c in enumerate(self.running) if c.request.id == request_id]:
            self.running[row].finish_reason = "aborted"
            self._leave(row)

    @torch.inference_mode()
    def close(self) -> None:
        self.scheduler.waiting.clear()
        self.batch = self.long = None
        self.lanes.release()
        if self.prefixes:
            self.prefixes.clear()

    # ---- what a server shows ----

    @property
    def waiting(self) -> Sequence[Completion]:
        return self.scheduler.waiting

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.running or self.long)

    def reserved(self) -> Reservation:
        """What those that have been let in may come to need."""
        return self.scheduler.reserved([*self.running, *([self.long.completion] if self.long else [])])

    # ---- one step ----

    @torch.inference_mode()
    def step(self) -> list[Completion]:
        """Sample one token for every sequence that is let in, or else for every running one; returns those that
        finished."""
        with thread_count(self.forms.threads):
            return self._step()

    def _step(self) -> list[Completion]:
        step = self.scheduler.next_step(self.running, self.long and self.long.completion)
        finished: list[Completion] = []
        if step.long and not self.long:
            self.long = self._begin(step.long)
        if step.admitted:
            finished += self._prefill(step.admitted)
        if step.long and self.long:
            finished += self._prefill_chunk(self.long, step.chunk)
        if self.running and not step.prefill:
            finished += self._decode()
        for row in reversed([row for row, c in enumerate(self.running) if c.finish_reason]):
            self._leave(row)
        if not self.busy:
            self.lanes.release()
        return finished

    def _prefill(self, admitted: list[Completion]) -> list[Completion]:
        """Give new sequences rows, cache their prompts, and sample their first tokens."""
        logits = self.prefiller(admitted, self._allocate(admitted))
        self.batch = None
        return self._sample(admitted, Batch(admitted, self.decoder), logits)

    def _prefill_chunk(self, long: LongPrompt, tokens: int) -> list[Completion]:
        """One chunk of a long prompt; with its last, the first token of the sequence."""
        logits = long.advance(tokens)
        if logits is None:
            return []
        self.long = self.batch = None
        self.lanes.insert(long.completion, long.cache)
        return self._sample([long.completion], Batch([long.completion], self.decoder), logits)

    def _decode(self) -> list[Completion]:
        """The next token of every running sequence."""
        if self.lanes.fitted and self.lanes.move_up():
            self.batch = None
        batch = self.batch = self.batch or Batch(self.running, self.decoder)
        attend = self.lanes.decode(batch.positions, batch.longest, self._longest())
        tile = self.forms.rows
        hidden = self.decoder(batch.last_ids, batch.positions, attend, batch.longest, batch.factors, tile)
        logits = self.decoder.logits(hidden, tile)[: len(self.running)].float()  # [running, vocab]
        return self._sample(self.running, batch, logits)

    def _sample(self, completions: list[Completion], batch: Batch, logits: Tensor) -> list[Completion]:
        """Draw a token from each row of logits # [completions, vocab]; returns those that have finished."""
        top = likeliest(logits, batch.sampler) if any(batch.sampler.top_logprobs) else None
        tokens, logprobs = sample(
            logits, batch.next_uniforms(), batch.sampler, batch.in_prompt, batch.answer_counts, batch.allowed()
        )
        batch.advance(tokens)
        drawn = torch.stack((tokens.double(), logprobs.double()), 1).tolist()  # one way from a GPU
        for row, (token, logprob) in enumerate(drawn):
            completion = completions[row]
            if completion.finish_reason is None:  # else its mask has failed
                if top and top[row]:
                    completion.top.append(top[row])
                completion.take(int(token), logprob)
        return [c for c in completions if c.finish_reason]

    # ---- the cache ----

    def _allocate(self, admitted: list[Completion]) -> list[Slot]:
        """Rows of the KV cache that hold the prompts of new sequences."""
        if self.lanes.fitted:
            return self.lanes.allocate(admitted)
        (cache,), first = self.lanes.caches, self.lanes.append(admitted)
        longest = max(len(completion.request.prompt) for completion in admitted)
        cache.reserve(first + len(admitted), round_up(longest, LENGTH_BUCKET), self._longest())
        return [(cache, row) for row in range(first, len(self.running))]

    def _leave(self, row: int) -> None:
        request, ids = self.running[row].request, self.running[row].ids
        if self.prefixes:  # the last sampled token has not been through the decoder
            lane, own = self.lanes.slot_of(row)
            self.prefixes.store((*request.prompt, *ids[:-1]), request.rope_factor, self.lanes.caches[lane], own)
        self.lanes.remove(row)
        self.batch = None

    def _begin(self, completion: Completion) -> LongPrompt:
        part = min(EXTEND_TOKENS, self.chunk_tokens or EXTEND_TOKENS)
        return LongPrompt(completion, self.decoder, self.prefixes, self.forms, part)

    def _kept(self, request: Request) -> int:
        return self.prefixes.kept(request.prompt, request.rope_factor) if self.prefixes else 0

    def _longest(self) -> int:
        """What any running sequence may become, in tokens."""
        return max(map(most_tokens, self.running))

    def _new_cache(self) -> KVCache:
        return KVCache(self.decoder.config, self.decoder.device, self.decoder.dtype)

    def _prepare_rotary(self) -> None:
        """The RoPE tables of all factors: too much to be made anew while answers run."""
        rotary, factors = self.decoder.rotary, self.limits.rope_factors
        for factor in factors:
            rotary.index(factor)
        if len(factors) > 1:
            rotary.reserve(self.limits.longest + LENGTH_BUCKET, self.decoder.device, self.decoder.dtype)
