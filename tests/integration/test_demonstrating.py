"""Stages that make demonstrations: what is kept is right, nothing is asked twice, and a later stage imitates it."""

import json
import os
import re
import signal
from collections import Counter

import pytest

from ponder.runs.run import Run
from ponder.tasks.task import Task
from ponder.verifiers.response import Response
from ponder.verifiers.verification import Verification
from tests.engine.openai_fake import chat, response
from tests.integration.micro import RECIPE, ponder, spawn, write_recipe

PUPIL = RECIPE["stages"][0] | {"steps": 40}
IMITATION = {"name": "again", "kind": "sft", "steps": 3, "examples_per_step": 4}
HARVEST = {
    "name": "harvest",
    "kind": "reject",
    "steps": 5,
    "prompts_per_step": 12,
    "samples_per_prompt": 6,
    "max_tokens": 24,
    "keep": 2,
}
TEACH = {
    "name": "teach",
    "kind": "distill",
    "steps": 3,
    "prompts_per_step": 4,
    "samples_per_prompt": 2,
    "max_tokens": 60,
}
SUM = re.compile(r"(\d+) ([-+]) (\d+)")


def recipe_of(tmp_path, *stages, **more):
    learned = [IMITATION | {"demonstrations": {"stages": [stages[-1]["name"]]}}]
    held_out = {"problems": 2, "at_start": False, "max_tokens": 8}
    return write_recipe(tmp_path, RECIPE | {"stages": [*stages, *learned], "held_out": held_out} | more)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def value_of(question: str) -> int:
    first, sign, second = SUM.search(question).groups()
    return int(first) + int(second) if sign == "+" else int(first) - int(second)


def test_what_the_model_has_got_right_is_kept_and_imitated_also_after_a_kill(tmp_path):
    path = recipe_of(tmp_path, PUPIL, HARVEST)
    done = ponder("train", path, "--run", tmp_path / "whole", "--show-rollouts", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    kept = lines(tmp_path / "whole" / "demonstrations" / "harvest.jsonl")
    with Verification(workers=1) as verification:
        for row in kept:
            asked, said = row["messages"]
            task = Task((asked,), "sums", "math", str(value_of(asked["content"])))
            answer = Response(said.get("reasoning_content", ""), said["content"], True, False)
            assert verification.verify_all([(task, answer)])[0].status == "correct"
    assert kept and max(Counter(row["task"] for row in kept).values()) <= 2
    texts = [(row["task"], json.dumps(row["messages"])) for row in kept]
    assert len(set(texts)) == len(texts)
    run = Run.open(tmp_path / "whole")
    rows = [row for row in run.metrics() if row["stage"] == "harvest"]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5] and rows[-1]["demonstrations/kept"] == len(kept)
    assert [e.stage for e in run.evals()] == ["cold_start", "again"], "nothing was learned in between"
    assert len(lines(tmp_path / "whole" / "demonstrations" / "harvest" / "samples.jsonl")) == 5 * 12 * 6

    # Killed in the middle of the stage, it goes on with the answers that are there, to the same end.
    training = spawn("train", path, "--run", tmp_path / "cut")
    samples = tmp_path / "cut" / "demonstrations" / "harvest" / "samples.jsonl"
    while not samples.exists() or samples.read_bytes().count(b"\n") < 100:
        assert training.poll() is None, training.stdout.read()
    training.send_signal(signal.SIGKILL)
    training.wait()
    before = samples.read_bytes()
    before = before[: before.rfind(b"\n") + 1]
    done = ponder("resume", tmp_path / "cut")
    assert done.returncode == 0, done.stdout + done.stderr
    assert samples.read_bytes().startswith(before), "what was answered was not asked again"
    asked = Counter((row["problem"], row["sample"]) for row in lines(samples))
    assert len(asked) == 5 * 12 * 6 and set(asked.values()) == {1}
    for name in ("demonstrations/harvest.jsonl", "checkpoints/again-000003/model.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_run_may_do_nothing_else(tmp_path):
    path = write_recipe(tmp_path, RECIPE | {"stages": [PUPIL, HARVEST | {"steps": 2}]})
    assert ponder("train", path, "--run", tmp_path / "pupil").returncode == 0
    alone = RECIPE | {"name": "alone", "model": {"path": str(tmp_path / "pupil")}, "stages": [HARVEST | {"steps": 2}]}
    alone["held_out"] = RECIPE["held_out"] | {"at_start": False}
    done = ponder("train", write_recipe(tmp_path, alone), "--run", tmp_path / "alone")
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "alone" / "report.html").read_text()
    assert "Demonstrations that were made" in page and "making demonstrations" in page
    rows = [lines(tmp_path / run / "demonstrations" / "harvest.jsonl") for run in ("pupil", "alone")]
    assert rows[0] == rows[1] != [], "the same weights, the same answers"
    done = ponder("resume", tmp_path / "alone", "--set", "stages.harvest.steps=3")
    assert done.returncode == 0, done.stdout + done.stderr
    longer = lines(tmp_path / "alone" / "demonstrations" / "harvest.jsonl")
    assert longer[: len(rows[1])] == rows[1] and {row["step"] for row in longer[len(rows[1]) :]} <= {3}
    assert len(lines(tmp_path / "alone" / "demonstrations" / "harvest" / "samples.jsonl")) == 3 * 12 * 6


