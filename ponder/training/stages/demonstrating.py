"""Stages that make demonstrations (kinds reject and distill): tasks are asked, answers judged, and right ones kept, for a later
stage of kind sft to imitate.

A step's questions are a function of the recipe and the step, and every answer is stored as it comes: after a kill a step is
taken again from what is stored, and nothing is asked twice.
"""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, get_args

from ponder.chat.renderer import Renderer
from ponder.engine.counting import key
from ponder.evals.asking import Question
from ponder.evals.protocol import Sampling
from ponder.evals.records import Problem, Sample
from ponder.evals.running import Asked, judged
from ponder.evals.store import SampleStore
from ponder.model.config import ModelConfig
from ponder.recipe.stages import DemonstratingStage, DistillStage
from ponder.tasks.task import Task
from ponder.training.checkpoint import Progress
from ponder.training.drawing import draw_fitting
from ponder.training.error_budget import (
    BudgetSpent,
    count_verdicts,
    extended,
    failure_rows,
    overspent,
    verifier_metrics,
)
from ponder.training.kept_chats import ChatsKept, Row, chats_file, open_answers, text_of
from ponder.training.learner import Learner
from ponder.training.stages.kind import StageParts
from ponder.training.teachers import OwnModel, ServedTeacher, Teacher
from ponder.verifiers.response import Response
from ponder.verifiers.table import VERIFIERS
from ponder.verifiers.verdict import Part, Status, Verdict
from ponder.verifiers.verification import Verification

MOST_UNANSWERED = 0.5  # share of a step's questions; where a server leaves more, something is wrong with it


class Demonstrating:
    """What the runner asks of a stage of kind reject or distill (`StageKind`)."""

    updates = 0
    needs_reference = False

    def __init__(self, settings: DemonstratingStage):
        self.settings = settings
        self.tasks_per_step = settings.prompts_per_step
        self.verify_timeout = settings.verify_timeout
        self.error_budget = settings.error_budget
        self.longest_answer = 0 if isinstance(settings, DistillStage) else settings.max_tokens
        self._teacher: ServedTeacher | None = None  # by `check`; the trainer takes it from there

    @property
    def described(self) -> str:
        prompts, samples, whose = self.settings.prompts_per_step, self.settings.samples_per_prompt, ""
        if isinstance(self.settings, DistillStage):
            whose = f" of {self.settings.url}"
        return f"{prompts} prompts x {samples} samples = {prompts * samples} answers a step{whose}, the right ones kept"

    def texts(self, tasks: Sequence[Task]) -> list[str]:
        return []  # what will be answered is not known before it is asked

    def check(self, config: ModelConfig, renderer: Renderer) -> list[str]:
        if self.settings.max_tokens >= config.max_positions:
            raise ValueError(
                f"stages.{self.settings.name}.max_tokens is {self.settings.max_tokens}, and the model's context "
                f"{config.max_positions}: what is longer could not be imitated; lower it"
            )
        if not isinstance(self.settings, DistillStage):
            before, left = _tokens_before(self.settings, renderer), config.max_positions - self.settings.max_tokens
            if before >= left:
                raise ValueError(
                    f"stages.{self.settings.name}: system and shots take {before} tokens, and max_tokens leaves {left} of the "
                    f"model's context of {config.max_positions}; take shots out"
                )
            return []
        teacher = self._served(self.settings)
        return [f"stages.{self.settings.name}: {teacher.profile.model} at {teacher.profile.url} answers"]

    def _served(self, settings: DistillStage) -> ServedTeacher:
        if self._teacher is None:
            self._teacher = ServedTeacher.reached(settings)
        return self._teacher

    def trainer(self, parts: StageParts, learner: Learner | None) -> "DemonstrationMaker":
        of_server = self._served(self.settings) if isinstance(self.settings, DistillStage) else None
        return DemonstrationMaker(self.settings, parts, of_server or OwnModel(parts.engine, parts.renderer))

    def figures(self, metrics: dict[str, float]) -> str:
        kept, right = metrics["demonstrations/kept"], metrics["pass_rate"]
        return f"kept {kept:,.0f}  right {right:.0%}  cut off {metrics['truncated_share']:.0%}"


