"""Only as much of a row is sorted as its answer needs: what comes out against a plain sort of the whole row, and in any batch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.engine.protocol import SamplingParams
from ponder.engine.sampler import SamplerState, likeliest, sample
from ponder.engine.truncation import CHUNK, FIRST_WIDTHS, NARROW, first

CPU = torch.device("cpu")
VOCAB = 9_001  # not a multiple of a chunk: what is left over at the end counts too


def plain(logits: torch.Tensor, uniform: float, params: SamplingParams) -> tuple[int, float]:
    """Token and log-probability of one row # [vocab], by a sort of all of it; sums in float64, rounded to float32."""
    probs = torch.softmax(logits / (params.temperature or 1.0), -1).numpy()

    def sums(values: np.ndarray) -> np.ndarray:
        return values.cumsum(dtype=np.float64).astype(np.float32)

    order = np.argsort(-probs, kind="stable")
    kept = probs[order]
    if params.temperature == 0:
        return int(order[0]), float(np.log(kept[0]))
    if not params.truncates:
        order, kept = np.arange(len(probs)), probs
    if params.top_k:
        kept[params.top_k :] = 0
    kept = np.where(sums(kept) - kept > np.float32(params.top_p) * sums(kept)[-1], np.float32(0), kept)
    kept = np.where(kept < np.float32(params.min_p) * kept[0], np.float32(0), kept) if params.truncates else kept
    reached = sums(kept)
    place = min(
        np.searchsorted(reached, np.float32(uniform) * reached[-1], "right"), np.searchsorted(reached, reached[-1])
    )
    return int(order[place]), float(np.log(probs[order[place]]))


some_params = st.builds(
    SamplingParams,
    temperature=st.sampled_from([0.0, 0.6, 1.0, 1.5]),
    top_k=st.sampled_from([0, 1, 40, NARROW, NARROW + 1, 10**6]),
    top_p=st.sampled_from([0.3, 0.95, 0.999, 1.0]),
    min_p=st.sampled_from([0.0, 0.05, 1e-5]),
    top_logprobs=st.sampled_from([0, 3, 20]),
)


@given(
    st.lists(some_params, min_size=1, max_size=5),
    st.integers(0, 2**31),
    st.integers(0, 2**24 - 1),
    st.sampled_from([0.02, 1.0, 3.0, 8.0]),  # from flat, where all is sorted, to a few that have all the mass
    st.booleans(),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_each_row_draws_what_a_sort_of_the_whole_row_gives(params, seed, bits, spread, tied):
    logits = torch.randn(len(params), VOCAB, generator=torch.Generator().manual_seed(seed)) * spread
    logits = logits.bfloat16().float() if tied else logits
    state, uniform = SamplerState.of(params, CPU), torch.full((len(params),), bits * 2.0**-24)
    best = likeliest(logits.clone(), state)
    tokens, logprobs = sample(logits.clone(), uniform, state, None, None)
    for row, one in enumerate(params):
        token, logprob = plain(logits[row], bits * 2.0**-24, one)
        assert tokens[row] == token and logprobs[row].item() == pytest.approx(logprob, rel=1e-6)
        ranked = torch.log_softmax(logits[row] / (one.temperature or 1.0), -1).numpy()
        assert [token for token, _ in best[row]] == np.argsort(-ranked, kind="stable")[: one.top_logprobs].tolist()


def test_a_row_is_the_same_beside_rows_of_every_other_width_and_with_penalties():
    every = [
        SamplingParams(),
        SamplingParams(top_k=NARROW),
        SamplingParams(top_k=0),
        SamplingParams(temperature=0.0),
        SamplingParams(temperature=1.0, top_k=0, top_p=1.0),
        SamplingParams(temperature=1.0, top_k=0, top_p=0.999),
        SamplingParams(temperature=1.0, top_k=5000, top_p=0.99),
        SamplingParams(top_k=20, repetition_penalty=1.3, presence_penalty=0.5),
    ] * 3  # more than one block of rows
    logits = torch.randn(len(every), VOCAB, generator=torch.Generator().manual_seed(1)).mul(3).bfloat16().float()
    seen = torch.rand(len(every), VOCAB, generator=torch.Generator().manual_seed(2)) < 0.1
    uniform = (torch.arange(len(every)) * 0.618) % 1
    together = sample(logits.clone(), uniform, SamplerState.of(every, CPU), seen, seen.int())
    for rows in ([row] for row in range(len(every))):
        state = SamplerState.of([every[row] for row in rows], CPU)
        alone = sample(logits[rows].clone(), uniform[rows], state, seen[rows], seen[rows].int())
        assert torch.equal(together[0][rows], alone[0]) and torch.equal(together[1][rows], alone[1])


def test_a_row_that_needs_many_tokens_does_not_change_what_is_looked_at_for_its_neighbour():
    logits = torch.full((2, VOCAB), -20.0)
    logits[0, 17], logits[1] = 20.0, 0.0  # all of the mass in one; none more likely than another
    params = [SamplingParams(temperature=1.0, top_k=0, top_p=0.95)] * 2
    tokens, _ = sample(logits, torch.tensor([0.5, 0.999]), SamplerState.of(params, CPU), None, None)
    assert max(FIRST_WIDTHS) < VOCAB * 0.94 < tokens[1] < VOCAB * 0.96 and tokens[0] == 17


@pytest.mark.parametrize("width", [1, 3, 60, 500])
@pytest.mark.parametrize("vocab", [CHUNK - 1, CHUNK, 4 * CHUNK, 20 * CHUNK + 1, VOCAB])
def test_the_first_are_those_of_a_stable_sort(vocab, width):
    values = torch.randint(-20, 20, (33, vocab), generator=torch.Generator().manual_seed(vocab)).float() / 4
    values[:, ::7] *= -0.0
    width = min(width, vocab)
    expected = values.sort(dim=-1, descending=True, stable=True).indices[:, :width]
    assert torch.equal(first(values, width), expected)
