"""The tokenizer in a GGUF file: the ids are those of llama.cpp, and of transformers where that is right."""

import json

import numpy as np
import pytest
import transformers
from tokenizers import Tokenizer

from ponder.model.gguf.importing import plan_import
from ponder.model.gguf.words import WORDS
from tests.model.gguf_files import SPECIAL, TEXTS, exported, imported, llama_cpp, make, rewritten

# transformers takes GPT-2's words for these, in which digits stay together.
DIGITS_APART = ("smollm", "starcoder", "refact", "codeshell", "minerva-7b")
SENTENCES = [
    "Hello world",
    " two  spaces",
    "héllo 日本 \n\n 12",
    "",
    "a<s>b</s> c",
    "lo lo world wor",
]


@pytest.mark.parametrize("pre", WORDS)
def test_each_way_of_cutting_words(pre, tmp_path):
    make("llama", tmp_path / "a", pre)
    path = rewritten(
        exported(tmp_path / "a"), tmp_path / "x.gguf", metadata=lambda one: one | {"tokenizer.ggml.pre": pre}
    )
    ours = Tokenizer.from_file(str(imported(path, tmp_path / "x") / "tokenizer.json"))
    original = Tokenizer.from_file(str(tmp_path / "a/tokenizer.json"))
    auto = transformers.AutoTokenizer.from_pretrained(tmp_path / "x")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path, gguf_file=path.name)
    for text in TEXTS:
        ids = ours.encode(text, add_special_tokens=False).ids
        assert ids == original.encode(text).ids, "the tokenizer that the file was made of"
        assert ids == auto(text, add_special_tokens=False).input_ids, text
        if not (pre in DIGITS_APART and any(sign.isnumeric() for sign in text)):
            assert ids == theirs(text, add_special_tokens=False).input_ids, text
        assert ours.decode(ids, skip_special_tokens=False) == text
    llama = llama_cpp(path)
    for text in TEXTS:
        if pre == "tekken" and "हिन्दी" in text:  # llama.cpp's own rules have no combining marks there
            continue
        ids = ours.encode(text, add_special_tokens=False).ids
        assert llama.tokenize(text.encode(), add_bos=False, special=True) == ids, text


@pytest.mark.parametrize(("family", "said", "name"), (("qwen2", "default", "qwen2"), ("llama", None, "gpt-2")))
def test_a_file_that_does_not_say_how_words_are_cut(family, said, name, tmp_path):
    make(family, tmp_path / "a", name)

    def other(metadata):
        kept = {key: one for key, one in metadata.items() if key != "tokenizer.ggml.pre"}
        return kept | ({"tokenizer.ggml.pre": said} if said else {})

    path = exported(tmp_path / "a")
    assert not plan_import(path).remarks
    path = rewritten(path, tmp_path / "x.gguf", metadata=other)
    (remark,) = plan_import(path).remarks
    assert str(path) in remark and remark.endswith(f"taken for {name}")
    ours = Tokenizer.from_file(str(imported(path, tmp_path / "x") / "tokenizer.json"))
    original = Tokenizer.from_file(str(tmp_path / "a/tokenizer.json"))
    assert all(ours.encode(text).ids == original.encode(text).ids for text in TEXTS)


def test_rows_without_a_token_are_no_tokens(tmp_path):
    """Converters have named the fill-up in two ways; a token that only looks like it stays."""
    make("qwen2", tmp_path / "a", padding=5)
    path = exported(tmp_path / "a")
    whole = Tokenizer.from_file(str(tmp_path / "a/tokenizer.json")).get_vocab_size()

    def other(metadata):
        kinds = metadata["tokenizer.ggml.token_type"].copy()
        kinds[whole + 1 :] = 4
        tokens = list(metadata["tokenizer.ggml.tokens"])
        tokens[whole] = "[PAD7]"
        return metadata | {"tokenizer.ggml.token_type": kinds, "tokenizer.ggml.tokens": tokens}

    for name, file, count in (
        ("b", path, whole),
        ("c", rewritten(path, tmp_path / "c.gguf", metadata=other), whole + 1),
    ):
        tokenizer = Tokenizer.from_file(str(imported(file, tmp_path / name) / "tokenizer.json"))
        assert tokenizer.get_vocab_size() == count


def test_a_control_token_stays_whatever_its_name(tmp_path):
    make("qwen2", tmp_path / "a", padding=1)
    path = exported(tmp_path / "a")

    def other(metadata):
        kinds = metadata["tokenizer.ggml.token_type"].copy()
        kinds[-1] = 3
        return metadata | {"tokenizer.ggml.token_type": kinds}

    path = rewritten(path, tmp_path / "x.gguf", metadata=other)
    tokenizer = Tokenizer.from_file(str(imported(path, tmp_path / "x") / "tokenizer.json"))
    last = tokenizer.get_vocab_size() - 1
    assert tokenizer.id_to_token(last) == f"[PAD{last}]"


def test_qwen_composes_characters_and_others_do_not(tmp_path):
    """As the models' own tokenizers; no file says so."""
    for family, composes in (("qwen2", True), ("llama", False)):
        make(family, tmp_path / family)
        directory = imported(exported(tmp_path / family), tmp_path / f"{family}-back")
        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        assert (tokenizer.encode("cafe\u0301").ids == tokenizer.encode("caf\u00e9").ids) == composes