@dataclass(frozen=True)
class Answered:
    """An answer and what became of it (`error_budget.Judged`)."""

    task: Task
    sample: Sample

    @property
    def verdict(self) -> Verdict:
        sample = self.sample
        parts = tuple(Part.from_json(part) for part in sample.parts)
        return Verdict(sample.status, sample.score, sample.reason, sample.parsed, parts=parts)

    @property
    def text(self) -> str:
        return self.sample.content or str(list(self.sample.tool_calls))


class DemonstrationMaker:
    """The trainer of such a stage; it has no learner."""

    learner: Learner | None = None

    def __init__(self, stage: DemonstratingStage, parts: StageParts, teacher: Teacher):
        self.stage, self.teacher, self.recipe, self.run = stage, teacher, parts.recipe, parts.run
        self.pool, self.renderer, self.verification = parts.pool, parts.renderer, parts.verification
        self.context = parts.engine.own.config.max_positions
        of_engine = parts.recipe.engine.token_budget // max(1, parts.engine.workers)
        own = not isinstance(stage, DistillStage)  # a teacher's server has a context and a tokenizer of its own
        before = _tokens_before(stage, parts.renderer) if own else 0
        room = min(self.context, of_engine) - stage.max_tokens - before
        self.longest_prompt = min(room, parts.recipe.max_prompt_tokens or room)
        self.sampling = Sampling(
            samples=stage.samples_per_prompt,
            temperature=stage.temperature,
            top_p=stage.top_p,
            top_k=stage.top_k,
            max_tokens=stage.max_tokens,
        )
        self._answers: SampleStore | None = None
        self._kept: ChatsKept | None = None

    def step(self, progress: Progress) -> dict[str, float]:
        """One step of the stage; `progress` says which, and moves on.

        Raises:
            BudgetSpent: a verifier failed too often. Nothing of the step was kept, and `progress` is where it was.
            ConnectionError: the teacher's server has stopped answering; what it answered is stored.
            ValueError: the stage ends without one demonstration.
        """
        number, started = progress.step + 1, time.perf_counter()
        answers_there, kept = self._files(progress.step)
        drawn = draw_fitting(
            self.pool, self.renderer, progress.cursor, self.stage.prompts_per_step, self.longest_prompt
        )
        asked = [
            self._question(task, place * self.stage.samples_per_prompt + sample)
            for place, task in enumerate(drawn.tasks, start=(number - 1) * self.stage.prompts_per_step)
            for sample in range(self.stage.samples_per_prompt)
        ]
        failures: list[str] = []
        self._judge_again([one for one in asked if _place(one) in answers_there.done], answers_there)
        self.teacher.ask(asked, answers_there, self.verification, lambda one: failures.append(one.failure or ""))
        sampled = time.perf_counter()
        answers = [
            Answered(one.task, answers_there.done[place])
            for one in asked
            if (place := _place(one)) in answers_there.done
        ]
        if len(asked) - len(answers) > MOST_UNANSWERED * len(asked):
            last = next(filter(None, reversed(failures)))
            raise ConnectionError(f"{len(asked) - len(answers)} of {len(asked)} questions had no answer: {last}")

        counts = count_verdicts(answers)
        recent = extended(progress.verdicts, counts)
        self.run.record_failures(self.stage.name, number, "training", failure_rows(answers))
        if spent := overspent(counts, recent, self.stage.error_budget):
            raise BudgetSpent(number, spent)
        kept.add([row | {"step": number} for row in self._chosen(answers, kept)])
        tokens = sum(answer.sample.tokens or 0 for answer in answers)
        progress.tokens += tokens
        metrics = {
            **_summary(answers),
            **verifier_metrics(counts),
            "demonstrations/kept": kept.count,
            "demonstrations/unanswered": len(asked) - len(answers),
            "prompts/too_long": drawn.too_long,
            "prompts/total": drawn.cursor,
            "tokens/total": progress.tokens,
            "time/sample_s": sampled - started,
            "time/step_s": time.perf_counter() - started,
            "tokens_per_s/sample": tokens / max(sampled - started, 1e-9),
        }
        if number == self.stage.steps:
            self._end(kept, number)
        self.run.record(self.stage.name, number, metrics)
        progress.step, progress.cursor, progress.verdicts = number, drawn.cursor, recent
        return metrics

    def _files(self, step: int) -> tuple[SampleStore, ChatsKept]:
        """Opened at the first step that is taken here; later ones, of a run that went on after the checkpoint, are dropped."""
        if self._answers is None or self._kept is None:
            asked = {"teacher": self.teacher.about, "sampling": self.sampling.model_dump(mode="json")}
            asked |= self.stage.model_dump(mode="json", include={"system", "shots"}) | {"seed": self.recipe.seed}
            self._answers = open_answers(self.run.path, self.stage.name, asked)
            self._kept = ChatsKept(chats_file(self.run.path, self.stage.name), step)
        return self._answers, self._kept

    def _judge_again(self, asked: Sequence[Asked], store: SampleStore) -> None:
        """Stored answers of a step that is taken again, on which a verifier had failed: by now it may have been mended."""
        failed = [(one, sample) for one in asked if (sample := store.done[_place(one)]).score is None]
        verdicts = self.verification.verify_all((one.task, _response(sample)) for one, sample in failed)
        for (_, sample), verdict in zip(failed, verdicts, strict=True):
            store.add(replace(sample, **judged(verdict)))

    def _asked_with(self, task: Task) -> tuple[dict, ...]:
        """The task's messages behind the stage's system prompt and its shots of the task's domain."""
        first = task.messages[0]
        others = task.messages[first["role"] == "system" :]
        system = [] if self.stage.system is None else [{"role": "system", "content": self.stage.system}]
        return (*(system or [first] * (first["role"] == "system")), *_turns(self.stage, task.domain), *others)

    def _question(self, task: Task, number: int) -> Asked:
        """`number`: of the answer in the whole stage, so that a task that comes again is answered anew."""
        messages = self._asked_with(task)
        seed = key(self.recipe.seed, self.stage.name, task.id, number)
        problem = Problem(self.stage.name, task.id, task.place, messages, None)
        return Asked(problem, number, task, Question(messages, self.sampling, seed, task.tools))

    def _chosen(self, answers: Sequence[Answered], kept: ChatsKept) -> list[Row]:
        """Of each task's right answers the first that differ, as many as are to be kept, in the form in which they are
        imitated."""
        right = [answer for answer in answers if answer.verdict.status == "correct"]
        if self.stage.thought == "answer":
            messages = _with_thoughts(right, self.verification)
        else:
            messages = [_message(answer.sample) for answer in right]
        chosen: list[Row] = []
        texts: dict[str, set[str]] = {}
        for answer, message in zip(right, messages, strict=True):
            task = answer.task
            there = texts.setdefault(task.id, set(kept.of_task(task.id)))
            if message is None or len(there) >= self.stage.keep or text_of(message) in there:
                continue
            chat = [*task.messages, message]
            if not self._can_be_learned(chat, task):
                continue
            there.add(text_of(message))
            row = {"messages": chat, "task": task.id, "domain": task.domain, "sample": answer.sample.sample}
            chosen.append(row | ({"tools": list(task.tools)} if task.tools else {}))
        return chosen

    def _can_be_learned(self, chat: list[dict[str, Any]], task: Task) -> bool:
        """Whether the model's own template can write it, within its context."""
        with suppress(ValueError):  # a text that looks like a control token, say: it is one answer of many
            return len(self.renderer.training_example(chat, task.tools)[0]) <= self.context
        return False

    def _end(self, kept: ChatsKept, steps: int) -> None:
        answers = self.stage.prompts_per_step * self.stage.samples_per_prompt * steps
        if not kept.count:
            raise ValueError(
                f"stages.{self.stage.name}: of {answers:,} answers none was right, so there is nothing to imitate. All of "
                f"them, with why they were not, are in {chats_file(self.run.path, self.stage.name).with_suffix('')}: easier "
                "tasks, more samples_per_prompt or another prompt may help"
            )
        assert self._answers is not None
        self._answers.close()
        kept.close()


