"""From tasks to rollouts with verdicts: the engine samples, and each answer is verified while others are still sampled."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ponder.agents.equipment import Outfitter, plays_episode
from ponder.agents.playing import EpisodeFacts, Played, ToPlay, play_all
from ponder.chat.parser import ParsedOutput, parse_output
from ponder.chat.renderer import Prompt, Renderer
from ponder.engine.batch_streams import sample_together
from ponder.engine.counting import key
from ponder.engine.protocol import Completion, Engine, Request, SamplingParams
from ponder.ledger import Ledger
from ponder.tasks.task import Task
from ponder.training.batch import Sample
from ponder.training.gradients import TokenScores
from ponder.verifiers.compose import done_with
from ponder.verifiers.response import Response
from ponder.verifiers.verdict import Verdict
from ponder.verifiers.verification import Verification, shown_reference


@dataclass
class Rollout:
    """One attempt: a ledger of token ids, what the verifier said of it, and what training makes of that."""

    task: Task
    group: int
    sample: int
    ledger: Ledger
    parsed: ParsedOutput
    verdict: Verdict
    # {name of a part: its value}; None leaves the loss: the verifier failed, or the answer was cut off and is masked
    reward: dict[str, float] | None = None
    advantage: float | None = None
    scores: TokenScores | None = None  # how the learner saw it, where it learned from it
    weights_version: int | None = None  # updates of the stage before it was sampled
    episode: EpisodeFacts | None = None  # where it had tools or an environment

    @property
    def truncated(self) -> bool:
        return self.ledger.truncated

    @property
    def text(self) -> str:
        """What was answered, for people."""
        calls = [{"name": call.name, "arguments": call.arguments} for call in self.parsed.tool_calls]
        return self.parsed.content or json.dumps(calls, ensure_ascii=False)

    def to_sample(self, number: int) -> Sample:
        assert self.advantage is not None
        return Sample(self.ledger.ids, self.ledger.mask, self.ledger.logprobs, self.advantage, number, group=self.group)

    def to_row(self, renderer: Renderer) -> dict[str, Any]:
        ledger, first = self.ledger, self.ledger.prompt_length
        return {
            "task_id": self.task.id,
            "domain": self.task.domain,
            "source": self.task.source,
            "question": self.task.question,
            "prompt_ids": ledger.prompt_ids,
            "response_ids": ledger.response_ids,
            "logprobs": along(ledger.mask[first:], ledger.logprobs),
            "mask": ledger.mask[first:],
            "text": renderer.decode(ledger.response_ids),
            "reference": json.dumps(shown_reference(self.task), ensure_ascii=False),
            "status": self.verdict.status,
            "score": self.verdict.score,
            "reason": self.verdict.reason,
            "parts": json.dumps([part.to_json() for part in self.verdict.parts], ensure_ascii=False),
            "reward": None if self.reward is None else sum(self.reward.values()),
            "advantage": self.advantage,
            "truncated": self.truncated,
            "group": self.group,
            "sample": self.sample,
            "learner_logprobs": None if self.scores is None else along(ledger.mask[first:], self.scores.logprobs),
            "entropy": None if self.scores is None else along(ledger.mask[first:], self.scores.entropy),
            "spans": [asdict(span) for span in ledger.spans],
            "stop_reason": ledger.stop,
            "weights_version": self.weights_version,
            "reward_parts": None if self.reward is None else json.dumps(self.reward),
            "episode": None if self.episode is None else json.dumps(asdict(self.episode)),
        }


def along(mask: Sequence[int], values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Values of the policy's tokens laid along all tokens, 0 where another wrote. float32."""
    laid = np.zeros(len(mask), dtype=np.float32)
    laid[np.asarray(mask, dtype=bool)] = values
    return laid


@dataclass
class Collected:
    rollouts: list[Rollout]  # by group, then by sample, whatever order they finished in
    sample_seconds: float = 0.0
    verify_seconds: float = 0.0  # waiting for verdicts after the last answer was sampled
    sampled_tokens: int = field(init=False)

    def __post_init__(self):
        self.sampled_tokens = sum(r.ledger.sampled for r in self.rollouts)

    def add_costs(self, other: "Collected") -> None:
        """What it took to collect others, whose rollouts are looked at apart."""
        self.sample_seconds += other.sample_seconds
        self.verify_seconds += other.verify_seconds
        self.sampled_tokens += other.sampled_tokens


