"""What an evaluation on held-out tasks found, as it lies in `evals/<stage>-<step>.json`."""

import math
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

NOTHING_KNOWN = (0.0, 1.0)  # the interval where no answer has a score


@dataclass(frozen=True)
class DomainResult:
    """Accuracy on the held-out tasks of one domain, with its 95% interval; None where no answer has a score."""

    accuracy: float | None
    interval: tuple[float, float]
    count: int


@dataclass(frozen=True)
class EvalSample:
    """One held-out problem and one answer to it. `status` is a verdict's; `score` is None where there is none."""

    task_id: str
    domain: str
    question: str
    reference: Any
    reasoning: str | None
    content: str
    status: str
    score: float | None
    tokens: int


@dataclass(frozen=True)
class EvalResult:
    """One evaluation. `stage` is "birth" (step 0) for the untrained model.

    Shares and accuracies lie in [0, 1]; `count` is the number of answers; an answer on which the verifier failed is missing:
    in `count` and in no mean. `accuracy` is None where all are. `seconds` is the time the stage had
    taken so far; `mean_tokens` counts sampled tokens per answer; `samples` may be a part of the answers.
    """

    stage: str
    step: int
    accuracy: float | None
    interval: tuple[float, float]
    by_domain: dict[str, DomainResult]
    count: int
    seconds: float
    mean_tokens: float
    truncated_share: float
    samples: list[EvalSample]
    sampling: dict[str, Any]
    mean_score: float | None = (
        None  # in [0, 1], of the answers that have a score; None: of none, or a version that did not note it
    )
    samples_per_problem: int = 1
    # The chance that one of samples_per_problem answers is correct; None where a problem lacks one with a score.
    pass_at_k: float | None = None
    missing: int | None = None  # answers without a score; None: a version that counted these as not solved
    # Of the accuracy, if all missing answers were wrong, and if all were correct; None where none is missing.
    bounds: tuple[float, float] | None = None

    @property
    def failed(self) -> int:
        """How many answers have no score, because the verifier failed."""
        if self.missing is not None:
            return self.missing
        return sum(sample.status in ("error", "timeout") for sample in self.samples)

    @property
    def partly(self) -> bool:
        """Whether some answers got a part of a score, so that accuracy, which counts whole ones, does not say all."""
        return any(sample.score is not None and 0 < sample.score < 1 for sample in self.samples)

    def metrics(self) -> dict[str, float]:
        """Its numbers under the names of `meanings`; a domain has its own where there are several."""
        domains = self.by_domain if len(self.by_domain) > 1 else {}
        return {
            **({} if self.accuracy is None else {"eval/accuracy": self.accuracy}),
            **{f"eval/accuracy/{domain}": p.accuracy for domain, p in domains.items() if p.accuracy is not None},
            **({} if self.mean_score is None else {"eval/score": self.mean_score}),
            **({} if self.pass_at_k is None else {"eval/pass_at_k": self.pass_at_k}),
            **({} if self.missing is None else {"eval/missing": self.missing}),
            "eval/truncated_share": self.truncated_share,
            "eval/length": self.mean_tokens,
        }

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any], where: str = "evaluation") -> "EvalResult":
        """Read the JSON form; keys this class does not know are left out.

        Raises:
            ValueError: a key is missing; the message starts with `where`.
        """
        known = _pick(cls, data, where)
        known["interval"] = tuple(known["interval"])
        known["bounds"] = tuple(known["bounds"]) if known.get("bounds") is not None else None
        known["by_domain"] = {
            domain: DomainResult(**(_pick(DomainResult, part, f"{where}: by_domain.{domain}")))
            for domain, part in known["by_domain"].items()
        }
        known["samples"] = [
            EvalSample(**_pick(EvalSample, sample, f"{where}: samples[{index}]"))
            for index, sample in enumerate(known["samples"])
        ]
        return cls(**known)


def _pick(kind: type, data: dict[str, Any], where: str) -> dict[str, Any]:
    """The fields of `kind` that are in `data`; one with a default may be missing, as in files of older versions."""
    missing = [f.name for f in fields(kind) if f.name not in data and f.default is f.default_factory is MISSING]
    if missing:
        raise ValueError(f"{where}: missing {', '.join(missing)}")
    return {f.name: data[f.name] for f in fields(kind) if f.name in data}


def wilson_interval(successes: float, n: int) -> tuple[float, float]:
    """95% score interval of a proportion (E. B. Wilson, 1927, "Probable inference, the law of succession, and
    statistical inference", JASA 22). Unlike mean +- 2 standard errors it stays in [0, 1] and is honest at 0 and 1.

    Without observations anything is possible: (0, 1).
    """
    assert 0 <= successes <= n, f"{successes} successes of {n}"
    if n == 0:
        return (0.0, 1.0)
    z = 1.959963984540054  # the 97.5% quantile of the standard normal
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)))  # at 0 and n, rounding would cross p
