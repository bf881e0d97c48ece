"""A tokenizer born on small texts, and what our renderer and transformers make of the same directory."""

import json
import shutil

import pytest

from ponder.chat.birth import train_tokenizer, write_tokenizer
from ponder.chat.renderer import Renderer
from tests.chat.built import llama_like, qwen_like


@pytest.fixture(scope="session")
def texts() -> list[str]:
    pairs = [(37 * n % 9973, 911 * n % 9967) for n in range(1, 400)]
    arithmetic = [f"State the final answer to the following arithmetic problem: {a} + {b} =" for a, b in pairs]
    thoughts = [f"<think>\nAdd the columns: {a % 10} + {b % 10}.\n</think>\n\nThe sum is {a + b}." for a, b in pairs]
    calls = ['<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>'] * 20
    return arithmetic + thoughts + calls


@pytest.fixture(scope="session")
def tiny(texts, tmp_path_factory):
    directory = tmp_path_factory.mktemp("tiny")
    write_tokenizer(train_tokenizer(texts, 512), directory, model_max_length=1024)
    return directory


@pytest.fixture(scope="session")
def renderer(tiny) -> Renderer:
    return Renderer.load(tiny)


@pytest.fixture(scope="session")
def qwen(tmp_path_factory) -> Renderer:
    """Without tokens for the tags of thoughts, as Qwen2.5."""
    return Renderer.load(qwen_like(tmp_path_factory.mktemp("qwen")))


@pytest.fixture(scope="session")
def llama(tmp_path_factory) -> Renderer:
    """Without tokens for any tags, and of SentencePiece's kind, as TinyLlama."""
    return Renderer.load(llama_like(tmp_path_factory.mktemp("llama")))


@pytest.fixture(scope="session")
def oracle(tiny):
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(tiny)


@pytest.fixture
def variant(tiny, tmp_path):
    """Makes a directory like `tiny`, with another template and other settings."""

    def make(template=None, generation_config=None, **settings):
        directory = tmp_path / f"variant{len(list(tmp_path.iterdir()))}"
        shutil.copytree(tiny, directory)
        config = json.loads((directory / "tokenizer_config.json").read_text())
        config |= {"chat_template": template or config["chat_template"], **settings}
        (directory / "tokenizer_config.json").write_text(json.dumps(config))
        if generation_config is not None:
            (directory / "generation_config.json").write_text(json.dumps(generation_config))
        return directory

    return make
