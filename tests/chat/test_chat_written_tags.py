"""Models whose tokenizer has no `<think>`: tags that they write as text are thinking, in all that is sampled and taught."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.chat.continuing import continued
from ponder.chat.parser import Delta, OutputParser, parse_output, parsed_output
from ponder.chat.renderer import Renderer
from tests.chat.built import CHATML, TINYLLAMA, llama_like, qwen_like

ASK = {"role": "user", "content": "What is 12 + 30?"}
TAUGHT = {"role": "assistant", "reasoning_content": "12 + 30 = 42", "content": "It is 42."}


@pytest.fixture(params=["qwen", "llama"])
def model(request) -> Renderer:
    return request.getfixturevalue(request.param)


def bytes_of(renderer: Renderer, ids: list[int]) -> bytes:
    return b"".join(map(renderer.token_bytes, ids))


@pytest.mark.parametrize(
    ("text", "thinking_open", "reasoning", "content", "closed"),
    [
        ("<think>\nhm\n</think>\n\n4", False, "hm\n", "4", True),
        ("\n <think>hm</think>4", False, "hm", "4", True),
        ("hm</think>4", True, "hm", "4", True),  # the template has opened it
        ("<think>\nhm</think>4", True, "hm", "4", True),  # and the model does so again
        ("<think>\\boxed{4}", False, "\\boxed{4}", "", False),  # a thought that never ends is no answer
        ("<think>a `</thin` b</think>4", False, "a `</thin` b", "4", True),
        ('<think>say "</think>" then</think>4', False, 'say "', '" then</think>4', True),
        ("The tag <think> opens a thought.", False, "", "The tag <think> opens a thought.", True),
        ("4\n<think>\nhm\n</think>\n5", False, "", "4\n<think>\nhm\n</think>\n5", True),
        ("4</think>5", False, "", "4</think>5", True),
        ("<Think>hm</Think>4", False, "", "<Think>hm</Think>4", True),
        ("<think>hm</thi", False, "hm</thi", "", False),
        ("<thi", False, "", "<thi", True),
        (" \n", False, "", " \n", True),
    ],
)
def test_tags_in_and_out_of_place(model, text, thinking_open, reasoning, content, closed):
    output = parse_output(model.encode_written(text), model, thinking_open)
    assert (output.reasoning, output.content, output.thinking_closed) == (reasoning, content, closed)


def test_a_tag_may_share_a_token_with_what_follows(qwen):
    for text, content in (("</think>{", "{"), ("</think>\n\n", "")):
        ids = qwen.encode_written(text)
        assert len(qwen.token_bytes(ids[-1])) > 1 and qwen.token_bytes(ids[-1])[:1] == b">"
        output = parse_output(ids, qwen, thinking_open=True)
        assert (output.content, output.reasoning_tokens) == (content, len(ids))


def test_tokens_of_a_thought_that_the_model_opens_count_from_the_start(model):
    ids = [*model.encode_written(" <think>\nhm\n</think>"), min(model.stop_ids)]
    assert parse_output(ids, model, thinking_open=False).reasoning_tokens == len(ids) - 1


def test_what_is_certain_is_told_at_once(model):
    parser = OutputParser(model, thinking_open=True)
    assert parser.push(model.encode_written("so a")) == [Delta("reasoning", "so a")]
    assert parser.push(model.encode_written(" <")) == [Delta("reasoning", " ")]
    assert parser.push(model.encode_written("/thi")) == []
    assert parser.push(model.encode_written("s")) == [Delta("reasoning", "</this")]
    assert parser.push(model.encode_written("</think>4")) == [Delta("content", "4")]
    assert parser.finish() == []


PIECES = [
    "<think>",
    "</think>",
    "<",
    "/",
    "think",
    ">",
    "<thi",
    "nk>",
    "</",
    "\n",
    " ",
    "a",
    "中",
    "\U0001f914",
    "`</think>`",
]


@settings(max_examples=400, deadline=None)
@given(data=st.data(), thinking_open=st.booleans(), text=st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_tags_may_be_cut_anywhere(qwen, llama, data, thinking_open, text):
    """Each byte in a token of its own or in one with its neighbours, pushed in pieces of any size."""
    model = data.draw(st.sampled_from([qwen, llama]))
    single = {model.token_bytes(token): token for token in range(model.vocab_size)}
    ids: list[int] = []
    left = text
    while left:
        size = data.draw(st.integers(0, 5))
        # As the tokenizer has it, or byte by byte; a character of several bytes is never whole then.
        ids += model.encode_written(left[:size]) if size else [single[bytes([byte])] for byte in left[:1].encode()]
        left = left[size or 1 :]
    assert bytes_of(model, ids).decode() == text

    opened = re.match(r"\s*<think>\n*", text)
    thought = text[opened.end() :] if opened else text.lstrip("\n")
    if opened or thinking_open:
        reasoning, closed, content = thought.partition("</think>")
        expected = (reasoning, content.lstrip("\n") if closed else "", bool(closed))
    else:
        expected = ("", text, True)

    parser, deltas, at = OutputParser(model, thinking_open), [], 0
    while at < len(ids):
        size = data.draw(st.integers(1, 4))
        deltas += parser.push(ids[at : at + size])
        at += size
    deltas += parser.finish()
    streamed = parsed_output(deltas, parser)
    assert (streamed.reasoning, streamed.content, streamed.thinking_closed) == expected
    assert streamed == parse_output(ids, model, thinking_open)


@pytest.mark.parametrize("flood", ["<thin", " ", "中", "</think>"])
def test_long_answers_take_bounded_time(qwen, flood):
    ids = qwen.encode_written(flood * 200) * (200_000 // len(flood.encode()) // 200)
    for text in ("", "<think>"):
        started = time.process_time()
        output = parse_output([*qwen.encode_written(text), *ids], qwen, thinking_open=False)
        assert time.process_time() - started < 8
        assert len(output.reasoning) + len(output.content) > 60_000


# What is taught is what is read: a demonstration's answer, parsed as if it had been sampled, is the demonstration.


def test_demonstrations_are_taught_as_text(model):
    prompt = model.render([ASK])
    ids, mask = model.training_example([ASK, TAUGHT])
    answer = ids[mask.index(1) :]
    assert ids[: len(prompt.ids)] == prompt.ids and mask == [0] * len(prompt.ids) + [1] * len(answer)
    assert bytes_of(model, answer[:-1]).decode() == "<think>\n12 + 30 = 42\n</think>\n\nIt is 42."
    output = parse_output(answer, model, prompt.thinking_open)
    assert (output.reasoning, output.content) == ("12 + 30 = 42\n", "It is 42.")
    inline = {"role": "assistant", "content": "<think>\n12 + 30 = 42\n</think>\n\nIt is 42."}
    assert model.training_example([ASK, inline]) == (ids, mask)
    without = {"role": "assistant", "content": "It is 42."}
    ids, mask = model.training_example([ASK, without])
    assert bytes_of(model, ids[mask.index(1) : -1]) == b"It is 42."


def test_a_template_that_opens_the_thought(tmp_path):
    opened = CHATML.replace("assistant\n", "assistant\n<think>\n")
    model = Renderer.load(qwen_like(tmp_path / "opened", opened))
    prompt = model.render([ASK])
    assert prompt.thinking_open
    ids, mask = model.training_example([ASK, TAUGHT])
    assert model.decode(ids[mask.index(1) :]) == "12 + 30 = 42\n</think>\n\nIt is 42.<|im_end|>"
    off = model.render([ASK], thinking=False)
    assert off.text.endswith("assistant\n<think>\n\n</think>\n\n") and not off.thinking_open
    assert off.ids == model.encode(off.text)


def test_a_tag_that_a_person_wrote_opens_no_thought(tmp_path):
    asked = {"role": "user", "content": "What is <think>"}
    bare = Renderer.load(llama_like(tmp_path / "bare", "{% for m in messages %}{{ m.content }}{% endfor %}"))
    assert not bare.render([asked]).thinking_open
    opened = TINYLLAMA.replace("'<|assistant|>' }}{% endif", "'<|assistant|>\n<think>' }}{% endif")
    model = Renderer.load(llama_like(tmp_path / "opened", opened))
    assert model.render([asked]).thinking_open
    assert model.render([asked]).text.count("<think>") == 2


def test_thinking_off_leaves_a_prompt_that_opens_no_thought(model):
    assert model.render([ASK], thinking=False) == model.render([ASK])


def test_a_thought_goes_on(model):
    begun = {"role": "assistant", "reasoning_content": "one two"}
    prompt = continued(model, [ASK, begun])
    assert prompt.thinking_open
    assert bytes_of(model, prompt.ids).decode().endswith("<think>\none two")
    ended = continued(model, [ASK, begun], thinking=False)
    assert ended.text.endswith("<think>\none two\n</think>\n\n") and not ended.thinking_open


def test_a_demonstration_that_speaks_of_control_tokens_ends_no_turn(qwen):
    ids, mask = qwen.training_example([ASK, {"role": "assistant", "content": "Turns end with <|im_end|>."}])
    assert ids[mask.index(1) :].count(qwen.turn_end) == 1
    assert qwen.decode(ids).endswith("Turns end with <|im_end|>.<|im_end|>")
