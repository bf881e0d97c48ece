"""The local engine: continuous batching over the learner's own weights, read in place (law 1).

Every step first lets waiting requests in (their prompts are prefilled, once for all that share one), then samples one
token for every running sequence. A finished sequence leaves at once: the last row moves into its place.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ponder.engine.counting import uniforms
from ponder.engine.kv_cache import LENGTH_BUCKET, ROW_TILE, Decode, KVCache, Prefill, round_up
from ponder.engine.protocol import Completion, Request
from ponder.engine.sampler import SamplerState, sample
from ponder.model.decoder import Decoder

DEFAULT_TOKEN_BUDGET = 262_144
PREFILL_TOKENS = 8_192


class LocalEngine:
    """
    Args:
        decoder: sampled from as it is at each step; nothing of it is copied
        token_budget: most tokens whose keys and values are held at a time (rows times the longest they may become)
        max_rows: most sequences that run at a time
    """

    def __init__(self, decoder: Decoder, token_budget: int = DEFAULT_TOKEN_BUDGET, max_rows: int = 256):
        if max_rows < 1 or token_budget < LENGTH_BUCKET:
            raise ValueError(f"the engine needs max_rows >= 1 and token_budget >= {LENGTH_BUCKET}")
        self.decoder = decoder
        self.token_budget, self.max_rows = token_budget, max_rows
        self.cache = KVCache(decoder.config, decoder.device, decoder.dtype)
        self.waiting: deque[Completion] = deque()
        self.running: list[Completion] = []  # one per cache row, no gaps
        self.batch: _Batch | None = None  # tensors of the running rows; None when the rows have changed

    # ---- the protocol ----

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        self.submit(requests)
        while self.waiting or self.running:
            yield from self.step()

    def submit(self, requests: Iterable[Request]) -> None:
        """Queue requests, all or none of them.

        Raises:
            ValueError: a request that can never run.
        """
        requests = list(requests)
        self.check(requests)
        self.waiting.extend(Completion(request) for request in requests)

    @torch.inference_mode()
    def abort(self, request_id: Hashable) -> None:
        """Drop a request wherever it is; its row is free at once."""
        self.waiting = deque(c for c in self.waiting if c.request.id != request_id)
        for row in [row for row, c in enumerate(self.running) if c.request.id == request_id]:
            self.running[row].finish_reason = "aborted"
            self._leave(row)

    @torch.inference_mode()
    def close(self) -> None:
        self.waiting.clear()
        self.running.clear()
        self.batch = None
        self.cache.release()

    # ---- one step ----

    @torch.inference_mode()
    def step(self) -> list[Completion]:
        """Sample one token for every newcomer, or else for every running sequence; returns those that finished."""
        newcomers = self._admit()
        if newcomers:
            finished = self._draw(newcomers, self._new_batch(newcomers), self._prefill(newcomers))
            self.batch = None
        elif self.running:
            self.batch = self.batch or self._new_batch(self.running)
            finished = self._draw(self.running, self.batch, self._decode(self.batch))
        else:
            finished = []
        for row in reversed([row for row, c in enumerate(self.running) if c.finish_reason]):
            self._leave(row)
        if not self.running and not self.waiting:
            self.cache.release()
        return finished

    def _admit(self) -> list[Completion]:
        """Requests in order of arrival, while rows, token budget and one prefill's worth of prompt tokens allow."""
        newcomers: list[Completion] = []
        longest = max((_most_tokens(c) for c in self.running), default=0)
        prompts: set[tuple[int, ...]] = set()
        prompt_tokens = 0
        while self.waiting:
            candidate = self.waiting[0]
            prompt = candidate.request.prompt
            rows = len(self.running) + len(newcomers) + 1
            longest = max(longest, _most_tokens(candidate))
            if rows > self.max_rows or (rows > 1 and rows * longest > self.token_budget):
                break
            if prompt not in prompts:
                if prompts and prompt_tokens + len(prompt) > PREFILL_TOKENS:
                    break
                prompts.add(prompt)
                prompt_tokens += len(prompt)
            newcomers.append(self.waiting.popleft())
        return newcomers

    def _prefill(self, newcomers: list[Completion]) -> Tensor:
        """Give newcomers their rows and cache their prompts; logits of the next token # [newcomers, vocab]."""
        first = len(self.running)
        self.running += newcomers
        by_width: dict[int, list[int]] = {}
        for row, completion in enumerate(newcomers, first):
            by_width.setdefault(round_up(len(completion.request.prompt), LENGTH_BUCKET), []).append(row)
        self.cache.reserve(len(self.running), max(by_width), self._limit())
        shape = (round_up(len(newcomers), ROW_TILE), self.decoder.config.hidden_size)
        hidden = torch.zeros(shape, device=self.decoder.device, dtype=self.decoder.dtype)
        # Prompts of one width go together, so that a prompt's padding does not depend on its company.
        for width, rows in by_width.items():
            hidden[[row - first for row in rows]] = self._prefill_rows(rows, width)
        return self.decoder.logits(hidden)[: len(newcomers)].float()

    def _prefill_rows(self, rows: list[int], width: int) -> Tensor:
        """Last hidden state of each row's prompt # [rows, hidden]; equal prompts are computed once."""
        prompts: dict[tuple[int, ...], int] = {}
        prompt_of_row = [prompts.setdefault(self.running[row].request.prompt, len(prompts)) for row in rows]
        device = self.decoder.device
        ids = torch.zeros(len(prompts), width, dtype=torch.int64)
        for prompt, index in prompts.items():
            ids[index, : len(prompt)] = torch.tensor(prompt)
        positions = torch.arange(width, device=device).repeat(len(prompts))
        shared = torch.tensor(prompt_of_row, device=device)
        attend = Prefill(self.cache, len(prompts), width, shared, torch.tensor(rows, device=device))
        hidden = self.decoder(ids.flatten().to(device), positions, attend, width)  # [prompts * width, hidden]
        ends = torch.tensor([index * width + len(prompt) - 1 for prompt, index in prompts.items()], device=device)
        return hidden[ends][shared]

    def _decode(self, batch: "_Batch") -> Tensor:
        """Logits of the next token of every running sequence # [running, vocab]."""
        self.cache.reserve(len(self.running), batch.longest, self._limit())
        attend = Decode(self.cache, batch.positions, batch.longest)
        hidden = self.decoder(batch.last_ids, batch.positions, attend, batch.longest)
        return self.decoder.logits(hidden)[: len(self.running)].float()

    def _draw(self, completions: list[Completion], batch: "_Batch", logits: Tensor) -> list[Completion]:
        tokens, logprobs = sample(logits, batch.next_uniforms(), batch.sampler, batch.in_prompt, batch.in_answer)
        batch.advance(tokens)
        for completion, token, logprob in zip(completions, tokens.tolist(), logprobs.tolist(), strict=True):
            completion.ids.append(token)
            completion.logprobs.append(logprob)
            if token in completion.request.params.stop_ids:
                completion.finish_reason = "stop"
            elif len(completion.ids) == completion.request.params.max_tokens:
                completion.finish_reason = "length"
        return [c for c in completions if c.finish_reason]

    def _new_batch(self, completions: list[Completion]) -> "_Batch":
        return _Batch(completions, self.decoder.device, self.decoder.config.vocab_size)

    def _limit(self) -> int:
        return max(map(_most_tokens, self.running))

    def _leave(self, row: int) -> None:
        last = self.running.pop()
        if row < len(self.running):
            cached = len(last.request.prompt) + len(last.ids)
            self.cache.move(len(self.running), row, min(cached, self.cache.length))
            self.running[row] = last
        self.batch = None

    def check(self, requests: Iterable[Request]) -> None:
        """Raises ValueError at the first request that can never run here, and says what to change."""
        for request in requests:
            self._check(request)

    def _check(self, request: Request) -> None:
        need, context = len(request.prompt) + request.params.max_tokens, self.decoder.config.max_positions
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
        if max(request.prompt) >= self.decoder.config.vocab_size or min(request.prompt) < 0:
            raise ValueError(f"request {request.id}: a token id outside 0..{self.decoder.config.vocab_size - 1}")


