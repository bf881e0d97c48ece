"""Files that are damaged or lie: one sentence with the file and what to do, before anything is written, at little cost."""

import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponder.model.gguf.container import MOST_HEADER, read_container
from ponder.model.gguf.importing import plan_import, write_import
from tests.model.gguf_files import exported, make, rewritten


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def whole(pairs: list[bytes], tensors: list[bytes], data: int = 4096, version: int = 3, counts=None) -> bytes:
    tensor_count, pair_count = counts or (len(tensors), len(pairs))
    head = b"GGUF" + struct.pack("<IQQ", version, tensor_count, pair_count) + b"".join([*pairs, *tensors])
    return head + bytes(-len(head) % 32) + bytes(data)


ARCHITECTURE = pair("general.architecture", 8, text("qwen2"))
GOOD = whole([ARCHITECTURE], [tensor("a", (4, 4)), tensor("b", (8,), offset=64)], 96)
LIES = {
    "empty": (b"", "is not a GGUF file"),
    "a web page": (b"<!DOCTYPE html>", "is not a GGUF file: it begins with b'<!DO'"),
    "magic only": (b"GGUF", "cut short: its metadata"),
    "version 1": (whole([], [], version=1), "is GGUF version 1"),
    "version 99": (whole([], [], version=99), "is GGUF version 99"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "is big-endian"),
    "many keys": (whole([], [], counts=(0, 2**60)), "claims 1,152,921,504,606,846,976 keys"),
    "many tensors": (whole([], [], counts=(2**63, 0)), "tensors, more than it can hold"),
    "keys that are not there": (whole([], [], counts=(0, 3), data=30), "claims 3 keys"),
    "a list of 2^60 numbers": (whole([pair("x", 9, struct.pack("<IQ", 4, 2**60))], []), "numbers in 'x'"),
    "a list of 2^60 texts": (whole([pair("x", 9, struct.pack("<IQ", 8, 2**60))], []), "texts in 'x'"),
    "a list of lists": (whole([pair("x", 9, struct.pack("<IQ", 9, 2))], []), "a list of the type 9"),
    "a text of 2^60 bytes": (
        whole([pair("x", 8, struct.pack("<Q", 2**60))], []),
        "a text of 1,152,921,504,606,846,976",
    ),
    "a text past the end": (whole([pair("x", 8, struct.pack("<Q", 10**5))], []), "cut short: its metadata"),
    "a text that is none": (whole([pair("x", 8, text(b"\xff\xfe"))], []), "not UTF-8"),
    "an unknown type": (whole([pair("x", 77, b"")], []), "unknown type 77"),
    "a key twice": (whole([ARCHITECTURE, ARCHITECTURE], []), "has the key 'general.architecture' twice"),
    "a tensor twice": (whole([], [tensor("a", (4,)), tensor("a", (4,))]), "has the tensor 'a' twice"),
    "a tensor outside": (whole([], [tensor("a", (4,), offset=2**40)]), "cut short: the tensor 'a'"),
    "an offset that overflows": (whole([], [tensor("a", (4,), offset=2**64 - 32)]), "cut short: the tensor 'a'"),
    "a crooked offset": (whole([], [tensor("a", (4,), offset=7)]), "no multiple of 32"),
    "a huge tensor": (whole([], [tensor("a", (2**39, 2**39))]), "cut short: the tensor 'a'"),
    "a shape beyond numbers": (whole([], [tensor("a", (2**62, 4))]), "has the tensor 'a' of shape"),
    "a shape with nothing": (whole([], [tensor("a", (0, 4))]), "has the tensor 'a' of shape"),
    "no dimensions": (whole([], [tensor("a", ())]), "of 0 dimensions"),
    "many dimensions": (whole([], [tensor("a", (1,) * 9)]), "of 9 dimensions"),
    "in one another": (whole([], [tensor("a", (1024,)), tensor("b", (1024,))], 4096), "lie in one another"),
    "no such quantisation": (whole([], [tensor("a", (32,), kind=999)]), "in the unknown quantisation 999"),
    "whole numbers": (whole([], [tensor("a", (32,), kind=26)]), "in I32, which cannot be unpacked"),
    "half a block": (whole([], [tensor("a", (33,), kind=8)]), "in Q8_0 with rows of 33"),
    "alignment 0": (whole([pair("general.alignment", 4, struct.pack("<I", 0))], []), "general.alignment 0"),
    "alignment 3": (whole([pair("general.alignment", 4, struct.pack("<I", 3))], []), "general.alignment 3"),
    "alignment a text": (whole([pair("general.alignment", 8, text("x"))], []), "general.alignment 'x'"),
}


