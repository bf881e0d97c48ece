"""The start's look at tokenizer and template: what it lets pass, and what it refuses with the place."""

import json

import pytest

from ponder.chat.renderer import Renderer
from ponder.tasks.task import Task
from ponder.training.references import SelfCheckError
from ponder.training.selfcheck import check_chat_form
from tests.chat.built import llama_like, qwen_like

SPOKEN = "What do <think>, <tool_call>, </s> and <|im_end|> mean?"


def asks(text: str) -> list[Task]:
    return [Task(({"role": "user", "content": text},), "test", "math", "1")]


@pytest.mark.parametrize("family", [qwen_like, llama_like])
def test_prompts_may_speak_of_control_tokens(family, tmp_path):
    renderer = Renderer.load(family(tmp_path / "model"))
    check_chat_form(renderer, asks(SPOKEN), 512)


def test_a_lossy_tokenizer_is_refused_with_what_is_lost(tmp_path):
    directory = qwen_like(tmp_path / "model")
    saved = json.loads((directory / "tokenizer.json").read_text())
    saved["model"]["vocab"]["no byte"] = saved["model"]["vocab"].pop("\u00a4")
    (directory / "tokenizer.json").write_text(json.dumps(saved))
    renderer = Renderer.load(directory)
    check_chat_form(renderer, asks("So 4."), 512)
    with pytest.raises(SelfCheckError, match="comes back as"):
        check_chat_form(renderer, asks("So \U0001f914?"), 512)
