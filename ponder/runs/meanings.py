"""What each metric means: the one list of names that a step may be recorded under. docs/metrics.md is made from it.

A word in capitals stands for a name of the run's own: `reward/DOMAIN` is `reward/math` where a domain is called math.
"""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

STATUSES = ("correct", "wrong", "unparseable", "truncated", "timeout", "error")  # of a verdict
_WORDS = {"DOMAIN": ".+", "NAME": "[^/]+", "STATUS": "|".join(STATUSES), "K": r"[1-9]\d*"}


@dataclass(frozen=True)
class Metric:
    unit: str
    meaning: str  # one sentence or two, beginning small
    better: Literal["up", "down", "none"] = "none"  # which way one hopes that it goes; none: neither is good by itself


SECTIONS: dict[str, dict[str, Metric]] = {
    "What the answers earned (RL)": {
        "pass_rate": Metric(
            "share", "answers that were found correct, of all answers of the step: what was cut off is not", "up"
        ),
        "truncated_share": Metric("share", "answers that were cut off by max_tokens, of all answers of the step", "down"),
        "reward/mean": Metric(
            "reward",
            "mean over the answers that have a reward. Under `truncated: mask` an answer that was cut off has none, so "
            "this can rise while pass_rate falls: look at the three together",
            "up",
        ),
        "reward/std": Metric("reward", "standard deviation over the same answers"),
        "reward/DOMAIN": Metric("reward", "the mean over the answers of one domain", "up"),
        "status/STATUS": Metric(
            "share",
            "answers with this verdict, of all of the step; the six shares add up to 1. `timeout` and `error` are "
            "failures of a verifier, and leave the loss",
        ),
        "part/NAME": Metric(
            "score", "of composed rewards, the mean score that this verifier gave, over the answers it gave one", "up"
        ),
        "verifier/NAME/verdicts": Metric("count", "how many verdicts this verifier gave in the step"),
        "verifier/NAME/error": Metric("share", "of these, how many were errors", "down"),
        "verifier/NAME/timeout": Metric("share", "of these, how many ran out of time", "down"),
    },
    "How long they were (RL)": {
        "length/mean": Metric("tokens", "sampled tokens of an answer, thinking included"),
        "length/max": Metric("tokens", "the longest answer of the step"),
        "length/thinking": Metric("tokens", "of an answer, those that are its thought; the mean"),
    },
    "How episodes went (RL, tasks with tools or an environment)": {
        "episode/turns": Metric("count", "turns of the model in an episode; the mean"),
        "episode/calls": Metric("count", "calls in an episode; the mean"),
        "episode/failed_calls_share": Metric("share", "calls of which the model was told that they were wrong, of all", "down"),
        "episode/recovered_share": Metric(
            "share", "episodes that were found correct, of those in which a call had failed", "up"
        ),
        "episode/unfinished_share": Metric(
            "share", "episodes that ended without an answer: out of turns, calls or tokens", "down"
        ),
    },
    "What is kept to be imitated (reject, distill)": {
        "demonstrations/kept": Metric("count", "right answers that were kept so far in the stage", "up"),
        "pass_rate/DOMAIN": Metric("share", "answers that were found correct, of those of the step to tasks of one domain", "up"),
        "demonstrations/unanswered": Metric("count", "questions of the step that the teacher's server had no answer to", "down"),
    },
    "What the reward model tells apart (reward_model)": {
        "preference/accuracy": Metric(
            "share", "pairs of the step whose preferred answer had the higher score, before the update; equal scores count half", "up"
        ),
        "preference/margin": Metric("score", "by how much the preferred answer's score was higher; the mean over the step's pairs", "up"),
        "preference/score": Metric("score", "mean score of all answers of the step; `center` keeps it around 0"),
        "validation/accuracy": Metric("share", "the first on pairs that are never learned from", "up"),
    },
    "What there was to learn from (RL)": {
        "groups/zero_variance_share": Metric(
            "share", "groups whose answers all earned the same, so that they teach nothing", "down"
        ),
        "refill/prompts": Metric("count", "prompts that were drawn to replace such groups"),
        "advantage/mean": Metric("advantage", "mean over the answers that are learned from; near 0 by construction"),
        "advantage/std": Metric("advantage", "standard deviation over the same answers; 0: nothing to learn"),
        "advantage/abs_max": Metric("advantage", "the largest, without its sign"),
    },
    "The update": {
        "loss": Metric(
            "nats",
            "SFT: mean cross-entropy of a learned token of the demonstrations. Reward model: mean -log of the probability that it gives "
            "a pair's preference, 0.69 where it knows nothing. RL: the value of the objective, which "
            "says nothing about progress: its gradient is what counts",
        ),
        "validation/loss": Metric(
            "nats", "SFT, reward model: the same on what is not learned from. It rises where the stage overfits", "down"
        ),
        "grad_norm": Metric("norm", "of the whole gradient, before it is clipped to max_grad_norm"),
        "lr": Metric("rate", "the learning rate of the update"),
        "entropy": Metric(
            "nats", "how undecided the policy is about a token that it sampled; near 0 it explores no more"
        ),
        "kl": Metric("nats", "how far the policy has gone from the stage's first weights, for each token, by the objective's estimator"),
        "ratio/mean": Metric("ratio", "probability of a sampled token now, by that when it was sampled; begins at 1"),
        "ratio/max": Metric("ratio", "the largest of one token; far above 1: the update left its trust region"),
        "ratio/clipped_low": Metric("share", "tokens whose ratio was held at the lower bound, 1 - clip_low"),
        "ratio/clipped_high": Metric("share", "tokens whose ratio was held at the upper bound, 1 + clip_high"),
        "clip_share": Metric("share", "both together"),
        "learned/computed_share": Metric(
            "share",
            "of the sampled tokens, those that went through forward and backward: groups whose advantages are all 0 have no "
            "gradient. Entropy, ratios and mismatch are means over these tokens",
        ),
        "dual_clip_share": Metric("share", "tokens with a negative advantage that dual clip held back"),
        "tis/weight_mean": Metric("ratio", "truncated importance sampling: the mean weight of a token"),
        "tis/capped_share": Metric("share", "truncated importance sampling: tokens whose weight was cut off"),
    },
    "Sampler against learner (RL)": {
        "mismatch/mean": Metric(
            "nats", "difference of the two log-probabilities of a sampled token, without its sign; the mean", "down"
        ),
        "mismatch/max": Metric("nats", "the largest of one token; under 1e-4 in float32 on a CPU", "down"),
        "adapters/seen_share": Metric(
            "share", "sampling processes that read, bit for bit, the LoRA adapters that the update has just written; 1 always"
        ),
        "mismatch/kl": Metric("nats", "the divergence that these differences make, for each token", "down"),
    },
    "How much and how fast": {
        "tokens/total": Metric("tokens", "sampled (RL) or learned from (SFT, reward model) so far in the stage"),
        "prompts/total": Metric("count", "prompts drawn (RL), examples or pairs learned from (SFT, reward model), so far in the stage"),
        "prompts/too_long": Metric("count", "prompts left out of the step, since they leave no room for an answer", "down"),
        "time/sample_s": Metric("seconds", "sampling the answers", "down"),
        "time/verify_s": Metric("seconds", "waiting for verdicts after the last answer was sampled", "down"),
        "time/learn_s": Metric("seconds", "the update", "down"),
        "time/step_s": Metric("seconds", "the whole step", "down"),
        "tokens_per_s/sample": Metric("tokens/s", "sampled", "up"),
        "tokens_per_s/learn": Metric("tokens/s", "learned from", "up"),
        "memory/rss_gb": Metric("GB", "of this process and all that it started; shared pages count once", "down"),
    },
    "Held-out evaluations": {
        "eval/accuracy": Metric(
            "share",
            "held-out answers that were found correct, of those that have a verdict; with `held_out.samples` of k this is avg@k",
            "up",
        ),
        "eval/accuracy/DOMAIN": Metric("share", "the same for one domain", "up"),
        "eval/score": Metric("score", "mean score of held-out answers, where a part of one counts", "up"),
        "eval/pass_at_k": Metric(
            "share",
            "held-out problems with a correct answer among `held_out.samples`; not there where one of these has no verdict",
            "up",
        ),
        "eval/missing": Metric(
            "count", "held-out answers on which a verifier failed: neither right nor wrong, and in none of the means", "down"
        ),
        "eval/truncated_share": Metric("share", "held-out answers that were cut off", "down"),
        "bench/NAME": Metric(
            "share",
            "a benchmark of the recipe at the end of a stage: pass@1, or avg@k with k answers to each problem. One answer to each "
            "of 60 problems or fewer is no score, and not here",
            "up",
        ),
        "eval/length": Metric("tokens", "sampled tokens of a held-out answer, thinking included; the mean"),
    },
}  # fmt: skip
METRICS: dict[str, Metric] = {name: metric for section in SECTIONS.values() for name, metric in section.items()}