def refusal(path, whose=plan_import) -> str:
    with pytest.raises(ValueError) as error:
        whose(path)
    said = str(error.value)
    assert said.startswith(str(path)) and "\n" not in said and len(said) < 400 + len(str(path)), said
    return said


@pytest.mark.parametrize("lie", LIES)
def test_a_container_that_lies(lie, tmp_path):
    data, word = LIES[lie]
    path = tmp_path / "x.gguf"
    path.write_bytes(data)
    tracemalloc.start()
    said = refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert word in said
    assert peak < 4 * 2**20, "a count costs nothing before it is believed"
    assert any(remedy in said for remedy in ("download it again", "take "))


def test_metadata_without_an_end(tmp_path):
    """A file may be large; what is read of it before the tensors is not."""
    path = tmp_path / "x.gguf"
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("x") + struct.pack("<IIQ", 9, 0, MOST_HEADER + 1)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(2**32)
    assert "claims 134,217,729 numbers" in refusal(path)
    with path.open("r+b") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("x") + struct.pack("<IQ", 8, MOST_HEADER - 8))
    assert "more than 128 MiB of metadata" in refusal(path)


def test_the_good_one_is_read(tmp_path):
    (tmp_path / "x.gguf").write_bytes(GOOD)
    container = read_container(tmp_path / "x.gguf")
    assert {name: one.shape for name, one in container.tensors.items()} == {"a": (4, 4), "b": (8,)}
    assert container.metadata == {"general.architecture": "qwen2"}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4),
    end=st.integers(0, len(GOOD)),
    cut=st.booleans(),
)
def test_changed_bytes_are_read_or_refused(changes, end, cut, tmp_path):
    data = bytearray(GOOD)
    for at, byte in changes:
        data[at] = byte
    path = tmp_path / "x.gguf"
    path.write_bytes(data[:end] if cut else data)
    try:
        container = read_container(path)
    except ValueError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
    else:
        assert all(one.start + one.size <= len(data) for one in container.tensors.values())


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    directory = tmp_path_factory.mktemp("good")
    make("llama", directory)
    return exported(directory)


def test_cut_anywhere(good, tmp_path):
    data, path = good.read_bytes(), tmp_path / "x.gguf"
    for end in np.linspace(0, len(data) - 1, 40).astype(int):
        path.write_bytes(data[:end])
        assert "cut short" in refusal(path) or end < 4096


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 255)), min_size=1, max_size=3))
def test_changed_bytes_of_a_whole_model(changes, good, tmp_path):
    """Metadata, vocabulary, merges: whatever they say, it is a plan or a sentence."""
    data = bytearray(good.read_bytes())
    for at, byte in changes:
        data[at] = byte
    path = tmp_path / "x.gguf"
    path.write_bytes(data)
    try:
        plan_import(path)
    except ValueError as error:
        assert str(path) in str(error)


def without(key):
    return lambda metadata: {name: one for name, one in metadata.items() if name != key}


def changed(**values):
    named = {key.replace("__", "."): value for key, value in values.items()}
    return lambda metadata: metadata | named


