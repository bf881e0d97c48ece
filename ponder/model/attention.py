"""Attention over packed sequences, for learning and for whole-sequence scoring. The engine's own lie beside its cache."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ponder.model.decoder import Decoder


class PackedCausal:
    """Sequence packing: sequences laid end to end in one stream (varlen); each token sees its own sequence up to itself.

    Only here are sequences padded to a rectangle; every matrix product of the decoder runs on real tokens alone.
    """

    def __init__(self, lengths: Sequence[int], device: torch.device | str = "cpu"):
        assert lengths and min(lengths) > 0, "every sequence needs a token"
        self.stream = _Rectangle(lengths, device)
        self.positions, self.width = self.stream.columns, self.stream.width  # [tokens]

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (self.stream.spread(x) for x in (q, k, v))
        return self.stream.gather(_causal(q, k, v))


# Answers of at least so many tokens, and twice their prompt's, attend with it as whole rows: from there on this is no slower, forward
# and backward, on one thread of a Zen 4 in float32 and in bfloat16, and faster the longer they are.
LONG_ANSWER = 256


def attends_as_rows(prompt: int, answer: int) -> bool:
    """How `SharedPrompts` attends: whether no attention weights wait for the backward pass.

    Args:
        prompt, answer: the longest of a micro-batch, in tokens
    """
    return answer >= max(LONG_ANSWER, 2 * prompt)


class SharedPrompts:
    """Shared-prefix attention for GRPO's groups: `prompt | answer | answer | ...`, the prompt computed once for its group.

    The stream holds all prompts first, then all answers, group by group. An answer's token sees its group's prompt
    and its own answer up to itself: the same numbers as if the prompt stood before every answer.

    There are two ways, chosen by the lengths alone. Two products under one softmax compute a prompt's part for its whole
    group, and keep all weights for the backward pass. Long answers stand in rows with a copy of their prompt's queries, keys
    and values before them: a fused kernel (flash attention, Dao et al. 2022, arXiv:2205.14135) then keeps no weights, and skips
    what is not yet seen, which is more than what the copies cost.
    """

    def __init__(self, prompts: Sequence[int], answers: Sequence[Sequence[int]], device: torch.device | str = "cpu"):
        """prompts: length of each group's prompt; answers: lengths of each group's answers, as many in every group."""
        self.groups, self.samples = len(prompts), len(answers[0])
        assert all(len(group) == self.samples for group in answers) and min(prompts) > 0
        self.device = torch.device(device)
        lengths = [length for group in answers for length in group]
        self.prompt_stream, self.answer_stream = _Rectangle(prompts, device), _Rectangle(lengths, device)
        self.prompt_tokens, self.width = sum(prompts), max(prompts) + max(lengths)
        starts = torch.tensor(prompts, device=self.device).repeat_interleave(self.samples)  # [rows]
        answer_positions = self.answer_stream.columns + starts[self.answer_stream.row_of]
        self.positions = torch.cat((self.prompt_stream.columns, answer_positions))  # [tokens]
        self.rows = None
        if attends_as_rows(max(prompts), max(lengths)):
            self.rows = _Rows(self.prompt_stream, self.answer_stream, starts, self.samples)
            return
        # What an answer may see of the rectangle of its prompt, and of its own.
        beyond = (
            torch.arange(self.prompt_stream.width, device=self.device)
            >= torch.tensor(prompts, device=self.device)[:, None]
        )
        self.prompt_mask = torch.zeros(beyond.shape, device=self.device).masked_fill(beyond, float("-inf"))
        width = self.answer_stream.width
        self.answer_mask = torch.full((width, width), float("-inf"), device=self.device).triu(1)

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if self.rows is not None:
            return self.rows(q, k, v)
        (qp, qa), (kp, ka), (vp, va) = (x.split((self.prompt_tokens, len(x) - self.prompt_tokens)) for x in (q, k, v))
        kp, vp = self.prompt_stream.spread(kp), self.prompt_stream.spread(vp)  # [groups, kv_heads, prompt, head_dim]
        qp = self.prompt_stream.spread(qp)
        of_prompts = _causal(qp, kp, vp)
        qa, ka, va = (self.answer_stream.spread(x) for x in (qa, ka, va))  # [groups * samples, heads, answer, head_dim]
        of_answers = self._answers(qa, ka, va, kp, vp)
        return torch.cat((self.prompt_stream.gather(of_prompts), self.answer_stream.gather(of_answers)))

    def _answers(self, q: Tensor, k: Tensor, v: Tensor, prompt_k: Tensor, prompt_v: Tensor) -> Tensor:
        """Two products, prompt and own, under one softmax."""
        rows, heads, width, head_dim = q.shape
        kv_heads, prompt = k.shape[1], prompt_k.shape[2]
        each = heads // kv_heads
        q = q * head_dim**-0.5
        own_q = q.reshape(rows, kv_heads, each * width, head_dim)
        own = torch.matmul(own_q, k.transpose(-1, -2)).reshape(
            rows, kv_heads, each, width, width
        ) + self.answer_mask.to(q.dtype)
        # All answers of a group stand in one tall matrix against their prompt.
        tall = (self.groups, kv_heads, self.samples * each * width)
        shared_q = own_q.reshape(self.groups, self.samples, kv_heads, each * width, head_dim).transpose(1, 2)
        shared = torch.matmul(shared_q.reshape(*tall, head_dim), prompt_k.transpose(-1, -2))
        shared = shared + self.prompt_mask.to(q.dtype)[:, None, None, :]
        shared = shared.reshape(self.groups, kv_heads, self.samples, each * width, prompt).transpose(1, 2)
        scores = torch.cat((shared.reshape(rows, kv_heads, each * width, prompt), own.flatten(2, 3)), dim=-1)
        weights = torch.softmax(scores, -1)  # [rows, kv_heads, each * width, prompt + width]
        of_prompt, of_own = weights.split((prompt, width), dim=-1)
        of_prompt = of_prompt.reshape(self.groups, self.samples, kv_heads, each * width, prompt).transpose(1, 2)
        from_prompt = torch.matmul(of_prompt.reshape(*tall, prompt), prompt_v)
        from_prompt = from_prompt.reshape(self.groups, kv_heads, self.samples, each * width, head_dim).transpose(1, 2)
        out = from_prompt.reshape(rows, kv_heads, each * width, head_dim) + torch.matmul(of_own, v)
        return out.reshape(rows, heads, width, head_dim)


class _Rows:
    """Every answer of the stream behind a copy of its prompt, as one row; a prompt's own output is its first answer's row's."""

    def __init__(self, prompts: "_Rectangle", answers: "_Rectangle", starts: Tensor, samples: int):
        """starts # [rows], int64: where each answer begins in its row, the length of its prompt"""
        self.count, prompt_tokens = answers.rows, len(prompts.columns)
        places = answers.columns + starts[answers.row_of]  # [answer tokens], in their rows
        self.width = prompts.width + answers.width
        row = torch.arange(self.count, device=starts.device)
        first_token = torch.searchsorted(prompts.row_of, row // samples).unsqueeze(1)  # of each row's prompt
        column = torch.arange(self.width, device=starts.device)
        # Where each cell's token stands in the stream. Cells past an answer's end are seen by none, and hold any token.
        cells = torch.where(column < starts.unsqueeze(1), first_token + column, 0)
        answer_cells = answers.row_of * self.width + places
        in_stream = torch.arange(len(places), device=starts.device) + prompt_tokens
        self.cells = cells.flatten().index_copy(0, answer_cells, in_stream)  # [rows * width]
        prompt_cells = prompts.row_of * samples * self.width + prompts.columns
        self.tokens = torch.cat((prompt_cells, answer_cells))  # [tokens], each one's cell

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (
            x.index_select(0, self.cells).unflatten(0, (self.count, self.width)).transpose(1, 2) for x in (q, k, v)
        )
        out = _causal(q, k, v).transpose(1, 2).reshape(self.count * self.width, -1)
        return out.index_select(0, self.tokens)


def _causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """q # [rows, heads, width, head_dim], k and v with kv_heads -> as q"""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])


