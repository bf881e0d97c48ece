"""Files of chats, read, encoded and measured before the first step; and the loss on those that are kept apart."""

import json

import pytest
import torch

from ponder.chat.renderer import Renderer
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import build_random
from ponder.recipe.load import parse_recipe
from ponder.recipe.stages.sft import Demonstrations, Habits
from ponder.training.batch import Sample, micro_batches, pack
from ponder.training.chat_examples import mean_loss, read_examples, spoken
from tests.chat.built import qwen_like

ASK = {"role": "user", "content": "12 + 30?"}


@pytest.fixture(scope="module")
def renderer(tmp_path_factory) -> Renderer:
    return Renderer.load(qwen_like(tmp_path_factory.mktemp("model")))


@pytest.fixture
def chats(tmp_path):
    def write(*contents: str, turns: int = 1) -> Demonstrations:
        rows = [{"messages": [ASK, {"role": "assistant", "content": content}] * turns} for content in contents]
        (tmp_path / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return Demonstrations(path=str(tmp_path / "chats.jsonl"))

    return write


def test_every_example_comes_once_an_epoch(renderer, chats):
    examples = read_examples(chats(*map(str, range(7))), renderer, 512)
    epochs = [[tuple(examples.sample(k, (0, "cold")).ids) for k in range(7 * e, 7 * e + 7)] for e in range(3)]
    assert all(sorted(epoch) == sorted(epochs[0]) and len(set(epoch)) == 7 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert [tuple(examples.sample(k, (0, "cold")).ids) for k in range(7)] == epochs[0]
    assert [tuple(examples.sample(k, (1, "cold")).ids) for k in range(7)] != epochs[0]


def test_all_turns_or_the_last(renderer, chats):
    settings = chats("one", "two", turns=3)
    last = read_examples(settings, renderer, 512).sample(0, ())
    every = read_examples(settings.model_copy(update={"learn": "all"}), renderer, 512).sample(0, ())
    assert last.ids == every.ids and sum(every.mask) == 3 * sum(last.mask)


def test_too_long_ones_are_named_by_line(renderer, chats):
    settings = chats("short", "long " * 50, "short too", "long " * 60)
    longest = max(len(s.ids) for s in (read_examples(settings, renderer, 999).sample(k, ()) for k in range(4)))
    assert not read_examples(settings, renderer, longest).remarks
    with pytest.raises(ValueError) as error:
        read_examples(settings, renderer, 100)
    said = str(error.value)
    assert "2 of 4 demonstrations are longer than the model's context of 100 tokens" in said
    assert (
        "chats.jsonl, line 2: " in said
        and f"chats.jsonl, line 4: {longest:,} tokens" in said
        and "too_long: drop" in said
    )
    dropping = settings.model_copy(update={"too_long": "drop"})
    examples = read_examples(dropping, renderer, 100)
    assert len(examples.learned) == 2 and "line 4" in examples.remarks[0] and "They are left out" in examples.remarks[0]
    with pytest.raises(ValueError, match="none of 4 demonstrations is left to learn"):
        read_examples(dropping, renderer, 5)


def test_what_cannot_be_learned_is_named_by_line(renderer, chats, tmp_path):
    settings = chats("good")
    rows = [
        [ASK, {"role": "assistant", "content": " \n"}],
        [ASK, {"role": "assistant", "content": "<think>\nhm"}],
        [ASK, {"role": "assistant", "content": ""}, ASK, {"role": "assistant", "content": "x"}],
        [ASK, {"role": "assistant", "content": "x", "tool_calls": [{"name": "f", "arguments": "{"}]}],
    ]
    with (tmp_path / "chats.jsonl").open("a") as file:
        file.writelines(json.dumps({"messages": row}) + "\n" for row in rows)
    with pytest.raises(ValueError) as error:
        read_examples(settings, renderer, 512)
    said = str(error.value)
    assert said.startswith("3 demonstrations cannot be learned:")
    assert "line 2: the assistant's message is empty" in said and "line 3: " in said and "never closes it" in said
    assert "line 4" not in said and "line 5: the arguments of the call of 'f' are no JSON object" in said
    with pytest.raises(ValueError, match="4 demonstrations cannot be learned"):
        read_examples(settings.model_copy(update={"learn": "all"}), renderer, 512)


def test_validation_is_kept_apart_by_content(renderer, chats):
    contents = [*map(str, range(60)), *map(str, range(60))]  # each twice: both copies fall to one side
    settings = chats(*contents).model_copy(update={"validation": 0.3})
    examples = read_examples(settings, renderer, 512)
    validation = {tuple(sample.ids) for sample in examples.validation_samples()}
    learned = {tuple(examples.sample(k, ()).ids) for k in range(len(examples.learned))}
    assert len(validation) + len(learned) == 60 and not validation & learned
    assert 8 < len(validation) < 28 and len(examples.validation) == 2 * len(validation)
    with pytest.raises(ValueError, match="validation is 1e-09, and none of 1 demonstrations falls to it"):
        read_examples(chats("x").model_copy(update={"validation": 1e-9}), renderer, 512)


def test_the_loss_on_examples_that_are_not_learned(renderer, chats):
    examples = read_examples(chats("one", "two words", "three " * 9, turns=2), renderer, 512)
    config = ModelConfig("qwen2", 336, 32, 64, 2, 2, 1, 16, True, False, False, True, 1e-6, 512, RopeConfig())
    decoder = build_random(config, 1)

    def logprobs(batch):
        hidden = decoder(batch.ids, batch.attend.positions, batch.attend, batch.attend.width)
        rows = torch.log_softmax(decoder.logits(hidden[batch.learned]).float(), -1)
        return rows.gather(1, batch.targets.unsqueeze(1)).squeeze(1)

    samples = [examples.sample(k, ()) for k in range(3)]
    one_by_one, tokens = 0.0, 0
    for sample in samples:
        one_by_one -= logprobs(pack([sample], decoder.device)).sum().item()
        tokens += sum(sample.mask)
    for budget in (64, 10_000):
        assert mean_loss(samples, budget, decoder.device, logprobs) == pytest.approx(one_by_one / tokens, rel=1e-5)
    assert all(parameter.grad is None for parameter in decoder.parameters())


def test_examples_are_packed_into_one_stream():
    """As many whole examples in a forward pass as the budget holds, and none is cut."""
    samples = [Sample([1, 2, *[3 + n] * 6], [0, 0] + [1] * 6, []) for n in range(10)]
    batches = list(micro_batches([Sample([n, *s.ids], [0, *s.mask], []) for n, s in enumerate(samples)], 30))
    assert [len(batch) for batch in batches] == [3, 3, 3, 1]
    assert len(pack(batches[0], torch.device("cpu")).ids) == 27


def test_what_is_spoken():
    chats = [
        [ASK, {"role": "assistant", "content": None, "tool_calls": []}],
        [ASK, {"role": "assistant", "reasoning_content": "a", "content": "b"}],
        [ASK, {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]},
         {"role": "tool", "content": "c"}, {"role": "assistant", "content": "d"}],
    ]  # fmt: skip
    assert spoken(chats) == ["\n", "a\nb", '\n\n{"name": "f", "arguments": {"x": 1}}', "\nd"]


@pytest.mark.parametrize(
    ("demonstrations", "said"),
    [
        ({"columns": {}, "validation": 0.1}, "validation is about files of chats, and procedures read none"),
        ({"programs": {}, "learn": "all"}, "learn is about files of chats"),
        ({"path": "a.jsonl", "columns": {}}, "name exactly one of: path"),
        ({"path": "a.jsonl", "learns": "all"}, r"learns: there is no such field; did you mean `learn`\?"),
        ({"path": "a.jsonl", "learn": "first"}, "learn: must be 'last' or 'all', got 'first'"),
        ({"path": "a.jsonl", "validation": 1}, "validation: must be less than 1, got 1"),
    ],
)
def test_recipes_that_say_what_there_is_not(demonstrations, said):
    stage = {"name": "cold", "kind": "sft", "steps": 1, "demonstrations": demonstrations}
    sources = {"gym": {"kind": "gym", "family": "chain_sum"}}
    with pytest.raises(ValueError, match=said):
        parse_recipe({"name": "t", "sources": sources, "stages": [stage]})


def test_habits_alone_are_procedures():
    assert Demonstrations(columns=Habits()).path is None
