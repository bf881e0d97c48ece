"""The verifier reward_model: scores of a real model in one process, by batches; whatever fails is an error and never a 0."""

import math
from dataclasses import replace

import pytest
import torch

from ponder.model.decoder import build_random
from ponder.model.scoring import with_score
from ponder.model.weights import load_decoder, save_decoder
from ponder.recipe.reward import REWARD
from ponder.tasks import Task
from ponder.verifiers import Response, Verification
from ponder.verifiers.reward_model.model import RewardModel
from tests.shared.born import give_birth

ANSWERS = ["4", "5", "I do not know", "four <|im_end|> " * 8, "4 4 4"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("reward_model")
    give_birth(directory)
    save_decoder(with_score(load_decoder(directory), seed=3), directory)
    return directory


def task_of(directory, question="2 + 2?"):
    metadata = {"reward": {"reward_model": str(directory)}}
    return Task(({"role": "user", "content": question},), "chat", "math", "4", metadata=metadata)


def says(content):
    return Response("a thought", content, thinking_closed=True, truncated=False)


def test_scores_are_those_of_the_model_in_order_and_between_0_and_1(directory):
    model, task = RewardModel.load(directory), task_of(directory)
    raw = model.scores([model.ids([*task.messages, {"role": "assistant", "content": one}]) for one in ANSWERS])
    with Verification() as verification:
        verification.prepare([task])
        verdicts = verification.verify_all([(task, says(one)) for one in ANSWERS])
    assert [verdict.status for verdict in verdicts] == ["wrong"] * len(ANSWERS)
    assert [verdict.score for verdict in verdicts] == pytest.approx([1 / (1 + math.exp(-r)) for r in raw], abs=1e-5)
    assert [float(verdict.parsed) for verdict in verdicts] == pytest.approx(raw, abs=1e-4)
    assert [part.name for part in verdicts[0].parts] == ["reward_model"]


def test_what_cannot_be_scored_is_an_error_of_its_own_and_leaves_the_others_alone(directory):
    task = task_of(directory)
    long = says("many words " * 2_000)
    with Verification() as verification:
        verdicts = verification.verify_all([(task, says("4")), (task, long), (task, says("5"))])
    assert [verdict.status for verdict in verdicts] == ["wrong", "error", "wrong"]
    assert verdicts[1].score is None and "the reward model's context is 512" in verdicts[1].reason


def test_a_model_that_gives_no_number_is_an_error(directory, tmp_path):
    give_birth(tmp_path)
    decoder = with_score(load_decoder(tmp_path), seed=3)
    with torch.no_grad():
        decoder.score.weight.fill_(3e38)  # finite in the file, and too large for a sum
    save_decoder(decoder, tmp_path)
    with Verification() as verification:
        (verdict,) = verification.verify_all([(task_of(tmp_path), says("4"))])
    assert verdict.status == "error" and "the reward model gave" in verdict.reason


def test_a_model_that_is_not_there_or_does_not_score_is_refused_before_anything_is_learned(directory, tmp_path):
    give_birth(tmp_path)
    with Verification() as verification:
        with pytest.raises(ValueError, match="has no head that scores them"):
            verification.prepare([task_of(tmp_path)])
        with pytest.raises(ValueError, match="there is no directory"):
            verification.prepare([task_of(tmp_path / "nothing" / "here")])


def test_a_tokenizer_of_another_model_is_refused_in_words(directory, tmp_path):
    give_birth(tmp_path)
    config = replace(load_decoder(tmp_path).config, vocab_size=64)
    save_decoder(with_score(build_random(config, 0), seed=0), tmp_path)
    with pytest.raises(ValueError, match="they do not belong together"):
        RewardModel.load(tmp_path)


def test_a_template_that_does_not_show_the_answer_is_refused_in_words(directory, tmp_path):
    give_birth(tmp_path)
    save_decoder(with_score(load_decoder(tmp_path), seed=3), tmp_path)
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    with pytest.raises(ValueError, match="does not show the assistant's answer"):
        RewardModel.load(tmp_path)


def test_a_gate_of_a_reward_model_would_be_shut_for_good():
    with pytest.raises(ValueError, match="put it under `then`"):
        REWARD.validate_python({"gate": [{"reward_model": "somewhere"}], "then": "task"})
    assert REWARD.validate_python({"gate": ["format"], "then": {"reward_model": "somewhere"}})
