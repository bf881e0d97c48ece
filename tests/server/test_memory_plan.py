"""What `ponder serve` takes of memory: worked out before, refused with what to write instead, and said."""

import json
import subprocess
import sys

import pytest

from ponder.engine.kernels import BLOCK
from ponder.model.config import load_config
from ponder.model.describe import describe
from ponder.server.start.engine_choice import EngineChoice
from ponder.server.start.memory import parse_bytes, plan_memory
from tests.shared.born import CONTEXT, give_birth


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    directory = tmp_path_factory.mktemp("born")
    give_birth(directory)
    return directory


@pytest.fixture(scope="module")
def long_context(tmp_path_factory):
    directory = tmp_path_factory.mktemp("long")
    give_birth(directory, 32_768)
    return directory


@pytest.mark.parametrize(
    ("text", "size"), [("6GB", 6 * 10**9), ("1.5 GiB", 3 * 2**29), ("800mb", 8 * 10**8), ("64KiB", 65_536)]
)
def test_sizes(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["6", "GB", "-1GB", "0GB", "1e999GB", "nanGB", "six GB", ""])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match=r"--memory .*write a number and its unit, such as 6GB"):
        parse_bytes(text)


def test_memory_is_for_weights_keys_and_values(checkpoint):
    about = describe(load_config(checkpoint))
    plan = plan_memory(checkpoint, 10**10, (1.0,), memory=10**7)
    cache = plan.cache_tokens * about.kv_bytes_per_token
    assert plan.cache_tokens % BLOCK == 0
    assert 10**7 - BLOCK * about.kv_bytes_per_token < plan.weight_bytes + cache <= 10**7
    assert (plan.context, plan.asked) == (CONTEXT, CONTEXT)


def test_tied_embeddings_count_twice_on_a_cpu_where_they_are_packed_beside_themselves(checkpoint):
    about = describe(load_config(checkpoint))
    table = about.config.vocab_size * about.config.hidden_size * 4
    assert about.config.tie_embeddings and about.config.dtype == "float32"
    assert plan_memory(checkpoint, 10**10, (1.0,)).weight_bytes == about.weight_bytes + table
    assert plan_memory(checkpoint, 10**10, (1.0,), device="cuda").weight_bytes == about.weight_bytes


def test_what_is_too_little_is_refused_with_what_would_do(checkpoint):
    about = describe(load_config(checkpoint))
    for memory in (about.packed_weight_bytes - 1, about.packed_weight_bytes + 1):
        with pytest.raises(ValueError, match=r"is too little: the weights .* take .*; give at least") as refused:
            plan_memory(checkpoint, 10**10, (1.0,), memory=memory)
        enough = parse_bytes(str(refused.value).split("give at least ")[1])
        assert plan_memory(checkpoint, 10**10, (1.0,), memory=enough).context == CONTEXT
    with pytest.raises(ValueError, match=r"--memory 20\.00 GB: only 10\.00 GB are free"):
        plan_memory(checkpoint, 10**10, memory=2 * 10**10)


def test_a_context_that_memory_does_not_hold_is_shorter_unless_it_was_asked_for(long_context):
    about = describe(load_config(long_context))
    room = about.packed_weight_bytes + 5000 * about.kv_bytes_per_token
    plan = plan_memory(long_context, 10**10, (1.0,), memory=room)
    assert plan.context == plan.cache_tokens == 5000 // BLOCK * BLOCK and plan.asked == 32_768
    assert "a sequence has 4992 tokens, not 32768, since memory is short" in plan.sentence
    with pytest.raises(ValueError, match="a sequence of 6000 tokens"):
        plan_memory(long_context, 10**10, (1.0,), memory=room, context=6000)
    with pytest.raises(ValueError, match="or a shorter --context than 30000"):
        plan_memory(long_context, about.packed_weight_bytes + 10**5, (1.0,), context=30_000)
    assert plan_memory(long_context, 10**10, (1.0,), memory=room, context=300).context == 300


def test_a_context_beyond_the_models(checkpoint):
    assert plan_memory(checkpoint, 10**10, (1.0, 2.0), context=2 * CONTEXT).context == 2 * CONTEXT
    with pytest.raises(ValueError, match=r"--context 1025: the model has 1024 tokens with YaRN factor 2"):
        plan_memory(checkpoint, 10**10, (1.0, 2.0), context=2 * CONTEXT + 1)


@pytest.mark.parametrize("given", [{"exact": True}, {"memory": 10**9}, {"context": 100}])
def test_they_belong_to_the_local_engine(given):
    with pytest.raises(ValueError, match=f"--{next(iter(given))} belongs to the local engine"):
        EngineChoice("vllm", urls=("http://127.0.0.1:9",), **given)


def test_the_start_line_and_what_models_say(checkpoint):
    """A real `ponder serve` with all three."""
    import httpx

    command = [sys.executable, "-m", "ponder.cli.main", "serve", str(checkpoint), "--port", "0", "--exact"]
    process = subprocess.Popen(
        [*command, "--memory", "9MB", "--context", "100"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        first, second, calls, memory = (process.stdout.readline() for _ in range(4))
        url = next(word for word in first.split() if word.startswith("http"))
        assert second.startswith("context 100 tokens;")
        assert calls.startswith("tool calls are read in the form")
        assert memory.startswith("memory: weights 0.0") and "keys and values, as they come, up to 0.0" in memory
        with httpx.Client() as client:
            (card,) = client.get(f"{url}/models").json()["data"]
            assert card["max_model_len"] == 100 and card["capabilities"]["same_answer_in_any_batch"] is True
            body = {"model": card["id"], "messages": [{"role": "user", "content": "1 + 2"}], "max_tokens": 200}
            refused = client.post(f"{url}/chat/completions", json=body)
            assert refused.status_code == 400 and "maximum context length is 100" in json.dumps(refused.json())
    finally:
        process.terminate()
        process.wait(30)