@dataclass(frozen=True)
class _Attempt:
    """What was sampled, and the verdict to come."""

    ledger: Ledger
    parsed: ParsedOutput
    verdict: Future[Verdict]
    episode: EpisodeFacts | None = None


def collect(
    engine: Engine,
    renderer: Renderer,
    verification: Verification,
    tasks: Sequence[Task],
    samples_per_prompt: int,
    params: SamplingParams,
    seed_parts: tuple[int | str, ...],
    first_group: int = 0,
    drawn_before: Sequence[Task] = (),
    told: Callable[[], None] = lambda: None,
    outfitter: Outfitter | None = None,
    draw: int | None = None,
) -> Collected:
    """Sample `samples_per_prompt` answers to each task, and have them verified.

    The random numbers of an answer are a function of (seed_parts, task id, sample number) and the token's position; where
    a task comes again, or has been among `drawn_before` with the same seed_parts, its occurrence is one more part of it,
    so that no answer is a copy. `told` is called as each answer comes. Tasks with tools or an environment are episodes, for
    which `outfitter` has the equipment. `draw`: the
    key of what graders draw at random.
    """
    started = time.perf_counter()
    occurrences = Counter(task.id for task in drawn_before)
    prompts: list[Prompt] = []
    requests = []
    for g, task in enumerate(tasks):
        again = (occurrences[task.id],) if occurrences[task.id] else ()
        occurrences[task.id] += 1
        prompts.append(renderer.render(task.messages, task.tools))
        for s in range(samples_per_prompt):
            requests.append(Request((g, s), tuple(prompts[g].ids), params, key(*seed_parts, task.id, s, *again)))
    attempts: dict[tuple[int, int], _Attempt] = {}

    def answered(completion: Completion) -> None:
        g, _ = completion.request.id
        parsed = parse_output(completion.ids, renderer, prompts[g].thinking_open)
        ledger = Ledger.of_turn(prompts[g].ids, completion.ids, completion.logprobs, completion.finish_reason)
        verdict = verification.submit(tasks[g], response_of(ledger, parsed), draw)
        attempts[completion.request.id] = _Attempt(ledger, parsed, verdict)
        told()

    def played(place: tuple[int, int], episode: Played) -> None:
        outcome = episode.outcome
        if outcome is not None and outcome.failed:  # nothing was said of the answer, whoever was to verify it
            verdict = done_with(outcome)
        else:
            verdict = verification.submit(tasks[place[0]], response_of(episode.ledger, episode.parsed, outcome), draw)
        attempts[place] = _Attempt(episode.ledger, episode.parsed, verdict, episode.facts)
        told()

    episodes = [request for request in requests if plays_episode(tasks[request.id[0]])]
    if not episodes:
        for completion in engine.generate(requests):
            answered(completion)
    else:
        assert outfitter is not None, "tasks with tools or environments need an outfitter"
        asked = [ToPlay(tasks[r.id[0]], prompts[r.id[0]], r.seed) for r in episodes]
        others = [request for request in requests if not plays_episode(tasks[request.id[0]])]
        asyncio.run(
            sample_together(
                engine,
                engine.limits,
                others,
                answered,
                lambda streams: play_all(
                    streams, renderer, outfitter, asked, params, lambda n, one: played(episodes[n].id, one)
                ),
            )
        )
    sampled = time.perf_counter()
    rollouts = [
        Rollout(
            tasks[g],
            first_group + g,
            s,
            attempt.ledger,
            attempt.parsed,
            attempt.verdict.result(),
            episode=attempt.episode,
        )
        for (g, s), attempt in sorted(attempts.items())
    ]
    return Collected(rollouts, sampled - started, time.perf_counter() - sampled)


def response_of(ledger: Ledger, parsed: ParsedOutput, outcome: Verdict | None = None) -> Response:
    return Response(
        reasoning=parsed.reasoning,
        content=parsed.content,
        thinking_closed=parsed.thinking_closed,
        truncated=ledger.truncated,
        tool_calls=tuple({"name": call.name, "arguments": call.arguments} for call in parsed.tool_calls),
        tokens=len(ledger.response_ids),
        outcome=outcome,
    )
