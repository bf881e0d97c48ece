"""What is known of a model before it is asked."""

from dataclasses import dataclass, field

import pytest

from ponder.chat.markers import Markers
from ponder.clients.evaluate import say_who_keeps_budgets
from ponder.evals.engine_answers import EngineAnswers


@dataclass
class Settings:
    """A renderer's, in as much as is looked at; a tokenizer has every tag among its many pieces."""

    markers: Markers = field(default_factory=Markers)
    template: bytes = b"{{ messages }}"

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
