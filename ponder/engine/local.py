"""The local engine: continuous batching over the learner's own weights, read in place (law 1).

A step is one forward pass: the next token of every running sequence, and beside them prompts of new ones, as far as the
step has room for them (chunked prefill). Keys and values lie in blocks (paged attention), which are taken when they are
filled. What a step computes, and who is let in or preempted, says `engine/scheduler.py`.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ponder.engine.attention import Part, StepAttention
from ponder.engine.batch import Batch
from ponder.engine.blocks import Blocks
from ponder.engine.decode import decode_rows
from ponder.engine.invariance import choose_forms
from ponder.engine.kernels import BLOCK, LENGTH_BUCKET, Forms, round_up, thread_count
from ponder.engine.kv_cache import KVCache
from ponder.engine.limits import Limits
from ponder.engine.protocol import Completion, Request
from ponder.engine.ragged import fast_decode_rows
from ponder.engine.sampler import likeliest, sample
from ponder.engine.scheduler import Prompt, Scheduler, Step
from ponder.engine.sequence import SequenceState, blocks_for
from ponder.engine.shards import Shards, split
from ponder.model.decoder import Decoder
from ponder.model.rope import yarn_for

DEFAULT_TOKEN_BUDGET = 262_144


class LocalEngine:
    """
    Args:
        decoder: sampled from as it is at each step; nothing of it is copied
        token_budget: most tokens whose keys and values are held at a time, in whole blocks. When they do not suffice the
            youngest sequence is preempted, and computed again later
        max_rows: most sequences that run at a time
        rope_factors: the YaRN factors that requests may have, 1 among them; sequences of all stand in one batch
        context: most tokens of one sequence; None: what the factors offer
        keep_prefixes: what sequences have filled is kept, while there is room, for prompts that begin alike (prefix
            caching). `new_weights` must then be called when the weights have changed
        chunk_tokens: most prompt tokens that are computed in a step, beside those that run (chunked prefill); None lets
            prompts be computed whole, for throughput
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
        context: int | None = None,
        keep_prefixes: bool = False,
        chunk_tokens: int | None = None,
        forms: Forms | None = None,
    ):
        self.decoder = decoder
        self.limits = Limits.of(decoder.config, token_budget, rope_factors, context)
        self.blocks = Blocks(blocks_for(token_budget), keep_prefixes)
        for factor in self.limits.rope_factors:
            yarn_for(decoder.config.rope, factor, decoder.rotary.context)  # its tables are made when they are asked for
        self.forms = forms or choose_forms(decoder)
        self.scheduler = Scheduler(self.blocks, max_rows, chunk_tokens, self.forms.exact)
        self.cache = KVCache(decoder.config, decoder.device, decoder.dtype)
        self.batches: dict[int, Batch] = {}  # of each shard, what its sampler reads
        self.shards: Shards | None = None
        self.step_tokens = 0  # of the last step

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
        """Drop a request wherever it is; its blocks are free at once."""
        self.scheduler.drop(request_id)
        self._release_when_idle()

    def new_weights(self) -> None:
        """The weights have changed: nothing that is kept is true any more."""
        self.scheduler.new_weights()

    def close(self) -> None:
        self.scheduler.waiting.clear()
        for sequence in self.running[:]:
            self.scheduler.leave(sequence)
        self.blocks.forget()
        self.cache.release()
        self.batches.clear()
        if self.shards:
            self.shards.close()
            self.shards = None

    # ---- what a server shows ----

    @property
    def running(self) -> list[SequenceState]:
        return self.scheduler.running

    @property
    def waiting(self) -> Sequence[SequenceState]:
        return self.scheduler.waiting

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.running)

    # ---- one step ----

    @torch.inference_mode()
    def step(self) -> list[Completion]:
        """One forward pass; returns the sequences that finished."""
        if not self.busy:
            return []
        step = self.scheduler.next_step()
        self.step_tokens = step.tokens
        self._reserve()
        finished = self._compute(step)
        self._advance(step)
        for sequence in [s for s in self.running if s.completion.finish_reason]:
            self.scheduler.leave(sequence)
        self._release_when_idle()
        return finished

    def _compute(self, step: Step) -> list[Completion]:
        """The step, in shards where that is quicker; returns the sequences that have finished."""
        shards = split(step, self.forms.shards)
        if len(shards) == 1:
            with thread_count(self.forms.threads):
                return self._compute_shard(0, step)
        if self.shards is None:
            self.shards = Shards(self.forms.shards)
        return [completion for finished in self.shards.map(self._compute_shard, shards) for completion in finished]

    @torch.inference_mode()  # of each thread
    def _compute_shard(self, number: int, step: Step) -> list[Completion]:
        places, sequences = _sampling(step)
        hidden = self._forward(step, places)
        return self._sample(number, sequences, hidden) if sequences else []

    def _release_when_idle(self) -> None:
        if not self.busy and not self.blocks.kept:
            self.cache.release()
            self.blocks.forget()

    def _reserve(self) -> None:
        """Memory for all who are here as far as they may come, or for the whole budget."""
        if self.blocks.untouched > self.cache.blocks:
            most = sum(blocks_for(sequence.most) for sequence in (*self.running, *self.waiting))
            self.cache.reserve(max(self.blocks.untouched, min(most, self.blocks.count)), self.blocks.count)

    def _forward(self, step: Step, wanted: list[int]) -> Tensor:
        """Hidden states # [rows, hidden] at the places that are wanted, filled up with copies of the first, of the stream of
        the step's tokens: the decoding sequences', then the parts of prompts."""
        rows = step.decode
        tables = [np.frombuffer(sequence.table, dtype=np.int64) for sequence in rows]
        ids = [sequence.token(sequence.cached) for sequence in rows]
        positions = np.fromiter((sequence.cached for sequence in rows), np.int64, len(rows))
        blocks = np.fromiter((s.table[s.cached // BLOCK] for s in rows), np.int64, len(rows))
        factors = [sequence.completion.request.rope_factor for sequence in rows]
        decode_by = decode_rows if self.forms.exact else fast_decode_rows
        decode = decode_by(self.cache, tables, positions) if rows else None
        parts = []
        for prompt in step.prompts:
            table = np.frombuffer(prompt.sequence.table, dtype=np.int64)
            for start, stop in prompt.parts:
                parts.append(Part(table, start, stop, prompt.whole))
                ids += prompt.sequence.tokens(start, stop)
                places = np.arange(start, stop)
                positions = np.concatenate((positions, places))
                blocks = np.concatenate((blocks, table[places // BLOCK]))
                factors += [prompt.sequence.completion.request.rope_factor] * (stop - start)
        attend = StepAttention(self.cache, decode, parts, self.forms, blocks, positions % BLOCK)
        padding = self.forms.filled(len(ids)) - len(ids)
        device = self.decoder.device
        filled = self.forms.filled(max(len(wanted), 1))  # a step that samples nothing computes a row for nobody
        all_in_order = filled == len(ids) + padding and wanted == list(range(len(ids)))
        rest = [wanted[0] if wanted else 0] * (filled - len(wanted))
        return self.decoder(
            torch.tensor(ids + [0] * padding, device=device),
            torch.from_numpy(np.pad(positions, (0, padding))).to(device),
            attend,
            round_up(int(positions.max()) + 1, LENGTH_BUCKET),
            self._factor_indices(factors + [1.0] * padding),
            self.forms.rows,
            wanted=None if all_in_order else torch.tensor(wanted + rest, device=device),
        )

    def _advance(self, step: Step) -> None:
        """Note what has been cached, and give followers their leader's keys and values."""
        for sequence in step.decode:
            sequence.cached += 1
        for prompt in step.prompts:
            prompt.sequence.cached = prompt.parts[-1][1]
            if prompt.sequence.decodes:
                self.scheduler.filled(prompt.sequence)
                self._copy(prompt)

    def _copy(self, prompt: Prompt) -> None:
        lead = prompt.sequence
        pairs = [
            (ours, theirs)
            for follower in prompt.followers
            for ours, theirs in zip(lead.table, follower.table, strict=False)
            if ours != theirs
        ]
        for follower in prompt.followers:
            follower.cached = lead.cached
        if pairs:
            self.cache.copy(*zip(*pairs, strict=True))

    def _sample(self, shard: int, sequences: list[SequenceState], hidden: Tensor) -> list[Completion]:
        """Draw a token for each sequence; returns those that have finished. hidden # [rows, hidden], theirs first"""
        completions = [sequence.completion for sequence in sequences]
        batch = self.batches.get(shard)
        if batch is None or not batch.of(completions):
            batch = self.batches[shard] = Batch(completions, self.decoder)
        logits = self.decoder.logits(hidden, self.forms.rows)[: len(sequences)].float()  # [sequences, vocab]
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

    def _factor_indices(self, factors: Sequence[float]) -> Tensor | None:
        """# [tokens], int64, for the rotary table; None where all are 1, the common case, which needs no look-up."""
        if all(factor == 1 for factor in factors):
            return None
        return torch.tensor([self.decoder.rotary.index(factor) for factor in factors], device=self.decoder.device)


def _sampling(step: Step) -> tuple[list[int], list[SequenceState]]:
    """Of each sequence that gets a token in this step, where the last one it has stands in the step's stream; and these
    sequences. One that was preempted gets none while its next token is known."""
    places, sequences = [], []
    for place, sequence in enumerate(step.decode):
        if sequence.cached + 1 == sequence.length:
            places.append(place)
            sequences.append(sequence)
    place = len(step.decode) - 1
    for prompt in step.prompts:
        place += sum(stop - start for start, stop in prompt.parts)
        stop = prompt.parts[-1][1]
        if stop >= prompt.sequence.prefill:
            own = [sequence for sequence in (prompt.sequence, *prompt.followers) if stop == sequence.length]
            places += [place] * len(own)
            sequences += own
    return places, sequences
