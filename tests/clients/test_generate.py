"""`ponder generate`: how a model is sampled where nothing is said."""

import json

import pytest

from ponder.cli import chat
from tests.shared.born import give_birth


@pytest.fixture
def answers(tmp_path, capsys):
    """Answers of a small model with this generation_config.json."""
    give_birth(tmp_path)

    def ask(config: dict, **options) -> list[tuple]:
        (tmp_path / "generation_config.json").write_text(json.dumps(config))
        chat.generate(str(tmp_path), ["1 + 2", "3 + 4"], max_tokens=16, json=True, **options)
        records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [(one["completion_tokens"], one["reasoning"], one["content"]) for one in records]

    return ask


def test_the_models_own_way_of_sampling(answers):
    greedy = answers({"temperature": 0}, seed=1)
    assert greedy == answers({"temperature": 0}, seed=2), "seeds change nothing, as the model's makers say"
    assert greedy == answers({"top_k": 1}, seed=3) == answers({"temperature": 2.0}, seed=3, temperature=0)
    penalised = answers({"temperature": 0, "repetition_penalty": 50.0}, seed=1)
    assert penalised != greedy
    drawn = answers({"temperature": 2.0, "top_p": 1.0, "top_k": 0}, seed=1)
    assert drawn != answers({"temperature": 2.0, "top_p": 1.0, "top_k": 0}, seed=2)
    assert drawn == answers({"temperature": 0}, seed=1, temperature=2.0, top_p=1.0, top_k=0), "what is said counts"


def test_the_end_of_an_answer_is_the_models_own(answers):
    assert {tokens for tokens, *_ in answers({"temperature": 0})} == {16}
    assert {tokens for tokens, *_ in answers({"temperature": 0, "eos_token_id": list(range(320))})} == {1}