@functools.cache
def _families() -> list[tuple[re.Pattern[str], Metric]]:
    """The names with a word in capitals, as patterns."""
    found = []
    for name, metric in METRICS.items():
        parts = re.split(f"({'|'.join(_WORDS)})", name)
        if len(parts) > 1:
            pattern = "".join(f"(?:{_WORDS[part]})" if part in _WORDS else re.escape(part) for part in parts)
            found.append((re.compile(pattern, re.DOTALL), metric))
    return found


@functools.lru_cache(maxsize=10_000)
def metric_of(name: str) -> Metric | None:
    """What the metric `name` means; None where no metric has this name."""
    if name in METRICS:
        return METRICS[name]
    return next((metric for pattern, metric in _families() if pattern.fullmatch(name)), None)


def check_names(names: Iterable[str]) -> None:
    """
    Raises:
        AssertionError: one of the names has no meaning.
    """
    unknown = sorted(name for name in names if metric_of(name) is None)
    assert not unknown, f"metrics without a meaning: {', '.join(unknown)}; say what they mean in {__name__}"


def page() -> str:
    """docs/metrics.md."""
    arrows = {"up": "up", "down": "down", "none": ""}
    parts = [
        "# What each metric means\n\n"
        "Every step of a run is a row of `metrics.jsonl`, and of TensorBoard under `STAGE/NAME`. A word in capitals stands "
        "for a\nname of your own: `reward/DOMAIN` is `reward/math` where a domain is called math. *Better* says which way "
        "one hopes that\na metric goes, where there is one. Evaluations lie in `evals/`, and in TensorBoard under the names "
        "below.\n\n`trackers: [wandb]` or `trackers: [mlflow]` in a recipe sends the same rows there too, with one step "
        "count over all stages\n(settings: [recipe.md](recipe.md)). A tracker that fails is told of once and ends nothing.\n\n"
        "This page is made from `ponder/runs/meanings.py`: `make docs`."
    ]
    for title, metrics in SECTIONS.items():
        rows = [f"| `{name}` | {m.unit} | {arrows[m.better]} | {m.meaning} |" for name, m in metrics.items()]
        parts.append(
            f"## {title}\n\n| metric | unit | better | meaning |\n| --- | --- | --- | --- |\n" + "\n".join(rows)
        )
    return "\n\n".join(parts) + "\n"