def test_the_beginning_of_a_text(tmp_path):
    """As the metadata say, and else as the kind of tokenizer does."""
    make("llama", tmp_path / "a")
    path = exported(tmp_path / "a")
    for said, begins in ((True, True), (False, False), (None, True)):

        def other(metadata, said=said):
            kept = {key: one for key, one in metadata.items() if key != "tokenizer.ggml.add_bos_token"}
            return kept if said is None else kept | {"tokenizer.ggml.add_bos_token": said}

        file = rewritten(path, tmp_path / f"{said}.gguf", metadata=other)
        directory = imported(file, tmp_path / str(said))
        ids = Tokenizer.from_file(str(directory / "tokenizer.json")).encode("Hello").ids
        auto = transformers.AutoTokenizer.from_pretrained(directory)
        assert ids == auto("Hello").input_ids
        assert ids == llama_cpp(file).tokenize(b"Hello", add_bos=True)
        assert (ids[0] == auto.bos_token_id) == begins


def test_what_ends_an_answer(tmp_path):
    """The end of the text first, of a turn, of a message; and the control tokens that llama.cpp ends with."""
    make("qwen2", tmp_path / "a")
    path = exported(tmp_path / "a")
    for keys, ends in (
        ({"eos": 342, "eot": 340}, [342, 340]),
        ({"eos": 340}, [340, 342]),
        ({"eos": 5, "eom": 6, "eot": 10**6}, [5, 6, 342, 340]),
    ):

        def other(metadata, keys=keys):
            kept = {key: one for key, one in metadata.items() if not key.endswith(("eos_token_id", "eot_token_id"))}
            return kept | {f"tokenizer.ggml.{key}_token_id": one for key, one in keys.items()}

        name = "-".join(keys)
        directory = imported(rewritten(path, tmp_path / f"{name}.gguf", metadata=other), tmp_path / name)
        assert json.loads((directory / "generation_config.json").read_text())["eos_token_id"] == ends
        assert json.loads((directory / "config.json").read_text())["eos_token_id"] == ends


def sentencepiece(metadata):
    """Llama 2's kind: bytes, pieces with scores."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces = [
        "\u2581",
        "h",
        "e",
        "l",
        "o",
        "w",
        "r",
        "d",
        "\u2581w",
        "lo",
        "el",
        "ello",
        "\u2581wor",
        "or",
        "ld",
        "wor",
        "world",
    ]
    pieces += ["\u2581world", "a", "b", "c", "\u2581\u2581", "ll", "llo"]
    scores = [0.0] * 259 + [-float(rank) for rank in range(len(pieces))]
    kept = {key: one for key, one in metadata.items() if not key.startswith("tokenizer.ggml.")}
    return kept | {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens + pieces,
        "tokenizer.ggml.scores": np.array(scores, np.float32),
        "tokenizer.ggml.token_type": np.array([2, 3, 3] + [6] * 256 + [1] * len(pieces), np.int32),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }


def test_sentencepiece(tmp_path):
    """Where transformers' own import differs, it is not llama.cpp's: a space before a text that begins with one."""

    def no_more_rows(tensors):
        return {
            name: rows[:283] if name in ("token_embd.weight", "output.weight") else rows
            for name, rows in tensors.items()
        }

    make("llama", tmp_path / "a")
    path = rewritten(exported(tmp_path / "a"), tmp_path / "x.gguf", metadata=sentencepiece, tensors=no_more_rows)
    path = rewritten(path, tmp_path / "y.gguf", metadata=lambda one: one | {"llama.vocab_size": 283})
    ours = Tokenizer.from_file(str(imported(path, tmp_path / "y") / "tokenizer.json"))
    auto = transformers.AutoTokenizer.from_pretrained(tmp_path / "y")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path, gguf_file=path.name)
    merges = [json.loads(one.to_str())["model"]["merges"] for one in (ours, theirs.backend_tokenizer)]
    assert merges[0] == merges[1] and len(merges[0]) > 10, "in the same order"
    for text in SENTENCES:
        ids = ours.encode(text).ids
        assert ids[0] == 1 and ids == auto(text).input_ids
        if text[:1] != " " and "<" not in text:
            assert ids == theirs(text).input_ids, text
    assert ours.decode(ours.encode("héllo  world\n").ids) == "héllo  world\n"
    llama = llama_cpp(path)
    for text in SENTENCES:
        assert ours.encode(text).ids == llama.tokenize(text.encode(), add_bos=True, special=True), text


def test_the_special_tokens_are_known(tmp_path):
    make("qwen3", tmp_path / "a")
    auto = transformers.AutoTokenizer.from_pretrained(imported(exported(tmp_path / "a"), tmp_path / "b"))
    assert (auto.bos_token, auto.eos_token, auto.pad_token) == ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
    assert set(SPECIAL) <= set(auto.all_special_tokens)
    assert auto.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False).startswith(
        "<|im_start|>user\nhi"
    )
