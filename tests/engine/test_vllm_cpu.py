"""What a vLLM on a CPU is told to take: it has to fit, hold an answer, and leave to its user what that says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.engine.vllm_cpu import BLOCK, GIB, cpu_memory, has_gpu, value_of
from ponder.model.config import load_config
from ponder.model.describe import describe
from tests.model.families import make_checkpoint


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Qwen2.5-0.5B's shapes: 12 KiB of keys and values a token in 16 bits, 32,768 tokens, 0.5B weights."""
    import json

    directory = tmp_path_factory.mktemp("qwen")
    make_checkpoint("qwen2", directory)
    config = json.loads((directory / "config.json").read_text())
    shapes = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14}
    shapes |= {"num_key_value_heads": 2, "head_dim": 64, "vocab_size": 151_936, "max_position_embeddings": 32_768}
    (directory / "config.json").write_text(json.dumps(config | shapes))
    return directory


def test_where_memory_is_free_the_whole_context_is_served_several_times(model):
    memory = cpu_memory(model, 21 * GIB)
    assert memory.arguments == () and memory.environment == {"VLLM_CPU_KVCACHE_SPACE": "4"}
    assert memory.why == (
        "a context of 32768 tokens, all that the model has; 4 GiB for keys and values, as 21.0 GiB of memory are free"
    )
    assert cpu_memory(model, 21 * GIB, arguments=["--dtype=float32"]).cache_gib == 7  # twice as large


def test_where_little_is_free_the_context_is_what_the_cache_holds(model):
    """Four times the context by YaRN, 1.5 GiB of keys and values, where 1 GiB can be had."""
    memory = cpu_memory(model, 7 * GIB, rope_factor=4.0)
    assert memory.cache_gib == 1 and memory.arguments == ("--max-model-len", str(memory.context))
    assert GIB // 12_288 - 2 * BLOCK <= memory.context <= GIB // 12_288 - BLOCK
    assert memory.why.startswith(f"a context of {memory.context} of the model's 131072 tokens: 1 GiB for keys")


def test_what_cannot_fit_is_refused_in_words(model):
    with pytest.raises(
        ValueError, match=r"does not fit: with vLLM on a CPU its weights take .* 5\.0 GiB are free\. Serve"
    ):
        cpu_memory(model, 5 * GIB)


def test_what_the_user_says_is_kept(model):
    told = cpu_memory(model, 21 * GIB, arguments=["--max_model_len", "2048"])
    assert told.arguments == () and told.cache_gib == 1 and told.why.startswith("a context of 2048, as told; 1 GiB")
    # One answer of the length that was asked for fits, though half of what is free would not hold it.
    assert cpu_memory(model, 7 * GIB, arguments=["--max-model-len=131072"]).cache_gib == 2
    for arguments, environment in (
        (["--gpu-memory-utilization=0.5"], {}),
        (["--kv-cache-memory-bytes", "5G"], {}),
        ([], {"VLLM_CPU_KVCACHE_SPACE": "3"}),
    ):
        memory = cpu_memory(model, 3 * GIB, arguments=arguments, environment=environment)
        assert memory.environment == {} and memory.arguments == () and "that it was told" in memory.why
    small = cpu_memory(model, 21 * GIB, rope_factor=4.0, environment={"VLLM_CPU_KVCACHE_SPACE": "1"})
    assert small.environment == {} and int(small.arguments[1]) * 12_288 < GIB
    for odd in ("auto", "-1", "32k"):
        assert cpu_memory(model, 21 * GIB, arguments=[f"--max-model-len={odd}"]).arguments == ()


@given(free=st.integers(-1, 200 * GIB), factor=st.sampled_from([1.0, 2.0, 4.0]), wide=st.booleans())
def test_whatever_is_free_it_fits_and_holds_an_answer(model, free, factor, wide):
    arguments = ["--dtype", "float32"] if wide else []
    about, size = describe(load_config(model)), 4 if wide else 2
    try:
        memory = cpu_memory(model, free, rope_factor=factor, arguments=arguments)
    except ValueError:
        assert free < about.parameters * size + 5 * GIB
        return
    assert about.parameters * size + memory.cache_gib * GIB <= free
    context = memory.context or int(32_768 * factor)
    assert 0 < context * 24 * 2 * 2 * 64 * size <= memory.cache_gib * GIB


def test_options_of_vllm_are_read_as_vllm_reads_them():
    arguments = ["--a=1", "--max-model-len=4k", "--b_c", "2", "--a", "3", "--last"]
    assert [value_of(arguments, flag) for flag in ("--a", "--max-model-len", "--b-c", "--last", "--no")] == [
        *("3", "4k", "2", ""),
        None,
    ]


def test_a_gpu_is_seen_by_its_device(tmp_path):
    assert not has_gpu(tmp_path)
    (tmp_path / "nvidiactl").touch()
    assert has_gpu(tmp_path)
