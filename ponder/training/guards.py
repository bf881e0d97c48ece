"""The guard against forgetting: whether a stage has taken away what earlier stages of RL had brought."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

from ponder.recipe.schema import Recipe
from ponder.recipe.stages import RlStage, StageBase
from ponder.runs.places import BIRTH, place_of
from ponder.runs.results import EvalResult
from ponder.runs.run import Run
from ponder.training.checkpoint import Progress, go_back
from ponder.training.master import MasterWeights


@dataclass(frozen=True)
class Fall:
    """A domain whose held-out accuracy fell: by `points` of 100, give or take `noise` (half of the 95% interval), over
    `problems` that were answered both times."""

    domain: str
    points: float
    noise: float
    problems: int

    def __str__(self) -> str:
        return (
            f"{self.domain} fell by {self.points:.1f} +- {self.noise:.1f} points on {self.problems} held-out problems"
        )


class StageGuard:
    """Of one stage; it looks at nothing where the stage has no guard, or no stage of RL came before."""

    def __init__(
        self, recipe: Recipe, settings: StageBase, run: Run, weights: MasterWeights, say: Callable[[str], None]
    ):
        self._recipe, self._settings, self._run, self._weights, self._say = recipe, settings, run, weights, say
        self.guard = settings.guard if isinstance(settings, RlStage) else None
        self.domains = guarded_domains(recipe, settings.name) if self.guard is not None else []

    def rolls_back(self, progress: Progress, result: EvalResult) -> bool:
        """Whether a domain has fallen in this evaluation, and the weights are now those from before the fall."""
        if self.guard is None or not self.domains:
            return False
        name = self._settings.name
        fallen = falls(self._evaluation_before(), result, self.domains, self.guard.drop)
        if not fallen:
            progress.held_step = progress.step
            return False
        what = f"{name} step {progress.step}: {'; '.join(map(str, fallen))}"
        if not self.guard.stop:
            self._say(f"{what}. It goes on, since stages.{name}.guard.stop is false")
            return False
        held = [c for c in self._run.checkpoints() if place_of(c) == (name, progress.held_step)]
        good = held[0] if held else checkpoints_before(self._run, self._recipe, name)[-1]
        go_back(self._weights, good, self._recipe.model)
        progress.rolled_back = f"{what}. The stage ends with the weights of {' step '.join(map(str, place_of(good)))}"
        self._say(
            f"{progress.rolled_back}. Replay more of what fell (stages.{name}.mixture), lower the learning rate, or allow it "
            "(guard.drop, guard.stop)"
        )
        return True

    def _evaluation_before(self) -> EvalResult:
        """The last one before the stage, of all held-out problems."""
        earlier = stages_before(self._recipe, self._settings.name)
        return [result for result in self._run.evals() if result.stage in earlier][-1]


def stages_before(recipe: Recipe, stage: str) -> list[str]:
    names = [BIRTH, *(one.name for one in recipe.stages)]
    return names[: names.index(stage)]


def checkpoints_before(run: Run, recipe: Recipe, stage: str) -> list[Path]:
    """In the order of training."""
    before = stages_before(recipe, stage)
    return [checkpoint for checkpoint in run.checkpoints() if place_of(checkpoint)[0] in before]


def guarded_domains(recipe: Recipe, stage: str) -> list[str]:
    """The domains that RL stages before this one have trained."""
    names = stages_before(recipe, stage)
    before = [one for one in recipe.stages if one.name in names]
    trained = {name: source for name, source in recipe.sources.items() if source.part != "held_out"}
    names = {name for one in before if isinstance(one, RlStage) for name in one.mixture or trained}
    return sorted({recipe.sources[name].domain or name for name in names})


def falls(before: EvalResult, now: EvalResult, domains: Sequence[str], drop: float) -> list[Fall]:
    """The domains that fell by more than `drop`, where chance does not explain it: the 95% interval of the mean difference, paired by
    problem, lies below 0. Problems that have no verdict in one of the two are left out."""
    found = []
    for domain in domains:
        earlier, later = _scores(before, domain), _scores(now, domain)
        lost = [earlier[task] - later[task] for task in earlier if task in later]
        if len(lost) < 2:
            continue
        noise = 1.96 * stdev(lost) / sqrt(len(lost))
        if fmean(lost) > max(drop, noise):
            found.append(Fall(domain, 100 * fmean(lost), 100 * noise, len(lost)))
    return found


def _scores(result: EvalResult, domain: str) -> dict[str, float]:
    """The share of a problem's answers that are correct, by task."""
    scored: dict[str, list[bool]] = {}
    for sample in result.samples:
        if sample.domain == domain and sample.score is not None:
            scored.setdefault(sample.task_id, []).append(sample.status == "correct")
    return {task: fmean(answers) for task, answers in scored.items()}
