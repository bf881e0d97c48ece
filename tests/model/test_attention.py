"""A prompt that stands once before all its answers: the numbers and gradients of each answer with its prompt, token by token."""

import pytest
import torch

from ponder.model.attention import LONG_ANSWER, PackedCausal, SharedPrompts, attends_as_rows

HEADS, KV_HEADS, HEAD_DIM = 4, 2, 8
LENGTHS = {
    "short answers": ([5, 2], [[3, 7], [1, 4]]),
    "long prompts": ([300, 40], [[9, 20], [30, 1]]),
    "long answers": ([9, 1], [[LONG_ANSWER, 3], [40, LONG_ANSWER + 5]]),
    "one prompt, long answers": ([4], [[LONG_ANSWER, LONG_ANSWER, LONG_ANSWER]]),
}


def streams(tokens: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    made = torch.Generator().manual_seed(0)
    return [
        torch.randn(tokens, heads, HEAD_DIM, generator=made).to(dtype).requires_grad_(True)
        for heads in (HEADS, KV_HEADS, KV_HEADS)
    ]


def plain(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """One sequence # [length, heads, head_dim], by the formula, in float64 -> [length, heads * head_dim]"""
    k, v = (x.double().repeat_interleave(HEADS // KV_HEADS, 1) for x in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q.double(), k) * HEAD_DIM**-0.5
    seen = torch.ones(scores.shape[1:], dtype=torch.bool).tril()
    return torch.einsum("hqk,khd->qhd", scores.masked_fill(~seen, float("-inf")).softmax(-1), v).flatten(1)


def expected(prompts: list[int], answers: list[list[int]], q, k, v) -> torch.Tensor:
    lengths = [*prompts, *(length for group in answers for length in group)]
    parts = list(zip(*(x.split(lengths) for x in (q, k, v)), strict=True))
    of_prompts = [plain(*part) for part in parts[: len(prompts)]]
    of_answers, at = [], len(prompts)
    for number, group in enumerate(answers):
        for _ in group:
            whole = (torch.cat(both) for both in zip(parts[number], parts[at], strict=True))
            of_answers.append(plain(*whole)[prompts[number] :])
            at += 1
    return torch.cat(of_prompts + of_answers)


@pytest.mark.parametrize("name", LENGTHS)
def test_as_if_the_prompt_stood_before_every_answer(name):
    prompts, answers = LENGTHS[name]
    assert attends_as_rows(max(prompts), max(map(max, answers))) == ("long answers" in name)
    attend = SharedPrompts(prompts, answers)
    found, plainly = streams(len(attend.positions)), streams(len(attend.positions))
    out, exact = attend(0, *found), expected(prompts, answers, *plainly)
    torch.testing.assert_close(out.double(), exact, atol=1e-5, rtol=1e-5)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    (out * weights).sum().backward()
    (exact * weights).sum().backward()
    for one, other in zip(found, plainly, strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-4)


def test_in_bfloat16_long_answers_are_as_near_to_the_formula_as_a_packed_sequence():
    prompts, answers = LENGTHS["long answers"]
    attend = SharedPrompts(prompts, answers)
    q, k, v = streams(len(attend.positions), torch.bfloat16)
    exact = expected(prompts, answers, q, k, v)
    off = (attend(0, q, k, v).double() - exact).abs().max()
    packed = PackedCausal([LONG_ANSWER])(0, *(x[-LONG_ANSWER:] for x in (q, k, v)))
    by_itself = (packed.double() - plain(*(x[-LONG_ANSWER:] for x in (q, k, v)))).abs().max()
    assert off < 4 * by_itself < 0.1


def test_long_answers_keep_no_weights_for_the_backward_pass():
    kept = {}
    for answer in (LONG_ANSWER, 2 * LONG_ANSWER):
        attend = SharedPrompts([8], [[answer] * 4])
        sizes = {}

        def keep(tensor, sizes=sizes):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            attend(0, *streams(len(attend.positions)))
        kept[answer] = sum(sizes.values())
    assert kept[2 * LONG_ANSWER] < 2.1 * kept[LONG_ANSWER], "twice the tokens, twice the memory"
