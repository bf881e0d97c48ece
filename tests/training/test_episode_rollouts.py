"""Rollouts that are episodes: beside plain answers in one step, each group from one start state, errors out of the loss."""

import json

import numpy as np
import pytest

from ponder.agents.environments.tasks import environment_tasks
from ponder.agents.equipment import TOOLS, Outfitter, schemas_of
from ponder.engine.limits import Limits
from ponder.engine.protocol import Completion, rl_sampling
from ponder.ledger import SpanKind
from ponder.recipe.episodes import Episodes
from ponder.recipe.python_function import PythonFunction
from ponder.recipe.stages import RlStage
from ponder.sandbox.client import Sandbox
from ponder.tasks.task import Task
from ponder.training.objectives import resolve
from ponder.training.rewards import set_advantages, set_rewards
from ponder.training.rollouts import collect
from ponder.training.step_metrics import summarise
from ponder.verifiers import Verification
from tests.shared.fixtures import renderer  # noqa: F401 (a fixture)

HEADER = "<|im_start|>assistant\n"
COUNTER = '''
class Counter:
    """Counts; breaks where a row says so."""

    def reset(self, goal: int, breaks: bool = False) -> str:
        self.value, self.goal, self.breaks = 0, goal, breaks
        return f"Count to {goal}{'!' if breaks else '.'}"

    def add(self, n: int) -> int:
        """adds"""
        if n > 9:
            raise ValueError("n is too large")
        self.value += n
        return self.value

    def reward(self):
        if self.breaks:
            raise OSError("the world is gone")
        return self.value == self.goal
'''


def called(name: str, **arguments) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


class Writes:
    """A batch engine that writes what `reply` makes of everything so far and of the number of the turn's seed."""

    def __init__(self, renderer, reply):  # noqa: F811
        self.renderer, self.reply, self.batches = renderer, reply, []
        self.limits = Limits(4096, (1.0,), 1 << 20, renderer.vocab_size)

    def generate(self, requests):
        requests = list(requests)
        self.batches.append(len(requests))
        for request in requests:
            said = f"<think>\nhm\n</think>\n\n{self.reply(self.renderer.decode(request.prompt), request.seed)}"
            ids = [*self.renderer.encode(said), self.renderer.turn_end][: request.params.max_tokens]
            whole = ids[-1] == self.renderer.turn_end
            yield Completion(request, ids, [-0.5] * len(ids), "stop" if whole else "length")


