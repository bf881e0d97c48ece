"""The sampler alone: distributions against transformers' warpers, edges of the inverse CDF, counted randomness."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation import logits_process as theirs

from ponder.engine.counting import key, uniforms
from ponder.engine.protocol import SamplingParams
from ponder.engine.sampler import SamplerState, sample

CPU = torch.device("cpu")


def draws(logits: torch.Tensor, params: SamplingParams, count: int, seen: tuple[int, ...] = ()) -> torch.Tensor:
    """Frequencies of `count` draws at evenly spread uniforms: a Riemann sum of the distribution, exact to 1 / count."""
    vocab = logits.shape[-1]
    uniform = (torch.arange(count) + 0.5) / count
    membership = torch.zeros(count, vocab, dtype=torch.bool)
    membership[:, list(seen)] = True
    state = SamplerState.of([params] * count, CPU)
    tokens, _ = sample(logits.repeat(count, 1), uniform, state, torch.zeros_like(membership), membership)
    return torch.bincount(tokens, minlength=vocab) / count


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(temperature=1.0, top_k=0, top_p=1.0),
        SamplingParams(temperature=0.6, top_k=0, top_p=1.0),
        SamplingParams(temperature=1.3, top_k=7, top_p=1.0),
        SamplingParams(temperature=0.9, top_k=0, top_p=0.7),
        SamplingParams(temperature=1.0, top_k=0, top_p=1.0, min_p=0.2),
        SamplingParams(temperature=0.8, top_k=12, top_p=0.8, min_p=0.05),
        SamplingParams(temperature=0.8, top_k=0, top_p=1.0, repetition_penalty=1.4),
    ],
)
def test_distribution_equals_transformers(params):
    logits = torch.randn(30, generator=torch.Generator().manual_seed(2)) * 2
    seen = (3, 4, 5)
    expected = logits.unsqueeze(0)
    if params.repetition_penalty != 1:
        expected = theirs.RepetitionPenaltyLogitsProcessor(params.repetition_penalty)(torch.tensor([seen]), expected)
    expected = theirs.TemperatureLogitsWarper(params.temperature)(None, expected)
    if params.top_k:
        expected = theirs.TopKLogitsWarper(params.top_k)(None, expected)
    if params.top_p < 1:
        expected = theirs.TopPLogitsWarper(params.top_p)(None, expected)
    if params.min_p:
        expected = theirs.MinPLogitsWarper(params.min_p)(None, expected)
    found = draws(logits, params, 20_000, seen)
    torch.testing.assert_close(found, expected.softmax(-1)[0], atol=2e-4, rtol=0)


def test_presence_penalty_subtracts_once_from_the_answer_only():
    logits = torch.zeros(4)
    params = SamplingParams(temperature=2.0, top_k=0, top_p=1.0, presence_penalty=1.5)
    expected = torch.tensor([0.0, -1.5, 0.0, 0.0]).div(2.0).softmax(-1)
    torch.testing.assert_close(draws(logits, params, 20_000, seen=(1,)), expected, atol=2e-4, rtol=0)


def test_mixed_batch_draws_each_row_by_its_own_rules():
    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(0)).repeat(4, 1)
    params = [
        SamplingParams(temperature=0.0),
        SamplingParams(temperature=1.0, top_k=1, top_p=1.0),
        SamplingParams(temperature=1.0, top_k=0, top_p=1.0),
        SamplingParams(temperature=1.0, top_k=3, top_p=1.0),
    ]
    uniform = torch.full((4,), 0.999)
    together, _ = sample(logits.clone(), uniform, SamplerState.of(params, CPU), None, None)
    for row, p in enumerate(params):
        alone, _ = sample(logits[:1].clone(), uniform[:1], SamplerState.of([p], CPU), None, None)
        assert together[row] == alone[0]
    assert together[0] == together[1] == logits[0].argmax()
    assert together[2] not in logits[0].topk(3).indices


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=40), st.integers(0, 2**24 - 1))
@settings(max_examples=300, deadline=None)
def test_never_a_token_of_probability_zero(values, bits):
    logits = torch.tensor([values])
    logits[0, ::2] = float("-inf")
    uniform = torch.tensor([bits * 2.0**-24])
    params = SamplingParams(temperature=1.0, top_k=0, top_p=1.0)
    tokens, logprobs = sample(logits.clone(), uniform, SamplerState.of([params], CPU), None, None)
    assert torch.isfinite(logprobs).all() and tokens[0] % 2 == 1


def test_uniforms_are_a_function_of_seed_and_position_alone():
    seeds = np.array([key("a"), key("b"), key("a")], dtype=np.uint64)
    first = uniforms(seeds, np.array([0, 0, 5], dtype=np.uint64))
    assert first[0] == uniforms(seeds[:1], np.zeros(1, dtype=np.uint64))[0]
    assert len(set(first.tolist())) == 3
    many = uniforms(np.full(100_000, key("c"), dtype=np.uint64), np.arange(100_000, dtype=np.uint64))
    assert many.min() >= 0 and many.max() < 1
    assert abs(many.mean() - 0.5) < 0.005 and abs(np.corrcoef(many[:-1], many[1:])[0, 1]) < 0.02


def test_keys_tell_parts_apart():
    assert len({key(1, 23), key(12, 3), key("1", 23), key(1, "23"), key(123)}) == 5
