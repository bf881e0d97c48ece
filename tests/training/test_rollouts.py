"""Collecting: which random numbers an answer gets, which tasks are left out, and what is recorded of a rollout."""

import json

import numpy as np
import pytest

from ponder.chat.renderer import Prompt
from ponder.engine.protocol import Completion, rl_sampling
from ponder.ledger import Ledger, SpanKind
from ponder.tasks import Task
from ponder.training import rollouts
from ponder.training.gradients import TokenScores
from ponder.training.rollouts import Rollout, along, collect
from ponder.verifiers import Verification
from ponder.verifiers.verdict import Verdict
from tests.training.test_rewards import rollout


def ask(text: str) -> Task:
    return Task(({"role": "user", "content": text},), "sums", "math", "1")


class Recording:
    """An engine that answers at once, and keeps what it was asked."""

    def __init__(self):
        self.requests = []

    def generate(self, requests):
        for request in requests:
            self.requests.append(request)
            yield Completion(request, [5], [-0.1], "stop")


class Renderer:
    def render(self, messages, tools):
        return Prompt([1] * len(messages[0]["content"]), "", False)

    def decode(self, ids):
        return "text"


@pytest.fixture
def seeds(monkeypatch):
    monkeypatch.setattr(rollouts, "parse_output", lambda ids, renderer, thinking: rollout(0, 0, "correct").parsed)

    def of(tasks, **more):
        engine = Recording()
        with Verification() as verification:
            done = collect(
                engine, Renderer(), verification, tasks, 2, rl_sampling(9, frozenset()), (7, "math", 1), **more
            )
        return [request.seed for request in engine.requests], done

    return of


def test_the_same_prompt_twice_in_a_step_is_answered_twice(seeds):
    one, _ = seeds([ask("1+1")])
    twice, _ = seeds([ask("1+1"), ask("2+2"), ask("1+1")])
    assert len(set(twice)) == 6
    assert twice[:2] == one, "its first occurrence draws as if it were alone"
    later, _ = seeds([ask("1+1")], first_group=3, drawn_before=[ask("1+1"), ask("2+2")])
    assert later == twice[4:], "as refills do, whatever came before them"


def test_rows_say_how_the_learner_saw_the_tokens_and_who_wrote_them():
    ledger = Ledger.of_turn([1, 2], [3], [-0.5], "stop")
    ledger.append(SpanKind.TOOL, [4, 4])
    ledger.append(SpanKind.POLICY, [5], [-0.25])
    plain = rollout(0, 0, "correct")
    made = Rollout(plain.task, 0, 0, ledger, plain.parsed, Verdict("correct", 1.0, "equal"), {"score": 1.0}, 0.5)
    made.scores = TokenScores(0, np.float32([-0.75, -0.125]), np.float32([1.5, 2.5]))
    made.weights_version = 3
    row = made.to_row(Renderer())
    assert row["mask"] == [1, 0, 0, 1] and list(row["logprobs"]) == [-0.5, 0.0, 0.0, -0.25]
    assert list(row["learner_logprobs"]) == [-0.75, 0.0, 0.0, -0.125] and list(row["entropy"]) == [1.5, 0.0, 0.0, 2.5]
    assert [(s["kind"], s["start"], s["end"]) for s in row["spans"]] == [
        ("prompt", 0, 2),
        ("policy", 2, 3),
        ("tool", 3, 5),
        ("policy", 5, 6),
    ]
    assert (row["stop_reason"], row["weights_version"], json.loads(row["reward_parts"])) == ("stop", 3, {"score": 1.0})
    sample = made.to_sample(0)
    assert sample.ids == [1, 2, 3, 4, 4, 5] and sample.mask == [0, 0, 1, 0, 0, 1] and sample.logprobs == [-0.5, -0.25]


def test_values_lie_along_the_tokens_of_the_policy():
    assert along([1, 0, 1, 0], [2.0, 3.0]).tolist() == [2.0, 0.0, 3.0, 0.0]
