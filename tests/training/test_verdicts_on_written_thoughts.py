"""A model without tokens for the tags of thoughts, from the demonstration to the verdict."""

import pytest

from ponder.chat.parser import parse_output
from ponder.chat.renderer import Renderer
from ponder.ledger import Ledger
from ponder.tasks.task import Task
from ponder.training.rollouts import response_of
from ponder.verifiers.verification import Verification
from tests.chat.built import llama_like, qwen_like

ASK = {"role": "user", "content": "2 + 2?"}
FORM = {"gate": [{"verifier": "format", "reference": {"thinking": True}}], "then": "task"}


@pytest.fixture(params=[qwen_like, llama_like], scope="module")
def renderer(request, tmp_path_factory) -> Renderer:
    return Renderer.load(request.param(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def verification():
    with Verification(workers=1) as made:
        yield made


@pytest.mark.parametrize(
    ("answer", "reward", "status", "reason"),
    [
        ("<think>\n2 + 2\n</think>\n\n\\boxed{4}", "task", "correct", ""),
        ("<think>\n2 + 2\n</think>\n\n\\boxed{4}", FORM, "correct", ""),
        ("\\boxed{4}", FORM, "wrong", "there is no thinking"),
        ("<think>\n\\boxed{4}", "task", "unparseable", "the thinking never ended"),
        ("<think>\n\\boxed{4}\n</think>\n\n", "task", "unparseable", "nothing after the thinking"),
        ("<think>\n\\boxed{4}\n</think>\n\n\\boxed{5}", "task", "wrong", ""),
        ("<think>\na\n</think>\n\n\\boxed{4}</think>", FORM, "wrong", "</think> stands in the answer"),
    ],
)
def test_a_verdict_on_what_such_a_model_writes(renderer, verification, answer, reward, status, reason):
    task = Task((ASK,), "test", "math", "4", metadata={} if reward == "task" else {"reward": reward})
    prompt = renderer.render(task.messages)
    ids = [*renderer.encode_written(answer), renderer.turn_end]
    parsed = parse_output(ids, renderer, prompt.thinking_open)
    ledger = Ledger.of_turn(prompt.ids, ids, [0.0] * len(ids), "stop")
    verdict = verification.submit(task, response_of(ledger, parsed)).result()
    assert verdict.status == status
    assert reason in verdict.reason


def test_a_cold_start_teaches_what_the_gate_asks_for(renderer, verification):
    demonstration = {"role": "assistant", "reasoning_content": "2 + 2 = 4", "content": "\\boxed{4}"}
    ids, mask = renderer.training_example([ASK, demonstration])
    learned = [token for token, kept in zip(ids, mask, strict=True) if kept]
    prompt = renderer.render([ASK])
    parsed = parse_output(learned, renderer, prompt.thinking_open)
    task = Task((ASK,), "test", "math", "4", metadata={"reward": FORM})
    ledger = Ledger.of_turn(prompt.ids, learned, [0.0] * len(learned), "stop")
    assert verification.submit(task, response_of(ledger, parsed)).result().status == "correct"