@pytest.fixture
def play(renderer, tmp_path):  # noqa: F811
    """Plays tasks, twice each, with a model that counts by calls; returns rollouts and engine."""
    rows, file = tmp_path / "rows.jsonl", tmp_path / "counting.py"
    file.write_text(COUNTER)

    def reply(so_far, seed):
        before = so_far.rpartition(HEADER)[0]
        asked = before.rpartition("Count to ")[2]
        if "Count to " not in before:
            return "\\boxed{3}"
        if "<tool_response>" not in before:
            return called("add", n=int(asked.split(".")[0].split("!")[0].split("<")[0]) + seed // 7 % 2)
        return "done"

    def tasks_of(*given):
        rows.write_text("".join(json.dumps(row) + "\n" for row in given))
        return environment_tasks(PythonFunction(python=f"{file}:Counter"), {}, str(rows), 1, 0, "counting")

    def run(tasks, reply=reply, max_tokens=900, **settings):
        engine = Writes(renderer, reply)
        with Verification(workers=1) as verification, Sandbox(workers=1) as sandbox:
            outfitter = Outfitter(sandbox, Episodes(**settings))
            params = rl_sampling(max_tokens, renderer.stop_ids)
            told = []
            done = collect(
                engine, renderer, verification, tasks, 2, params, (7,), told=lambda: told.append(1), outfitter=outfitter
            )
        assert len(told) == len(done.rollouts)
        return done.rollouts, engine

    return tasks_of, run


def test_episodes_and_plain_answers_are_sampled_in_one_batch(play):
    tasks_of, run = play
    plain = Task(({"role": "user", "content": "1 + 2?"},), "sums", "math", "3")
    tasks = [*tasks_of({"goal": 4}), plain, *tasks_of({"goal": 5})]
    rollouts, engine = run(tasks)
    assert [r.group for r in rollouts] == [0, 0, 1, 1, 2, 2] and [r.sample for r in rollouts] == [0, 1] * 3
    assert engine.batches[0] == 6, "all first turns together"
    assert [r.episode is not None for r in rollouts] == [True, True, False, False, True, True]
    assert {r.verdict.status for r in rollouts[2:4]} == {"correct"}
    for rollout in rollouts[:2] + rollouts[4:]:
        assert rollout.verdict.status in ("correct", "wrong") and rollout.episode.turns == 2
        kinds = [span.kind for span in rollout.ledger.spans]
        assert kinds == [SpanKind.PROMPT, SpanKind.POLICY, SpanKind.TOOL, SpanKind.POLICY]
        assert rollout.parsed.content == "done"
    assert {r.verdict.status for r in rollouts if r.episode} == {"correct", "wrong"}, "seeds differ in a group"


def test_an_episode_is_one_sample_and_its_tools_words_are_not_learned(play, renderer):  # noqa: F811
    tasks_of, run = play
    rollouts, _ = run(tasks_of({"goal": 4}))
    rollouts[0].advantage = 1.0
    sample, row = rollouts[0].to_sample(0), rollouts[0].to_row(renderer)
    learned = renderer.decode([token for token, kept in zip(sample.ids, sample.mask, strict=True) if kept])
    assert learned.count("<think>") == 2 and "tool_response" not in learned and "add" in learned
    assert json.loads(row["episode"]) == {"end": "answered", "turns": 2, "calls": 1, "failed_calls": 0}
    assert np.sum(row["mask"]) == len(sample.logprobs) and "tool" in [span["kind"] for span in row["spans"]]


def test_a_broken_world_is_an_error_and_leaves_the_loss(play):
    tasks_of, run = play
    rollouts, _ = run(tasks_of({"goal": 4}, {"goal": 5, "breaks": True}))
    assert [r.verdict.failed for r in rollouts] == [False, False, True, True]
    assert "the world is gone" in rollouts[2].verdict.reason
    stage = RlStage(name="a", steps=1)
    set_rewards(rollouts, stage)
    set_advantages(rollouts, resolve(stage.objective))
    assert [r.reward is None for r in rollouts] == [False, False, True, True]
    assert [r.advantage is None for r in rollouts] == [False, False, True, True]


def test_a_row_whose_start_state_is_another_now_is_an_error(play):
    tasks_of, run = play
    (task,) = tasks_of({"goal": 4})
    task.metadata["environment"]["row"]["goal"] = 5
    rollouts, engine = run([task])
    assert not engine.batches, "nothing is sampled of it"
    assert all(r.verdict.failed and "equal rows give equal states" in r.verdict.reason for r in rollouts)
    assert all(r.ledger.sampled == 0 for r in rollouts)


def test_errors_that_the_model_was_told_and_recovered_from_are_counted(play):
    tasks_of, run = play

    def reply(so_far, seed):
        before = so_far.rpartition(HEADER)[0]
        calls = before.count("<tool_response>")
        return [called("add", n=10), called("add", n=4), "done"][calls]

    rollouts, _ = run(tasks_of({"goal": 4}), reply)
    assert [(r.verdict.status, r.episode.failed_calls) for r in rollouts] == [("correct", 1)] * 2
    for rollout in rollouts:
        rollout.reward = {"score": 1.0}
    metrics = summarise(rollouts)
    assert metrics["episode/recovered_share"] == 1 and metrics["episode/failed_calls_share"] == 0.5
    assert (metrics["episode/turns"], metrics["episode/calls"], metrics["episode/unfinished_share"]) == (3, 2, 0)


def test_limits_end_an_episode_and_the_world_is_judged_as_it_is(play):
    tasks_of, run = play

    def reply(so_far, seed):
        return called("add", n=2)

    rollouts, _ = run(tasks_of({"goal": 4}), reply, turns=3)
    assert [(r.episode.end, r.episode.calls, r.verdict.status) for r in rollouts] == [("turns", 2, "correct")] * 2
    rollouts, _ = run(tasks_of({"goal": 4}), reply, max_tokens=150)
    assert {(r.episode.end, r.verdict.status) for r in rollouts} == {("length", "truncated")}
    for rollout in rollouts:
        assert len(rollout.ledger.response_ids) <= 150, "a result that leaves no room for a turn is not appended"


def test_a_sources_verifier_judges_the_last_turn_of_an_answer_with_tools(play, renderer):  # noqa: F811
    _, run = play
    tools = ["calculator"]
    task = Task(
        ({"role": "user", "content": "17 * 23?"},), "sums", "math", "391", tuple(schemas_of(tools)), metadata={TOOLS: tools}
    )  # fmt: skip

    def reply(so_far, seed):
        _, there, told = so_far.rpartition("<tool_response>\n")
        return f"\\boxed{{{told.split(chr(10))[0]}}}" if there else called("calculator", expression="17 * 23")

    rollouts, _ = run([task], reply)
    assert [(r.verdict.status, r.parsed.content) for r in rollouts] == [("correct", "\\boxed{391}")] * 2


def test_the_sandboxs_python_is_an_episodes_own(play):
    _, run = play
    tools = ["python"]
    task = Task(
        ({"role": "user", "content": "How often?"},), "sums", "math", "1", tuple(schemas_of(tools)), metadata={TOOLS: tools}
    )  # fmt: skip

    def reply(so_far, seed):
        calls = so_far.rpartition(HEADER)[0].count("<tool_response>")
        code = "seen = globals().get('seen', 0) + 1" if calls == 0 else "seen"
        if calls < 2:
            return called("python", code=code)
        return f"\\boxed{{{so_far.rpartition('<tool_response>' + chr(10))[2].split(chr(10))[0]}}}"

    rollouts, _ = run([task, task], reply)
    assert [r.verdict.status for r in rollouts] == ["correct"] * 4
