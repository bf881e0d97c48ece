"""The sampler alone: distributions against transformers' warpers, edges of the inverse CDF, counted randomness."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation import logits_process as theirs

from ponder.engine.counting import key, uniforms
from ponder.engine.protocol import SamplingParams
from ponder.engine.sampler import SamplerState, likeliest, sample

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


def test_frequency_penalty_subtracts_for_each_time_and_counts_what_was_answered_before():
    params = SamplingParams(temperature=2.0, top_k=0, top_p=1.0, frequency_penalty=-1.5, presence_penalty=0.5)
    state = SamplerState.of([params], CPU)
    counts = torch.tensor([[0, 1, 3, 0]], dtype=torch.int32)
    expected = torch.tensor([0.0, 1.0, 4.0, 0.0]).div(2.0).softmax(-1)
    uniform = (torch.arange(1000) + 0.5) / 1000
    tokens = [
        sample(torch.zeros(1, 4), one.reshape(1), state, torch.zeros(1, 4, dtype=torch.bool), counts)[0].item()
        for one in uniform
    ]
    found = torch.bincount(torch.tensor(tokens), minlength=4) / 1000
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


def numbers(low: float, high: float, *edges: float):
    return st.one_of(st.floats(low, high, exclude_min=low == 0), st.sampled_from(edges or (low, high)))


@st.composite
def extreme_params(draw):
    """Anything that passes `SamplingParams`, the edges more often than not."""
    bias = draw(st.sampled_from([(), "all", "some"]))
    value = draw(st.sampled_from([-100.0, 100.0, 1e-300, 37.5]))
    tokens = {"all": range(12), "some": (0, 5)}.get(bias, ())
    return SamplingParams(
        temperature=draw(st.one_of(st.just(0.0), numbers(1e-3, 1e3))),
        top_k=draw(st.sampled_from([0, 1, 3, 12, 2**31 - 1])),
        top_p=draw(numbers(0, 1, 1e-300, 5e-324, 1.0, 1 - 2**-53)),
        min_p=draw(numbers(0, 0.999, 0.0, 1e-300, 1 - 2**-53)),
        presence_penalty=draw(numbers(-2, 2)),
        frequency_penalty=draw(numbers(-2, 2)),
        repetition_penalty=draw(numbers(0.01, 100, 0.01, 100.0, 1.0)),
        logit_bias=tuple((token, value) for token in tokens),
        top_logprobs=draw(st.sampled_from([0, 20])),
    )


@given(
    st.lists(extreme_params(), min_size=1, max_size=4),
    st.lists(st.sampled_from([-3e4, -80.0, -1e-30, 0.0, 1e-3, 7.0, 80.0, 3e4]), min_size=12, max_size=12),
    st.integers(0, 2**24 - 1),
    st.integers(0, 200_000),
    st.lists(st.booleans(), min_size=12, max_size=12).filter(any),
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_no_parameters_that_are_let_in_give_what_is_no_number(params, values, bits, count, allowed):
    rows = len(params)
    logits = torch.tensor([values] * rows)
    counts = torch.tensor([[0, 1, count] * 4] * rows, dtype=torch.int32)
    masks = torch.tensor([allowed] * rows)
    state = SamplerState.of(params, CPU)
    for best in likeliest(logits.clone(), state):
        assert all(np.isfinite(logprob) for _, logprob in best)
    tokens, logprobs = sample(logits, torch.full((rows,), bits * 2.0**-24), state, counts > 0, counts, masks)
    assert torch.isfinite(logprobs).all() and (logprobs <= 0).all()
    assert all(allowed[token] for token in tokens.tolist())


def test_logit_bias_is_added_before_the_temperature():
    logits = torch.randn(6, generator=torch.Generator().manual_seed(4))
    bias = torch.tensor([0.0, 2.5, 0.0, -100.0, 0.0, 0.0])
    params = SamplingParams(temperature=0.7, top_k=0, top_p=1.0, logit_bias=((1, 2.5), (3, -100.0)))
    expected = (logits + bias).div(0.7).softmax(-1)
    torch.testing.assert_close(draws(logits, params, 20_000), expected, atol=2e-4, rtol=0)


def test_bias_and_mask_change_the_draw_but_not_what_is_reported():
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(1))
    params = [
        SamplingParams(temperature=0.5, top_k=5),
        SamplingParams(temperature=0.5, top_k=5, logit_bias=((7, 100.0),)),
        SamplingParams(temperature=0.0, logit_bias=((3, 100.0), (3 + 1, 99.0))),
    ]
    allowed = torch.ones(3, 40, dtype=torch.bool)
    allowed[2, 3] = False
    uniform = torch.full((3,), 0.5)
    state = SamplerState.of(params, CPU)
    tokens, logprobs = sample(logits.clone(), uniform, state, None, None, allowed)
    alone, alone_logprob = sample(logits[:1].clone(), uniform[:1], SamplerState.of(params[:1], CPU), None, None)
    assert tokens.tolist() == [alone.item(), 7, 4]
    assert logprobs[0] == alone_logprob[0], "a row without bias or mask is as it would be alone"
    expected = torch.log_softmax(logits / torch.tensor([[0.5], [0.5], [1.0]]), -1)
    torch.testing.assert_close(logprobs, expected.gather(1, tokens[:, None])[:, 0])


def test_a_mask_comes_before_truncation_and_may_force_the_unlikeliest_token():
    logits = torch.zeros(1, 8)
    logits[0, 0] = 500.0
    allowed = torch.zeros(1, 8, dtype=torch.bool)
    allowed[0, 5] = True
    state = SamplerState.of([SamplingParams(temperature=1.0, top_k=1, top_p=0.5, min_p=0.1)], CPU)
    tokens, logprobs = sample(logits.clone(), torch.tensor([0.3]), state, None, None, allowed)
    assert tokens.tolist() == [5]
    assert logprobs.tolist() == [-500.0], "below what a float32 probability holds"


def test_likeliest_tokens_are_of_the_reported_distribution():
    logits = torch.randn(4, 30, generator=torch.Generator().manual_seed(8))
    params = [
        SamplingParams(temperature=0.5, top_k=2, top_logprobs=4),
        SamplingParams(temperature=1.0),
        SamplingParams(temperature=0.0, top_logprobs=20, logit_bias=((1, 50.0),)),
        SamplingParams(temperature=0.0, top_logprobs=1),
    ]
    state = SamplerState.of(params, CPU)
    found = likeliest(logits.clone(), state)
    assert [len(best) for best in found] == [4, 0, 20, 1]
    for row, temperature in ((0, 0.5), (2, 1.0)):
        values, ids = torch.log_softmax(logits[row] / temperature, -1).topk(len(found[row]))
        assert [token for token, _ in found[row]] == ids.tolist()
        torch.testing.assert_close(torch.tensor([logprob for _, logprob in found[row]]), values)
    tokens, logprobs = sample(logits.clone(), torch.zeros(4), state, None, None)
    assert found[3][0][0] == tokens[3] and found[3][0][1] == pytest.approx(logprobs[3].item(), abs=1e-6)


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


def test_among_equals_a_row_draws_the_same_in_any_batch():
    """Logits of bfloat16 are tied more often than not, at the edge of top_k too; the widest top_k is the batch's."""
    logits = torch.randn(5, 1000, generator=torch.Generator().manual_seed(3)).mul(2).bfloat16().float()
    params = [
        SamplingParams(),
        SamplingParams(top_k=0),
        SamplingParams(top_k=100),
        SamplingParams(temperature=1.0, top_k=0, top_p=1.0),
        SamplingParams(temperature=0.6, top_k=3, top_p=1.0),
    ]
    ranked = logits[0].sort(descending=True).values
    assert (ranked[:39] == ranked[1:40]).sum() > 5 and (logits[4] == logits[4].topk(3).values[-1]).sum() > 0
    for step in range(40):
        uniform = torch.full((5,), (step + 0.5) / 40)
        for chosen in ([0, 1, 2, 3, 4], [0, 2, 4], [3, 0], [1, 4]):
            state = SamplerState.of([params[i] for i in chosen], CPU)
            together, logprobs = sample(logits[chosen].clone(), uniform[chosen], state, None, None)
            for row, i in enumerate(chosen):
                one = SamplerState.of([params[i]], CPU)
                alone = sample(logits[i : i + 1].clone(), uniform[:1], one, None, None)
                assert (together[row], logprobs[row]) == (alone[0][0], alone[1][0])


def test_equals_stand_in_the_order_of_the_vocabulary():
    logits = torch.zeros(2, 500)
    logits[:, 7] = 1.0
    params = [SamplingParams(top_logprobs=3), SamplingParams(top_logprobs=20)]
    found = likeliest(logits.clone(), SamplerState.of(params, CPU))
    assert [token for token, _ in found[0]] == [7, 0, 1] and found[1][:3] == found[0]
    state = SamplerState.of([SamplingParams(top_k=3, top_p=1.0, temperature=1.0)] * 300, CPU)
    uniform = (torch.arange(300) + 0.5) / 300
    tokens, _ = sample(torch.zeros(300, 500), uniform, state, None, None)
    assert set(tokens.tolist()) == {0, 1, 2}


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