def _turns(stage: DemonstratingStage, domain: str) -> list[dict[str, Any]]:
    """A domain's shots as messages."""
    turns = []
    for shot in stage.shots.get(domain, ()):
        turns += [{"role": "user", "content": shot.question}, {"role": "assistant", "content": shot.answer}]
    return turns


def _tokens_before(stage: DemonstratingStage, renderer: Renderer) -> int:
    """The most that stands before a task's question: the system prompt, and the shots of one domain."""
    system = [] if stage.system is None else [{"role": "system", "content": stage.system}]
    lengths = [0]
    for domain in {*stage.shots, ""}:
        if messages := [*system, *_turns(stage, domain)]:
            lengths.append(
                len(renderer.encode("".join(message["content"] for message in messages))) + 8 * len(messages)
            )
    return max(lengths)


def _place(asked: Asked) -> tuple[str, str, int]:
    return asked.problem.bench, asked.problem.id, asked.sample


def _response(sample: Sample) -> Response:
    """As it was judged; a thought that was never closed has nothing after it."""
    return Response(
        reasoning=sample.reasoning,
        content=sample.content,
        thinking_closed=bool(sample.content or sample.tool_calls or not sample.reasoning),
        truncated=sample.finish_reason == "length",
        tool_calls=sample.tool_calls,
        tokens=sample.tokens,
    )


