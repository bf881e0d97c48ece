"""Benchmarks in a training: a checkpoint is asked by the engine of its own run, and what comes of it lies in the run's directory as
an evaluation like any other."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder import __version__
from ponder.chat.renderer import Renderer
from ponder.engine.limits import Limits
from ponder.engine.protocol import Engine
from ponder.evals.diff import settings
from ponder.evals.evaluate import Bench
from ponder.evals.records import Manifest, Sample
from ponder.evals.report import SCORES, write_files
from ponder.evals.scores import BenchmarkScore
from ponder.evals.store import MANIFEST, Store, read
from ponder.evals.training_answers import ask_engine
from ponder.runs.atomic import put_aside
from ponder.runs.lineage import now
from ponder.runs.processor import processor
from ponder.verifiers.verification import Verification


@dataclass(frozen=True)
class Model:
    """What is asked: `about` and `engine_about` are as a manifest has them."""

    about: dict[str, Any]
    engine_about: dict[str, Any]
    engine: Engine
    limits: Limits
    renderer: Renderer


def evaluate_checkpoint(
    directory: Path,
    model: Model,
    benches: Sequence[Bench],
    seed: int,
    verification: Verification,
    begins: Callable[[int, int], None],
    told: Callable[[Sample], None],
    say: Callable[[str], None],
) -> list[BenchmarkScore] | None:
    """Asks what `directory` has no answers to yet. None where there was nothing left to do.

    Args:
        begins: is told how many answers are wanted, and how many of them are there
        told: is told each answer; what it raises ends the asking, and all answers so far are kept
    Raises:
        ValueError: the directory holds something that is no evaluation, or a damaged one.
        RuntimeError: the engine has failed.
    """
    manifest = Manifest(
        model=model.about,
        engine=model.engine_about,
        benchmarks={bench.name: bench.asked for bench in benches},
        seed=seed,
        started=now(),
        ponder=__version__,
        processor=processor(),
    )
    manifest = _going_on(directory, manifest, say)
    store = Store(directory, manifest, [problem for bench in benches for problem in bench.problems])
    try:
        questions = [question for bench in benches for question in bench.questions]
        left = [one for one in questions if (one.problem.bench, one.problem.id, one.sample) not in store.done]
        if not left and (directory / SCORES).exists():
            return None
        begins(len(questions), len(questions) - len(left))
        if left:
            asyncio.run(ask_engine(model.engine, model.limits, model.renderer, left, store, verification, told))
    finally:
        store.close()
    return write_files(directory, read(directory))


def _going_on(directory: Path, wanted: Manifest, say: Callable[[str], None]) -> Manifest:
    """The manifest of what is there, where it is the same evaluation; another one is put aside, since what it holds was asked
    for once."""
    if not (directory / MANIFEST).exists():
        return wanted
    there = read(directory).manifest
    if _same(there, wanted):
        return there
    kept = put_aside(directory)
    say(f"{directory} was asked otherwise than the recipe says now; it is kept as {kept.name}")
    return wanted


def _same(one: Manifest, other: Manifest) -> bool:
    """The same questions of the same weights; where the data lie and which version asks makes no difference."""
    asked = [{name: settings(a) for name, a in manifest.benchmarks.items()} for manifest in (one, other)]
    weights = [(m.model.get("weights"), m.engine, m.seed) for m in (one, other)]
    return asked[0] == asked[1] and weights[0] == weights[1]