CONTRADICTIONS = {
    "another architecture": (changed(general__architecture="gemma3"), "architecture 'gemma3' is not supported"),
    "an adapter": (changed(general__type="adapter"), "general.type is 'adapter'"),
    "a part": (changed(split__count=3), "one of 3 parts"),
    "experts": (changed(llama__expert_count=8), "a mixture of experts"),
    "a sliding window": (changed(llama__attention__sliding_window=512), "sliding-window"),
    "another width": (changed(llama__embedding_length=96), "'token_embd.weight' has shape"),
    "other heads": (changed(llama__attention__head_count=3), "multiple of num_key_value_heads"),
    "no heads": (changed(llama__attention__head_count=0), "head_count is 0"),
    "a head's size": (changed(llama__rope__dimension_count=8), "rope.dimension_count is 8"),
    "more layers": (changed(llama__block_count=9_999), "lacks"),
    "layers without end": (changed(llama__block_count=2**31), "block_count is 2147483648"),
    "fewer layers": (changed(llama__block_count=2), "tensors that a llama model of Ponder's has not"),
    "no context": (without("llama.context_length"), "'llama.context_length' is missing"),
    "linear scaling": (changed(llama__rope__scaling__factor=2.0), "RoPE scaling 'linear'"),
    "an unknown scaling": (changed(llama__rope__scaling__type="longrope"), "RoPE scaling 'longrope'"),
    "yarn by nothing": (changed(llama__rope__scaling__type="yarn"), "scaling.factor is None"),
    "a theta that is none": (changed(llama__rope__freq_base=float("nan")), "freq_base is nan"),
    "a text for a number": (changed(llama__context_length="long"), "context_length is 'long'"),
    "no tokens": (without("tokenizer.ggml.tokens"), "has no tokenizer"),
    "no merges": (without("tokenizer.ggml.merges"), "has no merges"),
    "a merge of three": (changed(tokenizer__ggml__merges=["a b c"]), "is not two tokens"),
    "a merge of strangers": (changed(tokenizer__ggml__merges=["zzzz yyyy"]), "does not hold together"),
    "another tokenizer": (changed(tokenizer__ggml__model="t5"), "a tokenizer of the kind 't5'"),
    "other words": (changed(tokenizer__ggml__pre="bloom"), "tokenizer.ggml.pre is 'bloom'"),
    "too many tokens": (changed(tokenizer__ggml__tokens=[f"t{at}" for at in range(5000)]), "5,000 tokens"),
    "tokens twice": (changed(tokenizer__ggml__tokens=["a"] * 352), "has the token 'a' twice"),
    "kinds of others": (changed(tokenizer__ggml__token_type=[1, 2, 3]), "tokenizer.ggml.token_type must be"),
    "a bos that is a text": (changed(tokenizer__ggml__bos_token_id="x"), "bos_token_id is 'x'"),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_metadata_that_contradict_the_file(what, good, tmp_path):
    metadata, word = CONTRADICTIONS[what]
    assert word in refusal(rewritten(good, tmp_path / "x.gguf", metadata=metadata))


def test_a_tensor_too_many_too_few_or_of_another_shape(good, tmp_path):
    for name, tensors, word in (
        ("few", lambda one: {k: v for k, v in one.items() if "ffn_up" not in k}, "lacks 3 tensors"),
        ("many", lambda one: one | {"blk.0.odd.weight": one["output_norm.weight"]}, "first 'blk.0.odd.weight'"),
        (
            "shape",
            lambda one: one | {"blk.1.attn_v.weight": one["blk.1.attn_v.weight"][:16]},
            "'blk.1.attn_v.weight' has",
        ),
        ("rope", lambda one: one | {"rope_freqs.weight": np.linspace(1, 9, 8, dtype=np.float32)}, "no Llama 3 scaling"),
    ):
        assert word in refusal(rewritten(good, tmp_path / f"{name}.gguf", tensors=tensors))


@pytest.mark.parametrize(("value", "dtype"), ((np.nan, "float32"), (np.inf, "bfloat16"), (1e6, "float16")))
def test_numbers_that_are_none(value, dtype, good, tmp_path):
    def spoiled(tensors):
        tensors["blk.1.ffn_up.weight"][3, 5] = value
        return tensors

    plan = plan_import(rewritten(good, tmp_path / "x.gguf", tensors=spoiled))
    (tmp_path / "x").mkdir()
    with pytest.raises(ValueError, match=r"'blk.1.ffn_up.weight' holds NaN or infinity as .*\(1 of ") as error:
        write_import(plan, tmp_path / "x", dtype)
    assert str(tmp_path / "x.gguf") in str(error.value)


def test_a_disk_that_is_too_small(good, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    plan = plan_import(good)
    with pytest.raises(ValueError, match=r"are free at .*; make room"):
        write_import(plan, tmp_path)
    assert not list(tmp_path.iterdir())
