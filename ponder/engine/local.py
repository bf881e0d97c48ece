"""The local engine: continuous batching over the learner's own weights, read in place (law 1).

Every step first lets waiting requests in (their prompts are prefilled, once for all that share one), then samples one
token for every running sequence. A finished sequence leaves at once: the last row moves into its place.

What holds where requests wait for one another:

- They are let in by their order of arrival. The first that finds no room holds up those behind it until there is: so none
  starves, and while the cache is full the queue stands.
- Without `chunk_tokens` (training), prompts come first, as many as there is room for, and are computed whole.
- With `chunk_tokens` (serving), prompts and running sequences take turns: between two tokens of a running sequence stand
  at most so many tokens of prompts. One that is longer is computed in chunks, of what the shorter ones leave, and a part
  of EXTEND_TOKENS at least; a further one waits for it, and shorter ones behind pass. Sequences stand in lanes by length
  (`engine/lanes.py`), so that a long one costs the others neither memory nor time, beyond its own.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from ponder.engine.batch import Batch
from ponder.engine.invariance import LENGTH_BUCKET, Forms, choose_forms, round_up, thread_count
from ponder.engine.kv_cache import KVCache
from ponder.engine.lanes import Lanes, Reservation, bounds_up_to, first_tokens, most_tokens
from ponder.engine.long_prompt import LongPrompt
from ponder.engine.prefill import EXTEND_TOKENS, Beginning, Prefiller, beginning_of
from ponder.engine.prefix import PrefixCache
from ponder.engine.protocol import Completion, Request
from ponder.engine.sampler import likeliest, sample
from ponder.engine.yarn import context_of
from ponder.model.decoder import Decoder

DEFAULT_TOKEN_BUDGET = 262_144
PREFILL_TOKENS = 8_192


class LocalEngine:
    """
    Args:
        decoder: sampled from as it is at each step; nothing of it is copied
        token_budget: most tokens whose keys and values are held at a time (rows times the longest they may become, by
            lane): that is how many are let in. With chunk_tokens a lane may be a third larger than it needs, so a third
            more than the budget is held at most, and one layer of a lane that is being resized
        max_rows: most sequences that run at a time
        rope_factors: the YaRN factors that requests may have, 1 among them; sequences of all stand in one batch
        prefix_tokens: keys and values of this many tokens are kept for prompts that begin alike; 0 is off. Only where
            the weights do not change: what is kept was computed with those of its time
        chunk_tokens: most prompt tokens that are computed before the running sequences have their turn; None lets all
            prompts go first and whole, for throughput
        forms: of the arithmetic; None: the fastest that hold law 4 on this machine (engine/invariance.py)
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
        if max_rows < 1 or token_budget < LENGTH_BUCKET:
            raise ValueError(f"the engine needs max_rows >= 1 and token_budget >= {LENGTH_BUCKET}")
        if chunk_tokens is not None and chunk_tokens < LENGTH_BUCKET:
            raise ValueError(f"chunk_tokens must be at least {LENGTH_BUCKET}, got {chunk_tokens}")
        self.decoder, self.chunk_tokens = decoder, chunk_tokens
        self.token_budget, self.max_rows = token_budget, max_rows
        if 1 not in rope_factors or min(rope_factors) < 1:
            raise ValueError(f"rope_factors must be at least 1, and 1 among them, got {list(rope_factors)}")
        self.context, self.rope_factors = context_of(decoder.config), tuple(sorted(map(float, rope_factors)))
        for factor in self.rope_factors:
            decoder.rotary.index(factor)
        longest = int(self.context * max(self.rope_factors))
        if len(self.rope_factors) > 1:  # a table for each factor: too much to be made anew while answers run
            decoder.rotary.reserve(longest + LENGTH_BUCKET, decoder.device, decoder.dtype)
        bounds = [longest] if chunk_tokens is None else bounds_up_to(longest)
        self.forms = forms or choose_forms(decoder)
        self.lanes = Lanes(bounds, self._new_cache, self.forms, fitted=chunk_tokens is not None)
        self.running = self.lanes.running  # lane after lane, no gaps
        self.prefixes: PrefixCache | None = None
        if prefix_tokens:
            self.prefixes = PrefixCache(decoder.config, prefix_tokens, decoder.device, decoder.dtype)
        self.prefiller = Prefiller(decoder, self.prefixes, self.forms)
        self.waiting: deque[Completion] = deque()
        self.long: LongPrompt | None = None  # whose prompt is being computed in chunks
        self.prompts_next = True
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
        self.check(requests)
        completions = [Completion(request) for request in requests]
        self.waiting.extend(completions)
        return completions

    @torch.inference_mode()
    def abort(self, request_id: Hashable) -> None:
        """Drop a request wherever it is; its row is free at once."""
        self.waiting = deque(c for c in self.waiting if c.request.id != request_id)
        if self.long and self.long.completion.request.id == request_id:
            self.long.completion.finish_reason = "aborted"
            self.long = None
        for row in [row for row, c in enumerate(self.running) if c.request.id == request_id]:
            self.running[row].finish_reason = "aborted"
            self._leave(row)

    @torch.inference_mode()
    def close(self) -> None:
        self.waiting.clear()
        self.batch = self.long = None
        self.lanes.release()
        if self.prefixes:
            self.prefixes.clear()

    # ---- one step ----

    @torch.inference_mode()
    def step(self) -> list[Completion]:
        """Sample one token for every newcomer, or else for every running sequence; returns those that finished."""
        with thread_count(self.forms.threads):
            return self._step()

    def _step(self) -> list[Completion]:
        finished: list[Completion] = []
        newcomers = self._admit() if self.prompts_next or not self.running else []
        prompts = bool(newcomers or self.long) and (self.prompts_next or not self.running)
        if newcomers:
            finished += self._draw(newcomers, self._new_batch(newcomers), self._prefill(newcomers))
            self.batch = None
        if prompts and self.long:
            computed = {beginning_of(c): len(c.request.prompt) - c.cached_tokens for c in newcomers}
            finished += self._advance(self.long, sum(computed.values()))
        elif self.running and not prompts:
            if self.lanes.fitted and self.lanes.climb():
                self.batch = None
            self.batch = self.batch or self._new_batch(self.running)
            finished += self._draw(self.running, self.batch, self._decode(self.batch))
        self.prompts_next = self.chunk_tokens is None or not prompts
        for row in reversed([row for row, c in enumerate(self.running) if c.finish_reason]):
            self._leave(row)
        if not self.busy:
            self.lanes.release()
        return finished

    def reserved(self) -> Reservation:
        """What those that have been let in may come to need."""
        entered = [*self.running, *([self.long.completion] if self.long else [])]
        return Reservation(self.lanes.bounds, [(first_tokens(c), most_tokens(c)) for c in entered])

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.running or self.long)

    def _admit(self) -> list[Completion]:
        """Requests in order of arrival, while rows, token budget and one prefill's worth of prompt tokens allow. The
        first of them of whose prompt more than a chunk is left to compute becomes `long`."""
        if not self.waiting:
            return []
        newcomers: list[Completion] = []
        passed: list[Completion] = []  # long prompts that wait for the one being computed
        held = self.reserved()
        prompts: set[Beginning] = set()
        prompt_tokens = 0
        while self.waiting:
            candidate = self.waiting[0]
            prompt = beginning_of(candidate)
            left = self._to_compute(candidate)
            is_long = self.chunk_tokens is not None and left > self.chunk_tokens
            if is_long and self.long:
                passed.append(self.waiting.popleft())
                continue
            held.add(first_tokens(candidate), most_tokens(candidate))
            if held.rows > self.max_rows or (held.rows > 1 and held.tokens > self.token_budget):
                break
            if is_long:
                part = min(EXTEND_TOKENS, self.chunk_tokens or EXTEND_TOKENS)
                self.long = LongPrompt(self.waiting.popleft(), self.decoder, self.prefixes, self.forms, part)
                continue
            if prompt not in prompts:
                if prompts and prompt_tokens + left > (self.chunk_tokens or PREFILL_TOKENS):
                    break
                prompts.add(prompt)
                prompt_tokens += left
            newcomers.append(self.waiting.popleft())
        self.waiting.extendleft(reversed(passed))
        return newcomers

    def _prefill(self, newcomers: list[Completion]) -> Tensor:
        """Give newcomers rows and cache their prompts; logits of the next token # [newcomers, vocab]."""
        if self.lanes.fitted:
            return self.prefiller(newcomers, self.lanes.seat(newcomers))
        (cache,), first = self.lanes.caches, self.lanes.enter(newcomers)
        longest = max(len(completion.request.prompt) for completion in newcomers)
        cache.reserve(first + len(newcomers), round_up(longest, LENGTH_BUCKET), self._limit())
        return self.prefiller(newcomers, [(cache, row) for row in range(first, len(self.running))])

    def _to_compute(self, candidate: Completion) -> int:
        """Tokens of its prompt of which no keys and values are kept."""
        request = candidate.request
        return len(request.prompt) - (self.prefixes.kept(request.prompt, request.rope_factor) if self.prefixes else 0)

    def _advance(self, long: LongPrompt, spent: int) -> list[Completion]:
        """One chunk of a long prompt, less the tokens of prompts that were `spent` in this step; at its end it is a
        newcomer."""
        assert self.chunk_tokens is not None
        logits = long.advance(self.chunk_tokens - spent)
        if logits is None:
            return []
        self.long = self.batch = None
        self.lanes.adopt(long.completion, long.cache)
        return self._draw([long.completion], self._new_batch([long.completion]), logits)

    def _decode(self, batch: Batch) -> Tensor:
        """Logits of the next token of every running sequence # [running, vocab]."""
        attend = self.lanes.decode(batch.positions, batch.longest, self._limit())
        tile = self.forms.rows
        hidden = self.decoder(batch.last_ids, batch.positions, attend, batch.longest, batch.factors, tile)
        return self.decoder.logits(hidden, tile)[: len(self.running)].float()

    def _draw(self, completions: list[Completion], batch: Batch, logits: Tensor) -> list[Completion]:
        top = likeliest(logits, batch.sampler) if any(batch.sampler.top_logprobs) else None
        tokens, logprobs = sample(
            logits, batch.next_uniforms(), batch.sampler, batch.in_prompt, batch.answer_counts, batch.allowed()
        )
        batch.advance(tokens)
        for row, (token, logprob) in enumerate(zip(tokens.tolist(), logprobs.tolist(), strict=True)):
            completion = completions[row]
            if completion.finish_reason is None:  # else its mask has failed
                if top and top[row]:
                    completion.top.append(top[row])
                completion.take(token, logprob)
        return [c for c in completions if c.finish_reason]

    def _new_cache(self) -> KVCache:
        return KVCache(self.decoder.config, self.decoder.device, self.decoder.dtype)

    def _new_batch(self, completions: list[Completion]) -> Batch:
        return Batch(completions, self.decoder)

    def _limit(self) -> int:
        return max(map(most_tokens, self.running))

    def _leave(self, row: int) -> None:
        request, ids = self.running[row].request, self.running[row].ids
        if self.prefixes:  # the last sampled token has not been through the decoder
            lane, own = self.lanes.place(row)
            self.prefixes.store((*request.prompt, *ids[:-1]), request.rope_factor, self.lanes.caches[lane], own)
        self.lanes.leave(row)
        self.batch = None

    def check(self, requests: Iterable[Request]) -> None:
        """Raises ValueError at the first request that can never run here, and says what to change."""
        for request in requests:
            self._check(request)

    def _check(self, request: Request) -> None:
        if request.rope_factor not in self.rope_factors:
            offered = ", ".join(f"{factor:g}" for factor in self.rope_factors)
            raise ValueError(
                f"request {request.id}: rope_factor {request.rope_factor:g} is not offered; there are: {offered}"
            )
        if not 0 <= request.seed < 2**64:
            raise ValueError(f"request {request.id}: seed must be between 0 and 2**64 - 1, got {request.seed}")
        if not 0 <= request.answered <= len(request.prompt):
            raise ValueError(
                f"request {request.id}: answered is {request.answered}; it counts tokens at the end of the prompt, "
                f"which has {len(request.prompt)}"
            )
        need, context = len(request.prompt) + request.params.max_tokens, int(self.context * request.rope_factor)
        if not request.prompt:
            raise ValueError(f"request {request.id}: the prompt is empty")
        if len(request.prompt) >= context:
            raise ValueError(
                f"request {request.id}: the prompt has {len(request.prompt)} tokens, the model's context is {context}; "
                "shorten the prompt"
            )
        if need > context:
            raise ValueError(
                f"request {request.id}: prompt ({len(request.prompt)}) + max_tokens ({request.params.max_tokens}) exceeds "
                f"the model's context of {context}; set max_tokens to {context - len(request.prompt)} or less"
            )
        if need > self.token_budget:
            raise ValueError(
                f"request {request.id}: prompt + max_tokens is {need}, the engine's token_budget {self.token_budget}; "
                "raise the budget or lower max_tokens"
            )
        tokens = (*request.prompt, *(token for token, _ in request.params.logit_bias))
        if max(tokens) >= self.decoder.config.vocab_size or min(tokens) < 0:
            raise ValueError(f"request {request.id}: a token id outside 0..{self.decoder.config.vocab_size - 1}")