def _most_tokens(completion: Completion) -> int:
    return len(completion.request.prompt) + completion.request.params.max_tokens


class _Batch:
    """Some sequences as tensors, padded to whole tiles of rows: what one step reads and advances."""

    def __init__(self, completions: Sequence[Completion], device: torch.device, vocab_size: int):
        self.rows = len(completions)
        padding = [0] * (round_up(self.rows, ROW_TILE) - self.rows)
        lengths = [len(c.request.prompt) + len(c.ids) for c in completions]
        last_ids = [c.ids[-1] if c.ids else c.request.prompt[-1] for c in completions]
        self.last_ids = torch.tensor(last_ids + padding, device=device)  # [padded], tokens not yet cached
        self.positions = torch.tensor([n - 1 for n in lengths] + padding, device=device)  # [padded], where they stand
        self.longest = max(lengths)
        self.seeds = np.array([c.request.seed for c in completions], dtype=np.uint64)
        self.counts = np.array([len(c.ids) for c in completions], dtype=np.uint64)
        self.sampler = SamplerState.of([c.request.params for c in completions], device)
        self.in_prompt = self.in_answer = None
        if self.sampler.any_penalised:
            self.in_prompt = _membership([c.request.prompt for c in completions], vocab_size, device)
            self.in_answer = _membership([c.ids for c in completions], vocab_size, device)

    def next_uniforms(self) -> Tensor:
        return torch.from_numpy(uniforms(self.seeds, self.counts)).to(self.last_ids.device)

    def advance(self, tokens: Tensor) -> None:
        self.last_ids[: self.rows] = tokens
        self.positions[: self.rows] += 1
        self.longest += 1
        self.counts += np.uint64(1)
        if self.in_answer is not None:
            self.in_answer.scatter_(1, tokens.unsqueeze(1), True)


def _membership(sequences: Sequence[Sequence[int]], vocab_size: int, device: torch.device) -> Tensor:
    """# [rows, vocab], bool: which tokens stand in each row's sequence."""
    seen = torch.zeros(len(sequences), vocab_size, dtype=torch.bool, device=device)
    for row, sequence in enumerate(sequences):
        seen[row, torch.tensor(list(sequence), dtype=torch.int64, device=device)] = True
    return seen
