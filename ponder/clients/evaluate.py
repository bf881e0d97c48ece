"""`ponder eval`: a model, its engine or its server, and benchmarks; what comes of it lies in a directory."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ponder import __version__
from ponder.clients.talk.models import listed_models
from ponder.engine.openai_models import only_model
from ponder.engine.openai_profile import KEY_VARIABLE, OpenAiProfile, read_key
from ponder.evals.asking import Answerer, refuse_too_long
from ponder.evals.evaluate import Bench, Wanted, prepare
from ponder.evals.records import Manifest
from ponder.evals.running import Prices, run
from ponder.evals.server_answers import CONCURRENT, ServerAnswers
from ponder.evals.store import Evaluation, Store, read
from ponder.evals.view import viewing
from ponder.runs.lineage import fingerprint, now
from ponder.runs.processor import processor
from ponder.server.start.engine_choice import EngineChoice
from ponder.verifiers.verification import Verification

MOST_NAME = 60


@dataclass(frozen=True)
class Asking:
    """How the model is reached. `name`, `key_file`, `prices`: of a server; `engine`: of a checkpoint; `concurrent`: questions at
    a time, None is what suits it."""

    engine: EngineChoice = field(default_factory=lambda: EngineChoice(exact=True))
    name: str | None = None
    key_file: Path | None = None
    concurrent: int | None = None
    prices: Prices = field(default_factory=Prices)


def evaluate(
    model: str, wanted: Wanted, to: Path | None, asking: Asking, say: Callable[[str], None]
) -> tuple[Path, Evaluation]:
    """Asks what the directory `to` has no answers to yet, judges, and reads it all back.

    Raises:
        ValueError: what was asked for cannot be: an unknown benchmark, missing data, another evaluation in `to`.
        ConnectionError: a server that has stopped answering; what was answered is kept.
    """
    if "://" in model and asking.engine.kind != "local":
        raise ValueError(f"--engine {asking.engine.kind} is for a checkpoint, and {model} is a server: leave it out")
    benches = prepare(wanted)
    for notice in dict.fromkeys(notice for bench in benches for notice in bench.notices):
        say(notice)
    with Verification() as verification:
        verification.prepare([one.task for bench in benches if bench.judged for one in bench.questions])
        return asyncio.run(_evaluate(model, benches, wanted, to, asking, verification, say))


async def _evaluate(
    model: str,
    benches: list[Bench],
    wanted: Wanted,
    to: Path | None,
    asking: Asking,
    verification: Verification,
    say: Callable[[str], None],
) -> tuple[Path, Evaluation]:
    if "://" in model:
        answerer, about, engine = await _server(model, asking, benches, say)
    else:
        answerer, about, engine = await _checkpoint(model, asking, benches)
    if wanted.budgets:
        say_who_keeps_budgets(answerer, about["name"], say)
    try:
        manifest = Manifest(
            model=about,
            engine=engine,
            benchmarks={bench.name: bench.asked for bench in benches},
            seed=wanted.seed,
            started=now(),
            ponder=__version__,
            processor=processor(),
        )
        directory = to or Path("evals") / _name(about["name"], benches)
        store = Store(directory, manifest, [problem for bench in benches for problem in bench.problems])
        try:
            questions = [question for bench in benches for question in bench.questions]
            there = sum((one.problem.bench, one.problem.id, one.sample) in store.done for one in questions)
            going_on = f", {there} of them are there" if there else ""
            say(f"{about['name']}: {len(questions)} answers{going_on}; they are kept in {directory}")
            try:
                with viewing(len(questions) - there) as view:
                    await run(answerer, questions, store, verification, asking.prices, view.told)
            except asyncio.CancelledError:
                say(
                    f"stopped: {len(store.done)} of {len(questions)} answers are kept in {directory}; the same command goes on"
                )
                raise
        finally:
            store.close()
    finally:
        await answerer.close()
    found = read(directory)
    lost = [sample.failure for sample in found.samples if sample.failure]
    if lost:
        say(
            f"{len(lost)} of {len(questions)} questions had no answer; the same command asks them again. The last: {lost[-1]}"
        )
    return directory, found


def say_who_keeps_budgets(answerer: Answerer, name: str, say: Callable[[str], None]) -> None:
    """Says, before anything is asked, where a budget may bound nothing."""
    if isinstance(answerer, ServerAnswers):
        say(
            "--budget is asked of the server as thinking_budget; answers that think longer than their budget are counted "
            "beside the score, since not every server knows it"
        )
    elif not answerer.knows_thinking:
        say(
            f"{name} knows no thinking (neither its tokenizer nor its chat template has <think>): unless it has learned to "
            "write <think> itself, --budget changes nothing"
        )


async def _server(
    url: str, asking: Asking, benches: list[Bench], say: Callable[[str], None]
) -> tuple[Answerer, dict[str, Any], dict[str, Any]]:
    key = read_key(asking.key_file) if asking.key_file else os.environ.get(KEY_VARIABLE) or None
    base = OpenAiProfile(
        f"{url.rstrip('/')}/v1" if urlsplit(url).path in ("", "/") else url, asking.name or "?", key
    ).url
    try:
        models = await listed_models(base, key)
    except ConnectionError:
        if asking.name is None:
            raise
        models = {}  # not every server lists its models
    name = asking.name or only_model(base, models, "--model")
    if asking.name is None:
        say(f"{base} has one model, {name}: that is asked")
    card = models.get(name)
    if card and card.longest:
        for bench in benches:
            refuse_too_long(bench.asked.protocol.name, bench.questions[0].question.sampling.max_tokens, card.longest)
    answerer = ServerAnswers(
        OpenAiProfile(base, name, key), asking.concurrent or CONCURRENT, is_ponder=bool(card and card.is_ponder)
    )
    return answerer, {"name": name, "kind": "server", "at": base}, {"kind": "openai"}


async def _checkpoint(
    model: str, asking: Asking, benches: list[Bench]
) -> tuple[Answerer, dict[str, Any], dict[str, Any]]:
    from ponder.evals.engine_answers import EngineAnswers
    from ponder.server.start.checkpoint import find_checkpoint
    from ponder.server.start.gateway_for import open_gateway

    found = find_checkpoint(model)
    with redirect_stdout(sys.stderr):  # which says how a vLLM starts; the scores alone are for standard output
        gateway = open_gateway(found.directory, found.name, asking.engine)
    answerer = EngineAnswers(gateway.engine, gateway.renderer, asking.concurrent or 64)
    try:
        for bench in benches:
            first = bench.questions[0].question
            refuse_too_long(bench.asked.protocol.name, first.sampling.max_tokens, answerer.lengths.longest)
            answerer.refuse_without_tools(bench.asked.protocol.name, first)
    except ValueError:
        await answerer.close()
        raise
    about = {"name": found.name, "kind": "checkpoint", "at": found.lasting, "weights": fingerprint(found.directory)}
    engine = {"kind": asking.engine.kind, "exact": gateway.engine.exact}
    return answerer, about, engine | ({"arguments": list(asking.engine.arguments)} if asking.engine.arguments else {})


def _name(model: str, benches: list[Bench]) -> str:
    named = "+".join(dict.fromkeys(bench.asked.protocol.name for bench in benches))
    variant = benches[0].asked.protocol.variant
    name = f"{model.replace('/', '--')}-{named[:MOST_NAME]}-{variant}"
    return "".join(letter if letter.isalnum() or letter in "-_.+" else "_" for letter in name)
