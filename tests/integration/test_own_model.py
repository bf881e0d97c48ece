"""A model that comes in, in bfloat16 and without the tags of thoughts: what is saved of it, and that a resume is exact."""

import json
import shutil
import stat

import pytest
import torch
import transformers
from safetensors.torch import load_file
from tokenizers import AddedToken, Tokenizer

from ponder.chat.birth import train_tokenizer, write_tokenizer
from ponder.chat.renderer import Renderer
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import build_random
from ponder.model.weights import save_decoder
from ponder.runs.run import Run
from tests.integration.micro import RECIPE, ponder, write_recipe

TAGS = ["<think>", "</think>"]


def write_own_model(directory) -> int:
    """A checkpoint in bfloat16, untied, with ChatML's special tokens alone; returns the rows of its vocabulary."""
    texts = [f"State the final answer to the following arithmetic problem: {n} + {n % 7} =" for n in range(99)]
    tokenizer = json.loads(train_tokenizer(texts, 300).to_str())
    special = [
        AddedToken(t["content"], special=True, normalized=False) for t in tokenizer["added_tokens"] if t["special"]
    ]
    bare = Tokenizer.from_str(json.dumps(tokenizer | {"added_tokens": []}))
    bare.add_tokens(special)
    write_tokenizer(bare, directory, 128)
    renderer = Renderer.load(directory)
    shape = (renderer.vocab_size, 32, 64, 2, 2, 1, 16, True, False, False, False, 1e-6, 128, RopeConfig())
    save_decoder(build_random(ModelConfig("qwen2", *shape), 1), directory, "bfloat16")
    return renderer.vocab_size


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of it in float32, whole; and the rows that its vocabulary had."""
    directory = tmp_path_factory.mktemp("own")
    rows = write_own_model(directory / "model")
    model = {"path": str(directory / "model"), "add_tokens": TAGS}
    cold, math = RECIPE["stages"]
    stages = [cold | {"steps": 30}, math | {"steps": 4, "objective": {"name": "grpo", "kl": 0.1}}]
    recipe = write_recipe(directory, RECIPE | {"model": model, "stages": stages})
    done = ponder("train", recipe, "--run", directory / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "run", rows


def test_checkpoints_have_the_dtype_and_the_tokens_asked_for(trained):
    run, rows = trained
    for checkpoint in Run.open(run).checkpoints():
        theirs = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)
        assert theirs.dtype == torch.bfloat16 and theirs.config.vocab_size == rows + 2
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
        assert tokenizer.convert_tokens_to_ids(TAGS) == [rows, rows + 1]
        assert [path.name for path in checkpoint.glob("*.safetensors")] == ["model.safetensors"], "vLLM takes them all"
        exact = load_file(checkpoint / "resume" / "weights.safetensors")
        stored = load_file(checkpoint / "model.safetensors")["lm_head.weight"]
        assert torch.equal(exact["lm_head.weight"].bfloat16(), stored)
        files = [path for path in checkpoint.rglob("*") if path.is_file()]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {
            stat.S_IMODE((run / "recipe.yaml").stat().st_mode)
        }
    assert not torch.equal(exact["lm_head.weight"], stored.float()), "it was trained beyond what bfloat16 holds"


@pytest.mark.parametrize("saved", [None, "float32"])
def test_a_resume_goes_on_from_the_exact_weights(trained, tmp_path, saved):
    """From the end of the stage before, whose weights are the reference of the KL, too."""
    whole, again = trained[0], tmp_path / "run"
    shutil.copytree(whole, again)
    for checkpoint in (again / "checkpoints").glob("math-*"):
        shutil.rmtree(checkpoint)
    done = ponder("resume", again, *(["--set", f"model.save_dtype={saved}"] if saved else []))
    assert done.returncode == 0, done.stdout + done.stderr
    ends = [Run.open(run).latest_checkpoint() for run in (whole, again)]
    exact, other = (load_file(end / "resume" / "optimizer.safetensors") for end in ends)
    assert exact.keys() == other.keys() and all(torch.equal(exact[name], other[name]) for name in exact)
    expected = load_file(ends[0] / "resume" / "weights.safetensors")
    if saved:
        assert not (ends[1] / "resume" / "weights.safetensors").exists(), "the model itself is exact"
        stored = load_file(ends[1] / "model.safetensors")["lm_head.weight"]
        assert torch.equal(stored, expected["lm_head.weight"]) and stored.dtype == torch.float32
    else:
        found = load_file(ends[1] / "resume" / "weights.safetensors")
        assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)
