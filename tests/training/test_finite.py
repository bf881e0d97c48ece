"""Whether a model still computes numbers."""

import pytest
import torch

from ponder.model.decoder import build_random
from ponder.training.finite import check_update, not_finite_in
from tests.training.test_learner import CONFIG


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value):
    decoder = build_random(CONFIG, 1)
    check_update(decoder, [1, 2, 3])
    with torch.no_grad():
        decoder.embed.weight[40, 5] = value  # of a token that is not in the prompt
    assert not_finite_in(decoder, [1, 2, 3]) == "weights of the model"
    with pytest.raises(FloatingPointError, match=r"weights of the model are not finite .* Lower optimizer\.lr"):
        check_update(decoder, [1, 2, 3])


def test_finite_weights_that_compute_no_numbers():
    decoder = build_random(CONFIG, 1)
    with torch.no_grad():
        decoder.norm.weight[:] = torch.tensor([2e38, -2e38]).repeat(16)
        decoder.embed.weight.mul_(20)
    assert not_finite_in(decoder, [1, 2, 3]) == "logits of the model"
