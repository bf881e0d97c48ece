"""The terminal chat and `ponder generate`, on a small model born here."""

import io
import json

import pytest

from ponder.chat.birth import train_tokenizer, write_tokenizer
from ponder.chat.renderer import Renderer
from ponder.engine.protocol import SamplingParams
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import build_random
from ponder.model.weights import save_decoder
from ponder.server.answer import Answer, Responder
from ponder.server.terminal import Terminal
from tests.integration.micro import ponder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    directory = tmp_path_factory.mktemp("born")
    write_tokenizer(train_tokenizer(["Calculate 1 + 2."], 300), directory, 128)
    vocab = -(-Renderer.load(directory).vocab_size // 16) * 16
    config = ModelConfig("qwen2", vocab, 32, 64, 2, 2, 1, 16, True, False, False, True, 1e-6, 128, RopeConfig())
    save_decoder(build_random(config, 1), directory)
    return directory


def params(**changes) -> SamplingParams:
    return SamplingParams(**({"temperature": 1.0, "top_k": 0, "top_p": 1.0, "max_tokens": 60} | changes))


def test_what_is_streamed_is_what_was_sampled(checkpoint):
    responder, answer = Responder(checkpoint), Answer()
    deltas = list(responder.respond([{"role": "user", "content": "1 + 2"}], params(), seed=1, answer=answer))
    assert "".join(d.text for d in deltas if d.kind == "reasoning") == answer.reasoning
    assert answer.sampled == len(answer.completion.ids) > 10
    assert not responder.engine.running


def test_stopping_early_frees_the_engine(checkpoint):
    responder = Responder(checkpoint)
    stream = responder.respond([{"role": "user", "content": "1 + 2"}], params(), seed=1, answer=Answer())
    next(stream)
    stream.close()
    assert not responder.engine.running and not responder.engine.waiting


def test_a_conversation(checkpoint):
    out = io.StringIO()
    terminal = Terminal(Responder(checkpoint), params(), seed=1, out=out)
    terminal.turn("1 + 2")
    assert [m["role"] for m in terminal.messages] == ["user", "assistant"]
    assert "cut off" in out.getvalue() or "thought for" in out.getvalue()
    terminal._command("/clear")
    assert terminal.messages == []
    terminal._command("/system be brief")
    assert terminal.messages == [{"role": "system", "content": "be brief"}]
    terminal.turn("word " * 200)
    assert "start afresh" in out.getvalue() and terminal.messages[-1]["role"] == "system"


def test_hidden_thinking_shows_none_of_it(checkpoint):
    shown, folded = io.StringIO(), io.StringIO()
    answer = Terminal(Responder(checkpoint), params(), seed=1, out=shown).turn("1 + 2")
    Terminal(Responder(checkpoint), params(), seed=1, show_thinking=False, out=folded).turn("1 + 2")
    assert len(answer.reasoning) > 20 and answer.reasoning in shown.getvalue()
    assert answer.reasoning[:20] not in folded.getvalue() and "thinking..." in folded.getvalue()


def test_generate_for_scripts(checkpoint):
    arguments = [
        "generate",
        checkpoint,
        "1 + 2",
        "ü 3 + 4",
        "--samples",
        "2",
        "--max-tokens",
        "20",
        "--seed",
        "5",
        "--json",
    ]
    done = ponder(*arguments)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["question"], row["sample"]) for row in rows] == [
        ("1 + 2", 0),
        ("1 + 2", 1),
        ("ü 3 + 4", 0),
        ("ü 3 + 4", 1),
    ]
    assert all(0 < row["completion_tokens"] <= 20 for row in rows)
    assert done.stdout == ponder(*arguments).stdout, "the same seed gives the same answers"


def test_generate_refuses_bad_numbers(checkpoint):
    done = ponder("generate", checkpoint, "x", "--top-p", "0")
    assert done.returncode == 2 and "top_p must be above 0" in done.stderr
