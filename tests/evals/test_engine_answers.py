"""A model asked through its engine: what is known of it before, and how its thoughts end."""

import asyncio
from dataclasses import dataclass, field

import pytest

from ponder.chat.markers import Markers
from ponder.chat.renderer import Renderer
from ponder.clients.evaluate import say_who_keeps_budgets
from ponder.evals.asking import Question
from ponder.evals.engine_answers import EngineAnswers
from ponder.evals.protocol import Sampling
from tests.shared.fixtures import renderer  # noqa: F401 (fixture)
from tests.shared.scripted import Scripted


@dataclass
class Settings:
    """A renderer's, in as much as is looked at; a tokenizer has every tag among its many pieces."""

    markers: Markers = field(default_factory=Markers)
    template: bytes = b"{{ messages }}"
    knows_thinking = Renderer.knows_thinking

    @property
    def files(self):
        return {"tokenizer.json": b"<think></think>", "chat_template.jinja": self.template}


@dataclass
class Engine:
    context: int = 64
    rope_factors: tuple = (1.0,)
    longest: int = 64


@pytest.mark.parametrize(
    ("settings", "knows"),
    [
        (Settings(), False),
        (Settings(Markers(think=5, think_end=6)), True),
        (Settings(template=b"{% if enable_thinking %}<think>{% endif %}"), True),
    ],
)
def test_whether_a_model_knows_thinking_is_said_before_it_is_asked(settings, knows):
    said = []
    say_who_keeps_budgets(EngineAnswers(Engine(), settings), "it", said.append)
    assert (said == []) == knows and ("it knows no thinking" in " ".join(said)) == (not knows)


def test_a_thought_without_end_is_cut_off_unless_a_budget_ends_it(renderer):  # noqa: F811
    """The protocols' own scripts let a model think to the last token; an end that is forced would be another score."""

    def replied(budget: int | None):
        engine = Scripted(renderer, lambda text: "2 is it." if "</think>" in text else "hm " * 1000)
        question = Question(({"role": "user", "content": "1+1?"},), Sampling(max_tokens=400), seed=0, budget=budget)
        return asyncio.run(EngineAnswers(engine, renderer).answer(question)), len(engine.requests)

    reply, requests = replied(None)
    assert (reply.finish_reason, reply.tokens, requests) == ("length", 400, 1)
    assert reply.response.truncated and not reply.response.thinking_closed and reply.response.content == ""
    reply, requests = replied(8)
    assert (reply.finish_reason, reply.response.content, requests) == ("stop", "2 is it.", 2)
