"""Asks reward models, which this process holds, for the scores of many responses at a time."""

import asyncio
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from math import nextafter
from threading import Lock

import torch

from ponder.tasks.task import Task
from ponder.verifiers.batches import BatchGrader, BatchLimits
from ponder.verifiers.reward_model.model import RewardModel
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verifier import Setup, Submission

KEY = "reward_model"  # in a task's metadata: the directory of the model that judges it
# One batch at a time: a second one would wait for the same cores. Long answers and large models take minutes.
LIMITS = BatchLimits(size=128, wait_s=0.05, at_a_time=1, deadline_s=1_800.0)


class RewardModelGrader:
    """The grader of the reward_model verifier. A model is loaded once, before the training, or with the first response.

    The verdict's score is 1 / (1 + exp(-raw)) of the model's raw score, which keeps the order of responses and lies in (0, 1), and so is
    never `correct`, which a reward model cannot say; the raw score is what the verdict has read (`parsed`). The thought of a
    response is not shown to the model.
    """

    def __init__(self, setup: Setup):
        self._models: dict[str, RewardModel] = {}
        self._lock = Lock()
        self._batches = BatchGrader("reward_model", self._grade, LIMITS)

    def prepare(self, tasks: Iterable[Task]) -> None:
        """ValueError for a model that is not there, is none that scores, or whose parts do not belong together, and for a prompt that
        its template refuses or its context has no room for."""
        for task in tasks:
            model = self._model(task)
            try:
                model.ids([*task.messages, {"role": "assistant", "content": "."}], task.tools)
            except ValueError as error:
                raise ValueError(f"{task.place or task.question[:80]!r}: reward_model: {error}") from None

    def submit(self, submission: Submission) -> Future[Verdict]:
        return self._batches.submit(submission)

    def close(self) -> None:
        self._batches.close()
        self._models.clear()

    async def _grade(self, batch: Sequence[Submission]) -> list[Verdict | Exception]:
        return await asyncio.to_thread(self._verdicts, batch)

    def _verdicts(self, batch: Sequence[Submission]) -> list[Verdict | Exception]:
        """In the order of the batch; an exception is an `error` verdict of its response alone."""
        answers: dict[int, Verdict | Exception] = {}
        of_model: dict[str, list[tuple[int, list[int]]]] = {}
        for number, submission in enumerate(batch):
            try:
                of_model.setdefault(_named(submission.task), []).append((number, self._ids(submission)))
            except Exception as error:  # law 3: it is not the response's fault
                answers[number] = error
        for name, numbered in of_model.items():
            scores = self._models[name].scores([ids for _, ids in numbered])
            answers |= {number: _verdict(score) for (number, _), score in zip(numbered, scores, strict=True)}
        return [answers[number] for number in range(len(batch))]

    def _ids(self, submission: Submission) -> list[int]:
        task, response = submission.task, submission.response
        message = {"role": "assistant", "content": response.content}
        if response.tool_calls:
            message["tool_calls"] = [{"type": "function", "function": call} for call in response.tool_calls]
        return self._model(task).ids([*task.messages, message], task.tools)

    def _model(self, task: Task) -> RewardModel:
        name = _named(task)
        with self._lock:
            if name not in self._models:
                device = "cuda" if torch.cuda.is_available() else "cpu"
                # float32 on a CPU: not every one has arithmetic in bfloat16
                self._models[name] = RewardModel.load(name, "float32" if device == "cpu" else None, device)
            return self._models[name]


def _named(task: Task) -> str:
    name = task.metadata.get(KEY)
    if not isinstance(name, str):
        raise ValueError(f'the reward_model verifier needs a model: metadata {{"{KEY}": "path/to/reward_model"}}')
    return name


def _verdict(raw: float) -> Verdict | Exception:
    if not math.isfinite(raw):
        return ValueError(f"the reward model gave {raw}")
    score = 1 / (1 + math.exp(-max(-700.0, min(700.0, raw))))
    return Verdict("wrong", min(score, nextafter(1.0, 0.0)), f"raw score {raw:.4g}", f"{raw:.6g}")
