"""From rewards to advantages: what a group's (or a step's) rewards say of each sample.

A reward is the vector of its named parts. All but `parts_apart` add the parts up first.
"""

from collections.abc import Callable, Mapping, Sequence

Reward = Mapping[str, float]  # {name of a part: its value}
Groups = Sequence[Sequence[Reward]]  # by prompt
Advantage = Callable[[Groups], list[list[float]]]


def total(reward: Reward) -> float:
    return sum(reward.values())


def group_mean_std(groups: Groups) -> list[list[float]]:
    """(r - mean) / (std + 1e-6) within each group, unbiased std; a group of equal rewards gets zeros. GRPO: Shao et al.
    2024, arXiv:2402.03300."""
    return [_standardised([total(r) for r in group]) for group in groups]


def group_mean(groups: Groups) -> list[list[float]]:
    """r - mean within each group. Dr. GRPO: Liu et al. 2025, arXiv:2503.20783."""
    return [_centred([total(r) for r in group]) for group in groups]


def leave_one_out(groups: Groups) -> list[list[float]]:
    """r - mean of the others in the group: an unbiased baseline. RLOO: Ahmadian et al. 2024, arXiv:2402.14740."""
    totals = [[total(r) for r in group] for group in groups]
    return [
        [r - (sum(rewards) - r) / (len(rewards) - 1) if len(rewards) > 1 else 0.0 for r in rewards]
        for rewards in totals
    ]


def batch_whitened(groups: Groups) -> list[list[float]]:
    """(r - mean) / (std + 1e-6) over all samples of the step. REINFORCE++: Hu et al. 2025, arXiv:2501.03262."""
    totals = [[total(r) for r in group] for group in groups]
    everything = [r for rewards in totals for r in rewards]
    mean, std = sum(everything) / len(everything), _std(everything)
    return [[(r - mean) / (std + 1e-6) for r in rewards] for rewards in totals]


def parts_apart(
    groups: Groups, weights: Sequence[Mapping[str, float]] = (), domains: Sequence[str] = ()
) -> list[list[float]]:
    """Each part standardised within its group, these summed by weight, the sums whitened over the step's samples of the same
    domain, so that no scale drowns another. In a domain whose rewards have a single part it is `group_mean_std`.
    GDPO: Liu et al. 2026, arXiv:2601.05242.

    Args:
        weights: of the parts, by name, for each group; a part without one, and all where these are left out, weigh 1
        domains: of each group; all are one where these are left out
    """
    weights, domains = weights or [{}] * len(groups), domains or [""] * len(groups)
    advantages: list[list[float]] = [[] for _ in groups]
    for domain in sorted(set(domains)):
        own = [number for number, of in enumerate(domains) if of == domain]
        names = sorted({name for number in own for reward in groups[number] for name in reward})
        single = len(names) == 1
        sums = [_weighted_sums(groups[n], names, {} if single else weights[n]) for n in own]
        whitened = sums if single else batch_whitened([[{"sum": value} for value in values] for values in sums])
        for number, values in zip(own, whitened, strict=True):
            advantages[number] = values
    return advantages


def _weighted_sums(group: Sequence[Reward], names: Sequence[str], weights: Mapping[str, float]) -> list[float]:
    by_part = [[weights.get(n, 1.0) * a for a in _standardised([r.get(n, 0.0) for r in group])] for n in names]
    return [sum(values) for values in zip(*by_part, strict=True)]


ADVANTAGES: dict[str, Advantage] = {
    "group_mean_std": group_mean_std,
    "group_mean": group_mean,
    "leave_one_out": leave_one_out,
    "batch_whitened": batch_whitened,
    "parts_apart": parts_apart,
}


def _centred(rewards: Sequence[float]) -> list[float]:
    return [r - sum(rewards) / len(rewards) for r in rewards]


def _standardised(rewards: Sequence[float]) -> list[float]:
    if len(set(rewards)) == 1:
        return [0.0] * len(rewards)  # not what rounding leaves of it
    std = _std(rewards)
    return [a / (std + 1e-6) for a in _centred(rewards)]


def _std(values: Sequence[float]) -> float:
    """Unbiased; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    mean = sum(values) / len(values)
    return (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