def teacher(fake_openai, *, right=True, breaks_after=10**9):
    """Reasons in its answer, and is right in every second of them."""

    async def act(asked, writer):
        if asked.path.endswith("/models"):
            writer.write(response({"data": [{"id": "the-teacher", "owned_by": "ponder"}]}))
        elif sum(1 for one in server.asked if one.body) > breaks_after:
            writer.write(response({"error": {"message": "gone"}}, 401))
        else:
            value = value_of(asked.body["messages"][-1]["content"])
            wrong = not right or asked.body["seed"] % 2
            writer.write(response(chat(f"Let me add.\n\nSo it is \\boxed{{{value + wrong}}}. Done?")))

    server = fake_openai(act)
    return server


def test_a_teacher_is_asked_once_for_each_answer_and_its_reasoning_becomes_thought(tmp_path, fake_openai):
    server = teacher(fake_openai, breaks_after=10)
    shots = {"sums": [{"question": "1 + 1 =", "answer": "Two ones. \\boxed{2}"}]}
    stage = TEACH | {"url": server.url, "system": "Reason aloud.", "thought": "answer", "concurrent": 1, "shots": shots}
    path, environment = recipe_of(tmp_path, stage), os.environ | {"OPENAI_API_KEY": "sesame"}
    done = ponder("train", path, "--run", tmp_path / "run", env=environment)
    assert done.returncode == 3, done.stdout + done.stderr  # it paused
    assert "the-teacher at http://" in done.stdout and "Start the teacher again" in " ".join(done.stdout.split())
    answered = [one.body for one in server.asked if one.body][:10]
    assert {one.headers["authorization"] for one in server.asked} == {"Bearer sesame"}

    second = teacher(fake_openai)
    asked = {"url": server.url, "kind": "server", "model": "the-teacher"}
    kept = tmp_path / "run" / "demonstrations"
    assert json.loads((kept / "teach" / "asked.json").read_text())["teacher"] == asked
    # The teacher comes back at the same address.
    server.act = second.act
    done = ponder("resume", tmp_path / "run", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    again = [one.body for one in server.asked if one.body][-(24 - 10) :]
    seeds = [body["seed"] for body in [*answered, *again]]
    assert len(set(seeds)) == len(seeds) == 24, "each answer was asked for once"
    before = [
        {"role": "system", "content": "Reason aloud."},
        {"role": "user", "content": "1 + 1 ="},
        {"role": "assistant", "content": "Two ones. \\boxed{2}"},
    ]
    assert all(body["messages"][:-1] == before for body in again)
    assert all(body["answer_reserve"] == 0 for body in again), "a thought is not ended for the teacher"
    rows = lines(kept / "teach.jsonl")
    assert len(rows) == len({row["task"] for row in rows}) > 0
    for row in rows:
        question, said = row["messages"]
        assert question["role"] == "user" and said["content"] == f"\\boxed{{{value_of(question['content'])}}}"
        assert said["reasoning_content"].startswith("Let me add.\n\nSo it is")


def test_answers_that_a_verifier_failed_on_are_judged_again_and_not_asked_again(tmp_path, fake_openai):
    """A run that has paused for it goes on once the verifier is mended."""
    (tmp_path / "mine.py").write_text("def close(response, reference):\n    return {'?': 0.0}[response]\n")
    sums = {"sums": RECIPE["sources"]["sums"] | {"verifier": {"python": "mine.py:close"}}}
    server = teacher(fake_openai)
    path = recipe_of(tmp_path, TEACH | {"url": server.url}, sources=sums)
    done = ponder("train", path, "--run", "run", cwd=tmp_path)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 3 and "the verifier python failed on 8 of 8 answers" in said, said
    assert "mine.py" in (tmp_path / "run" / "verifier_errors.jsonl").read_text()
    (tmp_path / "mine.py").write_text(
        "def close(response, reference):\n    return 1.0 if '{' + str(reference) + '}' in response else 0.0\n"
    )
    done = ponder("resume", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    seeds = [one.body["seed"] for one in server.asked if one.body]
    assert len(set(seeds)) == len(seeds) == 24
    assert len(lines(tmp_path / "run" / "demonstrations" / "teach.jsonl")) > 0


def test_a_teacher_that_is_never_right_ends_the_run_with_what_there_is_to_see(tmp_path, fake_openai):
    server = teacher(fake_openai, right=False)
    done = ponder("train", recipe_of(tmp_path, TEACH | {"url": server.url}), "--run", tmp_path / "run")
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2 and "of 24 answers none was right" in said and "Traceback" not in said
    assert (
        "demonstrations/teach" in said.replace(" ", "")
        and len(lines(tmp_path / "run/demonstrations/teach/samples.jsonl")) == 24
    )


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        ({"url": "http://127.0.0.1:9/v1"}, "stages.teach.url: "),
        ({"model": "another"}, "stages.teach.model: "),
        ({"max_tokens": 128}, "stages.teach.max_tokens is 128, and the model's context 128"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(tmp_path, fake_openai, stage, sentence):
    server = teacher(fake_openai)
    done = ponder("train", recipe_of(tmp_path, TEACH | {"url": server.url} | stage), "--run", tmp_path / "run")
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2 and sentence in said and "Traceback" not in said, said
    assert not (tmp_path / "run").exists() and not [one for one in server.asked if one.body]
