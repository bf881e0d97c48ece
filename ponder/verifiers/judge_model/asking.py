"""One judge behind its server: each question once, again where that may help, within its time and the run's budget."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace

from ponder.engine.openai import OpenAiEngine
from ponder.engine.openai_http import OpenAiFailure
from ponder.engine.openai_models import only_model
from ponder.engine.openai_profile import OpenAiProfile, Patience
from ponder.engine.openai_wire import TextSampling, chat_body
from ponder.recipe.judge import JudgedBy, JudgeServer
from ponder.verifiers.judge_model.answers import read_grades, read_preference, words_before
from ponder.verifiers.judge_model.kept import Kept, KeptAnswers, key_of
from ponder.verifiers.judge_model.questions import Messages, pairwise_messages, pointwise_messages
from ponder.verifiers.judge_model.rubric import (
    asked_of_judge,
    items_asked,
    pairwise_verdict,
    pointwise_verdict,
    reference_text,
)
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verifier import Submission

MOST_BYTES = 4 << 20  # of a judge's answer as it comes, its thinking included
ATTEMPTS = 6


class NoAnswer(Exception):
    """The judge has not answered, or its answer is none; the message says why."""


class AskedJudge:
    """Belongs to the event loop of a grader (ponder.verifiers.batches).

    Args:
        name: by which the recipe knows it
        kept: what it has answered already, of which nothing is asked again
    """

    def __init__(self, name: str, server: JudgeServer, kept: KeptAnswers):
        self.name, self.server, self._kept = name, server, kept
        self._asked = kept.asked[name]  # requests, in the run so far
        self._engine: OpenAiEngine | None = None
        self._opening = asyncio.Lock()
        self._running: dict[str, asyncio.Task[Kept]] = {}

    async def grade(self, batch: Sequence[Submission]) -> list[Verdict]:
        """The verdicts on a batch; what fails is an `error` that says why."""
        return [await self._verdict(submission) for submission in batch]

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.close()

    async def _verdict(self, submission: Submission) -> Verdict:
        asked = asked_of_judge(submission.task)
        try:
            judge = self._pairwise if asked.mode == "pairwise" else self._pointwise
            return await judge(submission, asked)
        except (NoAnswer, OpenAiFailure, ValueError) as error:
            return Verdict("error", None, f"{self.name}: {error}")

    async def _pointwise(self, submission: Submission, asked: JudgedBy) -> Verdict:
        task, response = submission.task, submission.response
        items = items_asked(asked.rubric, asked.drop, submission.draw)
        said = await self._ask(pointwise_messages(task, response, items, reference_text(task)))
        grades = read_grades(said, [item.name for item in items])
        words = words_before(said)
        verdict = pointwise_verdict(items, grades, self.name, f"; it says: {words}" if words else "")
        return replace(verdict, reference=reference_text(task))

    async def _pairwise(self, submission: Submission, asked: JudgedBy) -> Verdict:
        task, response, reference = submission.task, submission.response, reference_text(submission.task)
        assert reference is not None
        items = items_asked(asked.rubric, asked.drop, submission.draw)
        preferred = []
        for answer_first in (True, False):
            said = await self._ask(pairwise_messages(task, response, items, reference, answer_first))
            called = {"A": "answer", "B": "reference"} if answer_first else {"B": "answer", "A": "reference"}
            preferred.append(called.get(read_preference(said), "tie"))
        return pairwise_verdict(preferred, self.name, reference)

    async def _ask(self, messages: Messages) -> str:
        """What the judge says, by now or before. Raises NoAnswer, OpenAiFailure or ValueError."""
        engine = await self._opened()
        sampling = TextSampling(self.server.max_tokens, self.server.temperature, fields=self.server.fields)
        key = key_of(chat_body(messages, sampling, engine.profile.model, stream=False))
        if self.server.temperature:
            sampling = replace(sampling, seed=int(key[:7], 16))  # counted, like all that is drawn
        kept = self._kept.get(key)
        if kept is None:
            # Equal questions are asked once, also while the first is on its way: they have one answer, now and in a resume.
            running = self._running.get(key)
            if running is None:
                self._spend()
                running = asyncio.create_task(self._request(engine, key, messages, sampling))
                self._running[key] = running
                running.add_done_callback(lambda done: self._ended(key, done))
            kept = await asyncio.shield(running)  # whoever is late leaves it to the others
        if kept.finish == "length":
            raise NoAnswer(f"its answer was cut off at {self.server.max_tokens} tokens (judges.{self.name}.max_tokens)")
        if kept.finish == "content_filter":
            raise NoAnswer("its server's content filter has ended its answer")
        return kept.text

    def _ended(self, key: str, done: asyncio.Task[Kept]) -> None:
        del self._running[key]
        if not done.cancelled():
            done.exception()  # looked at, if nobody waits for it any more

    def _spend(self) -> None:
        most = self.server.requests
        if most is not None and self._asked >= most:
            raise NoAnswer(f"its budget of {most} requests is used up (judges.{self.name}.requests)")
        self._asked += 1

    async def _request(self, engine: OpenAiEngine, key: str, messages: Messages, sampling: TextSampling) -> Kept:
        try:
            async with asyncio.timeout(2 * self.server.timeout_s):  # all attempts together
                answer = await engine.chat(messages, sampling)
        except TimeoutError:
            why = f"no answer within {2 * self.server.timeout_s:g} s, all attempts together"
            self._kept.add_failure(self.name, key, why)
            raise NoAnswer(why) from None
        except (OpenAiFailure, ValueError) as error:
            self._kept.add_failure(self.name, key, str(error))
            raise
        kept = Kept(answer.text, answer.finish_reason)
        self._kept.add(self.name, key, kept)
        return kept

    async def _opened(self) -> OpenAiEngine:
        """The way to the judge's server, which says what its model is called where the recipe does not."""
        async with self._opening:
            if self._engine is None:
                model = self.server.model
                if model is None:
                    async with self._engine_for("?") as nameless:
                        cards = await nameless.models()
                    model = only_model(self.server.url, cards, f"judges.{self.name}.model")
                self._engine = self._engine_for(model)
            return self._engine

    def _engine_for(self, model: str) -> OpenAiEngine:
        server = self.server
        return OpenAiEngine(
            OpenAiProfile(server.url, model, os.environ.get(server.key) or None),
            concurrent=server.concurrent,
            patience=Patience(
                answer_s=server.timeout_s, attempts=ATTEMPTS, retry_s=server.timeout_s, most_bytes=MOST_BYTES
            ),
        )