def _message(sample: Sample) -> dict[str, Any]:
    """The assistant's message of an answer, as it is."""
    message: dict[str, Any] = {"role": "assistant", "content": sample.content}
    if sample.reasoning:
        message["reasoning_content"] = sample.reasoning
    if sample.tool_calls:
        message["tool_calls"] = [{"type": "function", "function": dict(call)} for call in sample.tool_calls]
    return message


def _with_thoughts(right: Sequence[Answered], verification: Verification) -> list[dict[str, Any] | None]:
    """Messages whose thought is the whole answer, and whose answer is what the verifier has read of it. None where that
    alone is not right, or was not read."""
    messages: list[dict[str, Any] | None] = []
    for answer in right:
        parsed, thought = answer.sample.parsed, f"{answer.sample.reasoning}\n{answer.sample.content}".strip()
        if parsed is None or answer.sample.tool_calls:
            messages.append(None)
            continue
        content = VERIFIERS[answer.task.verifier].restated(answer.task, parsed)
        messages.append({"role": "assistant", "reasoning_content": thought, "content": content})
    stated = [(answer, message) for answer, message in zip(right, messages, strict=True) if message is not None]
    pairs = [
        (answer.task, Response(message["reasoning_content"], message["content"], True, False))
        for answer, message in stated
    ]
    verdicts = iter(verification.verify_all(pairs))
    return [message if message is not None and next(verdicts).status == "correct" else None for message in messages]


def _summary(answers: Sequence[Answered]) -> dict[str, float]:
    statuses = Counter(answer.sample.status for answer in answers)
    count = max(1, len(answers))
    metrics = {f"status/{status}": statuses[status] / count for status in get_args(Status)}
    metrics |= {"pass_rate": statuses["correct"] / count}
    for domain in sorted({answer.task.domain for answer in answers}):
        right = [answer.sample.status == "correct" for answer in answers if answer.task.domain == domain]
        metrics[f"pass_rate/{domain}"] = statistics.fmean(right)
    metrics |= {"truncated_share": sum(answer.sample.finish_reason == "length" for answer in answers) / count}
    if lengths := [answer.sample.tokens for answer in answers if answer.sample.tokens is not None]:
        metrics |= {"length/mean": statistics.fmean(lengths), "length/max": max(lengths)}
    if thoughts := [a.sample.reasoning_tokens for a in answers if a.sample.reasoning_tokens is not None]:
        metrics["length/thinking"] = statistics.fmean(thoughts)
    return metrics