class _Rectangle:
    """A stream of sequences end to end, and the padded rectangle # [rows, heads, width, head_dim] that attention needs."""

    def __init__(self, lengths: Sequence[int], device: torch.device | str):
        counts = torch.tensor(lengths, dtype=torch.int64)
        self.rows, self.width = len(lengths), int(counts.max())
        row_of = torch.repeat_interleave(torch.arange(self.rows), counts)
        columns = torch.arange(len(row_of)) - (counts.cumsum(0) - counts)[row_of]
        self.row_of, self.columns = row_of.to(device), columns.to(device)  # [tokens] each
        self.cells = (row_of * self.width + columns).to(device)  # [tokens]
        self.ragged = int(counts.min()) < self.width

    def spread(self, x: Tensor) -> Tensor:
        if self.ragged:
            x = x.new_zeros(self.rows * self.width, *x.shape[1:]).index_copy(0, self.cells, x)
        return x.reshape(self.rows, self.width, *x.shape[1:]).transpose(1, 2)

    def gather(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).reshape(self.rows * self.width, -1)
        return x.index_select(0, self.cells) if self.ragged else x


def score_sequences(decoder: Decoder, sequences: Sequence[Sequence[int]]) -> list[Tensor]:
    """Logits of whole sequences, each # [length, vocab]: the plain forward pass, for tests and small jobs."""
    lengths = [len(sequence) for sequence in sequences]
    attend = PackedCausal(lengths, decoder.device)
    ids = torch.tensor([token for sequence in sequences for token in sequence], device=decoder.device)
    hidden = decoder(ids, attend.positions, attend, attend.width)
    return list(decoder.logits(hidden).split(lengths))
