"""Which tokens of a conversation are learned."""

import pytest

from ponder.chat.examples import training_examples
from ponder.chat.renderer import Renderer
from tests.chat.built import CHATML, qwen_like

SYSTEM = {"role": "system", "content": "Be brief."}
ASK = {"role": "user", "content": "What is 12 + 30?"}
SAID = {"role": "assistant", "content": "It is 42."}
THOUGHT = {"role": "assistant", "reasoning_content": "12 + 30 = 42", "content": "It is 42."}
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"name": "add", "arguments": {"a": 1}}]}
RESULT = {"role": "tool", "content": "42"}


def learned(renderer: Renderer, example: tuple[list[int], list[int]]) -> str:
    """The learned text, with | where a stretch of it ends."""
    ids, mask = example
    assert len(ids) == len(mask)
    pieces, run = [], []
    for token, kept in [*zip(ids, mask, strict=True), (0, 0)]:
        if kept:
            run.append(token)
        elif run:
            pieces.append(renderer.decode(run))
            run = []
    return "|".join(pieces)


def test_last(qwen):
    chat = [SYSTEM, ASK, SAID, ASK, THOUGHT]
    assert training_examples(qwen, chat) == [qwen.training_example(chat)]


def test_all_turns_are_one_example_where_the_history_is_what_was_learned(qwen):
    chat = [SYSTEM, ASK, SAID, ASK, {**SAID, "content": "Still 42."}, ASK, THOUGHT]
    (example,) = training_examples(qwen, chat, learn="all")
    assert learned(qwen, example) == (
        "It is 42.<|im_end|>|Still 42.<|im_end|>|<think>\n12 + 30 = 42\n</think>\n\nIt is 42.<|im_end|>"
    )
    assert example[0] == qwen.training_example(chat)[0], "nothing is encoded otherwise than in sampling"


def test_a_thought_that_the_history_leaves_out_ends_an_example(renderer):
    chat = [ASK, THOUGHT, ASK, THOUGHT]
    examples = training_examples(renderer, chat, learn="all")
    assert examples == [renderer.training_example(chat[:2]), renderer.training_example(chat)]
    assert "12 + 30 = 42" not in renderer.decode(examples[1][0][: examples[1][1].index(1)])


def test_calls_and_answers_of_one_turn(renderer):
    chat = [ASK, CALL, RESULT, SAID]
    examples = training_examples(renderer, chat, [ADD], learn="all")
    said = "||".join(learned(renderer, example) for example in examples)
    call = '\n</think>\n\n<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call><|im_end|>'
    assert said.startswith(call) and said.endswith("It is 42.<|im_end|>")
    assert all("# Tools" in renderer.decode(ids) for ids, _ in examples)


def test_a_greeting_is_not_learned(qwen):
    chat = [{"role": "assistant", "content": "Hello!"}, ASK, SAID]
    (example,) = training_examples(qwen, chat, learn="all")
    assert learned(qwen, example) == "It is 42.<|im_end|>"


@pytest.mark.parametrize("answers", [1, 3])
def test_every_answer_is_learned_once(tmp_path, answers):
    """Whatever the template does with the history: here it numbers the messages from the end."""
    template = CHATML.replace("message.content +", "message.content + (loop.revindex | string) +")
    model = Renderer.load(qwen_like(tmp_path / "model", template))
    chat = [each for n in range(answers) for each in (ASK, {"role": "assistant", "content": f"Answer {n}."})]
    examples = training_examples(model, chat, learn="all")
    assert [learned(model, example) for example in examples] == [f"Answer {n}.<|im_end|>" for n in range(answers)]
