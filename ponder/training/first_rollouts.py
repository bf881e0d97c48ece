"""Checks of an RL stage on its first step's rollouts, after sampling and before the first update, so that they cost
nothing: do sampler and learner run the same model, and is there anything to learn from?"""

from collections import Counter
from collections.abc import Sequence

import torch

from ponder.training.advantages import batch_whitened
from ponder.training.learner import Learner
from ponder.training.objectives import Objective
from ponder.training.references import SelfCheckError
from ponder.training.rewards import by_group, has_variance, teaches
from ponder.training.rollouts import Rollout

# Largest |learner - sampler| log-probability before the first update, when both hold the same weights. On a GPU float32
# products run in TF32, with 10 bits of mantissa. In bfloat16 logits of 64 to 128 lie half a unit apart, so one token of
# thousands says little: there it is the mean that tells another model.
LARGEST_GAP = {torch.float32: 1e-4, torch.bfloat16: 3.0}
LARGEST_GAP_TF32 = 0.05
LARGEST_MEAN_GAP = 0.1  # of all tokens; in bfloat16 0.04 has been seen on a model of 135M, 0.02 on one of 0.5B


def check_ratio(learner: Learner, rollouts: Sequence[Rollout], sampler_dtype: torch.dtype) -> None:
    """Before the first update learner and sampler give each token the same probability: ratio 1, KL 0."""
    samples = [r.to_sample(n) for n, r in enumerate(rollouts) if r.advantage is not None]
    gap, mean = learner.gaps(samples) if samples else (0.0, 0.0)
    bound = max(LARGEST_GAP[learner.decoder.dtype], LARGEST_GAP[sampler_dtype])
    if learner.decoder.device.type != "cpu":
        bound = max(bound, LARGEST_GAP_TF32)
    if not (gap <= bound and mean <= LARGEST_MEAN_GAP):  # nor where it is not a number
        raise SelfCheckError(
            f"before the first update, sampler and learner differ by {gap:.2g} in a token's log-probability (allowed "
            f"{bound:g}), by {mean:.2g} in the mean (allowed {LARGEST_MEAN_GAP:g}): they do not run the same model. Leave "
            "engine.dtype empty, or set model.dtype to float32"
        )


def check_signal(rollouts: Sequence[Rollout], samples_per_prompt: int, objective: Objective) -> None:
    """Rewards must differ where the objective compares them: in some group, or in the batch as a whole."""
    over_batch = objective.advantage is batch_whitened
    groups = [list(rollouts)] if over_batch else by_group(rollouts)
    differ = has_variance(groups[0]) if over_batch else any(teaches(group, objective) for group in groups)
    if differ or (samples_per_prompt < 2 and not over_batch):
        return
    statuses = Counter(r.verdict.status for r in rollouts)
    seen = ", ".join(f"{status} {count}" for status, count in statuses.most_common())
    top = statuses.most_common(1)[0][0]
    remedy = {
        "correct": "the tasks are already solved: choose harder ones",
        "wrong": "no answer is ever right: choose easier tasks, a better start (a cold-start stage), or more samples",
        "truncated": "the answers are cut off: raise max_tokens",
        "unparseable": "no answer is found in the answers: check the prompt, or teach the form in a cold-start stage",
    }.get(top, "the verifier fails, as the example says: mend it, or the references")
    example = next(r for r in rollouts if r.verdict.status == top)
    raise SelfCheckError(
        f"training cannot learn: in none of {len(by_group(rollouts))} groups do the rewards differ ({seen}).\n"
        f"  Mostly {top}: {remedy}.\n"
        f"  An example: {example.task.question[:120]!r}\n"
        f"  was answered: {(example.parsed.reasoning + ' | ' + example.parsed.content)[-200:]!r} ({example.verdict.reason})"
    )
