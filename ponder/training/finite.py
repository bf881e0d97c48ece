"""Whether a model still computes numbers: too large an update may be finite itself, and what is sampled after it is not."""

from collections.abc import Sequence

import torch

from ponder.model.attention import PackedCausal
from ponder.model.decoder import Decoder


@torch.no_grad()
def not_finite_in(decoder: Decoder, prompt: Sequence[int]) -> str | None:
    """What of a model is not finite, so that nothing can be sampled; None where all is. The weights are read once, and once more
    for the logits at the end of a prompt.

    Args:
        prompt: token ids, such as those of a task
    """
    extremes = [end for parameter in decoder.parameters() for end in torch.aminmax(parameter)]  # of a NaN both are NaN
    if not torch.isfinite(torch.stack(extremes)).all():
        return "weights of the model"
    attend = PackedCausal([len(prompt)], decoder.device)
    ids = torch.tensor(prompt, device=decoder.device)
    hidden = decoder(ids, attend.positions, attend, attend.width)
    finite = torch.isfinite(decoder.logits(hidden[-1:]).float().sum())
    return None if finite else "logits of the model"


def check_update(decoder: Decoder, prompt: Sequence[int]) -> None:
    """Raises FloatingPointError after an update that was too large."""
    if what := not_finite_in(decoder, prompt):
        raise FloatingPointError(
            f"{what} are not finite after this step, which is not kept. Lower optimizer.lr or lengthen warmup_steps"
        )
