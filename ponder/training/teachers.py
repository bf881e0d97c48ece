"""Who answers in the stages that make demonstrations: the model itself, or a teacher behind a server."""

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ponder.chat.renderer import Renderer
from ponder.engine.build import SamplingEngine
from ponder.engine.openai import OpenAiEngine
from ponder.engine.openai_http import OpenAiFailure
from ponder.engine.openai_models import MOST_NAMES, ModelCard, only_model
from ponder.engine.openai_profile import KEY_VARIABLE, OpenAiProfile, Patience
from ponder.evals.records import Sample
from ponder.evals.running import Asked, run
from ponder.evals.server_answers import ServerAnswers
from ponder.evals.store import SampleStore
from ponder.evals.training_answers import ask_engine
from ponder.recipe.stages import DistillStage
from ponder.verifiers.verification import Verification

FIRST_CONTACT = Patience(attempts=2, answer_s=20.0)  # of a server that may not be there


class Teacher(Protocol):
    """`about`: who answers, as plain data; answers of another are not taken for its own."""

    about: dict[str, Any]

    def ask(
        self,
        asked: Sequence[Asked],
        store: SampleStore,
        verification: Verification,
        told: Callable[[Sample], None] = lambda _: None,
    ) -> None:
        """Has each question answered and judged that the store has no answer to, and stores it as it comes.

        Raises:
            ConnectionError: a server that has stopped answering.
            RuntimeError: the engine has failed.
        """
        ...


class OwnModel:
    """The model of the run, as it is when it is asked."""

    def __init__(self, engine: SamplingEngine, renderer: Renderer):
        self.engine, self.renderer = engine, renderer
        self.about = {"kind": "own"}

    def ask(
        self,
        asked: Sequence[Asked],
        store: SampleStore,
        verification: Verification,
        told: Callable[[Sample], None] = lambda _: None,
    ) -> None:
        self.engine.refresh()
        limits = self.engine.engine.limits
        asyncio.run(ask_engine(self.engine, limits, self.renderer, asked, store, verification, told))


class ServedTeacher:
    """A model behind a server of OpenAI's API. `url` is the base of the API, with /v1."""

    def __init__(self, settings: DistillStage, name: str, is_ponder: bool):
        self.profile = OpenAiProfile(settings.url, name, _key())
        self.concurrent, self.is_ponder = settings.concurrent, is_ponder
        self.about = {"kind": "server", "url": self.profile.url, "model": name}

    @classmethod
    def reached(cls, settings: DistillStage) -> "ServedTeacher":
        """The teacher that a stage names.

        Raises:
            ValueError: it is not there, or it is not said which of several models is meant.
        """
        where = f"stages.{settings.name}"
        try:
            cards = asyncio.run(_models(OpenAiProfile(settings.url, settings.model or "?", _key())))
        except (OpenAiFailure, ValueError) as error:
            raise ValueError(
                f"{where}.url: {error}. The teacher must answer before a run begins: start it, for instance with ponder serve"
            ) from None
        name = settings.model or only_model(settings.url, cards, f"{where}.model")
        if name not in cards:
            listed = ", ".join(list(cards)[:MOST_NAMES])
            raise ValueError(f"{where}.model: {settings.url} has no {name!r}; it has: {listed}")
        return cls(settings, name, cards[name].is_ponder)

    def ask(
        self,
        asked: Sequence[Asked],
        store: SampleStore,
        verification: Verification,
        told: Callable[[Sample], None] = lambda _: None,
    ) -> None:
        asyncio.run(self._ask(asked, store, verification, told))

    async def _ask(
        self,
        asked: Sequence[Asked],
        store: SampleStore,
        verification: Verification,
        told: Callable[[Sample], None],
    ) -> None:
        answerer = ServerAnswers(self.profile, self.concurrent, is_ponder=self.is_ponder)
        try:
            await run(answerer, asked, store, verification, told=told)
        finally:
            await answerer.close()


async def _models(profile: OpenAiProfile) -> dict[str, ModelCard]:
    async with OpenAiEngine(profile, concurrent=1, patience=FIRST_CONTACT) as engine:
        return await engine.models()


def _key() -> str | None:
    return os.environ.get(KEY_VARIABLE) or None
