"""Models of a hub, fetched in a process of their own as a user's would be, from a small hub of ours on a loopback port."""

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ponder.chat.template import NAMED_TEMPLATES
from ponder.chat.tokenizer_files import TOKENIZER_FILES
from ponder.model.directory import model_directory
from ponder.model.hub import SMALL_FILES, HubId, hub_id
from tests.shared.small_hub import Repository, SmallHub, small_hub

FETCH = """
import sys
{setup}
from ponder.model.hub import fetch, hub_id
try:
    print(fetch(hub_id(sys.argv[1]), weights={weights}))
except (ValueError, OSError) as error:
    print(type(error).__name__ + ": " + str(error))
"""
CONFIG = json.dumps({"architectures": ["Qwen2ForCausalLM"]}).encode()
SMALL = {
    "config.json": CONFIG,
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "README.md": b"# Hello",
}
CODE = {"modeling_mine.py": b"raise SystemExit", "training_args.bin": b"\x80", "original/consolidated.00.pth": b"\x80"}
WHOLE = SMALL | CODE | {"model.safetensors": b"weights" * 1000, "consolidated.safetensors": b"the same" * 1000}
INDEX = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
SHARDS = SMALL | {
    "model.safetensors.index.json": json.dumps(INDEX).encode(),
    "model-00001-of-00002.safetensors": b"one" * 1000,
    "model-00002-of-00002.safetensors": b"two" * 1000,
}


@dataclass
class Machine:
    """Who fetches: a cache, and a hub to ask."""

    hub: SmallHub
    home: Path

    def fetch(
        self, given: str, weights: bool = True, setup: str = "", most_bytes: int | None = None, **variables
    ) -> str:
        """The directory, or the error, in the words of the process that fetches. `most_bytes`: of a file on its disk."""
        self.hub.asked.clear()
        ours = {"HF_ENDPOINT": self.hub.url, "HF_HOME": str(self.home), **variables}
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING", "TRANSFORMERS"))
        }

        def small_disk():
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

        done = subprocess.run(
            [sys.executable, "-c", FETCH.format(setup=setup, weights=weights), given],
            env=kept | ours,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            preexec_fn=small_disk if most_bytes else None,
        )
        assert done.returncode == 0, done.stderr
        self.stderr = done.stderr
        return done.stdout.removesuffix("\n")


@pytest.fixture
def machine(tmp_path):
    with small_hub() as hub:
        hub.repositories |= {"org/whole": Repository(WHOLE), "org/shards": Repository(SHARDS)}
        yield Machine(hub, tmp_path / "home")


def test_what_is_an_id_and_what_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hub_id("Qwen/Qwen3-8B") == HubId("Qwen/Qwen3-8B")
    assert hub_id("Qwen/Qwen3-8B@refs/pr/1") == HubId("Qwen/Qwen3-8B", "refs/pr/1")
    for path in (
        "./Qwen/Qwen3-8B",
        "/Qwen/Qwen3-8B",
        "Qwen",
        "a/b/c",
        "~/a",
        "../a/b",
        "a/b@",
        "a/b@-c",
        "a/b\n",
        "",
        "/",
    ):
        assert hub_id(path) is None, path
    (tmp_path / "Qwen").mkdir()
    assert hub_id("Qwen/Qwen3-8B") is None, "a misspelt path is not fetched"
    assert hub_id("Qwen/Qwen3-8B@main") == HubId("Qwen/Qwen3-8B", "main")
    with pytest.raises(ValueError, match="model of the Hugging Face hub is Qwen/Qwen3-8B@main"):
        model_directory("Qwen/Qwen3-8B")
    (tmp_path / "Qwen/Qwen3-8B@main").mkdir()
    assert hub_id("Qwen/Qwen3-8B@main") is None, "what is there wins"


def test_the_files_of_text_and_tokens_are_fetched():
    assert set(TOKENIZER_FILES) <= set(SMALL_FILES) and f"{NAMED_TEMPLATES}/*.jinja" in SMALL_FILES


def test_the_first_use_fetches_and_the_next_is_served_by_the_cache(machine):
    directory = Path(machine.fetch("org/whole"))
    wanted = {"config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"}
    assert {path.name for path in directory.iterdir()} == wanted == set(machine.hub.fetched())
    assert (directory / "model.safetensors").read_bytes() == WHOLE["model.safetensors"]
    assert directory.name == machine.hub.repositories["org/whole"].commit and directory.is_relative_to(machine.home)
    assert "Fetching 1 files" in machine.stderr

    assert machine.fetch("org/whole") == str(directory)
    assert machine.hub.fetched() == [] and "Fetching" not in machine.stderr
    machine.hub.status = 503
    assert machine.fetch("org/whole") == str(directory) and machine.hub.fetched() == []
    assert machine.fetch("org/whole", HF_HUB_OFFLINE="1") == str(directory) and machine.hub.asked == []
    assert machine.fetch("org/whole", HF_ENDPOINT="http://127.0.0.1:9") == str(directory)
    assert machine.fetch(f"org/whole@{directory.name}") == str(directory) and machine.hub.fetched() == []


def test_a_commit_stays_what_it_was(machine):
    first = Path(machine.fetch("org/shards"))
    machine.hub.repositories["org/shards"] = Repository(SHARDS | {"config.json": CONFIG + b" "})
    second = Path(machine.fetch("org/shards"))
    assert first != second and machine.hub.fetched() == ["config.json"], "what is equal is not fetched again"
    assert machine.fetch(f"org/shards@{first.name}") == str(first)


def test_without_weights(machine):
    directory = Path(machine.fetch("org/shards", weights=False))
    assert sorted(machine.hub.fetched()) == sorted(set(SHARDS) & set(SMALL_FILES))
    said = machine.fetch("org/shards", HF_HUB_OFFLINE="1")
    assert "cache without model-00001-of-00002.safetensors, model-00002-of-00002.safetensors (" in said
    assert machine.fetch("org/shards") == str(directory) and "Fetching 2 files" in machine.stderr


def test_a_cut_connection_goes_on_where_it_was_cut(machine):
    big = WHOLE | {"model.safetensors": bytes(range(256)) * 50_000}
    machine.hub.repositories["org/big"] = Repository(big, cut={"model.safetensors": 11_000_000})
    directory = Path(machine.fetch("org/big"))
    ranges = [asked for method, path, asked in machine.hub.asked if method == "GET" and "safetensors" in path]
    assert ranges == [None, "bytes=10485760-"]
    assert (directory / "model.safetensors").read_bytes() == big["model.safetensors"]


def test_a_connection_that_is_always_cut(machine):
    machine.hub.repositories["org/cut"] = Repository(
        SHARDS, cut={"model-00002-of-00002.safetensors": 5}, always_cut=True
    )
    said = machine.fetch("org/cut", setup="import time; time.sleep = lambda seconds: None")
    assert said.startswith("ConnectionError: org/cut@") and "could not be fetched whole" in said and "ask again" in said
    machine.hub.repositories["org/cut"].cut.clear()
    machine.fetch("org/cut")
    assert "model-00002-of-00002.safetensors" in machine.hub.fetched()
    assert "config.json" not in machine.hub.fetched(), "what had arrived stays"


def test_plain_http_serves_where_xet_is_turned_off(machine):
    machine.hub.repositories["org/xet"] = Repository(WHOLE, xet=True)
    directory = Path(machine.fetch("org/xet", HF_HUB_DISABLE_XET="1"))
    assert (directory / "model.safetensors").read_bytes() == WHOLE["model.safetensors"]


NO_WEIGHTS = {name: content for name, content in WHOLE.items() if "safetensors" not in name}
GGUF = Repository({"README.md": b"#", "small.Q4_0.gguf": b"GGUF"})
HOSTILE = Repository({"\x1b[2J`true`.gguf": b"GGUF"})
ADAPTER = Repository(
    {"adapter_config.json": b'{"base_model_name_or_path": "org/whole"}', "adapter_model.safetensors": b""}
)
LOST_SHARD = Repository({name: content for name, content in SHARDS.items() if "00002-of" not in name})
OUTSIDE = Repository(SHARDS | {"model.safetensors.index.json": b'{"weight_map": {"a": "../../a.safetensors"}}'})
PICKLED = Repository(SHARDS | {"model.safetensors.index.json": b'{"weight_map": {"a": "pytorch_model.bin"}}'})
BROKEN = Repository(SHARDS | {"model.safetensors.index.json": b'{"weight_map": [[]]}'})
REFUSED = {
    "nothing": (None, "ValueError", "no model org/it on http://127.0.0.1", "check the spelling"),
    "gated": (
        Repository(WHOLE, gated=True),
        "ValueError",
        "is gated: accept its terms at",
        "/org/it, then log in with",
    ),
    "pickles": (
        Repository(NO_WEIGHTS | {"pytorch_model.bin": b"\x80"}),
        "ValueError",
        "(pytorch_model.bin)",
        "@refs/pr/1",
    ),
    "no weights": (Repository(SMALL), "ValueError", "has no weights", "give another model"),
    "gguf": (GGUF, "ValueError", "holds GGUF files", "ponder model import small.Q4_0.gguf --to DIR"),
    "hostile name": (HOSTILE, "ValueError", "model import '[2J`true`.gguf' --to DIR", "holds GGUF files"),
    "adapter": (ADAPTER, "ValueError", "org/it is an adapter", "there is no directory org/whole"),
    "no config": (Repository({"README.md": b"#"}), "ValueError", "org/it is not a model", "no config.json"),
    "shard": (LOST_SHARD, "ValueError", "lacks model-00002-of-00002.safetensors", "take another revision"),
    "outside": (OUTSIDE, "ValueError", "'../../a.safetensors'", "no safetensors file beside it"),
    "pickled shard": (PICKLED, "ValueError", "'pytorch_model.bin'", "no safetensors file beside it"),
    "index": (BROKEN, "ValueError", "model.safetensors.index.json of org/it is damaged", "'weight_map'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_before_weights_are_fetched(machine, case):
    repository, kind, *words = REFUSED[case]
    if repository is not None:
        machine.hub.repositories["org/it"] = repository
    said = machine.fetch("org/it")
    assert said.startswith(kind + ": ") and "\n" not in said and all(word in said for word in words), said
    assert not [name for name in machine.hub.fetched() if name.endswith((".safetensors", ".bin"))]
    assert machine.stderr == ""


def test_a_revision_that_is_not_there(machine):
    said = machine.fetch("org/whole@v9")
    assert said.startswith("ValueError: org/whole has no revision 'v9'") and "without @v9 its newest is taken" in said


def test_neither_cached_nor_within_reach(machine):
    said = machine.fetch("org/whole", HF_HUB_OFFLINE="1")
    assert said.startswith("ConnectionError: org/whole is not in this machine's cache") and "unset that once" in said
    said = machine.fetch("org/whole", HF_ENDPOINT="http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached (" in said and "Connection refused" in said and "\n" not in said
    machine.hub.status = 503
    assert "503 Service Unavailable" in machine.fetch("org/whole") and machine.stderr == ""


def test_a_file_that_was_cut_or_lost_in_the_cache_is_named(machine):
    directory = Path(machine.fetch("org/shards"))
    shard = (directory / "model-00002-of-00002.safetensors").resolve()
    shard.write_bytes(b"two")
    for variables in ({}, {"HF_HUB_OFFLINE": "1"}):
        said = machine.fetch("org/shards", **variables)
        assert "model-00002-of-00002.safetensors is cut (3 of 3,000 bytes)" in said and "--force-download" in said
    shard.unlink()
    said = machine.fetch("org/shards", HF_HUB_OFFLINE="1")
    assert "cache without model-00002-of-00002.safetensors (" in said and "HF_HUB_OFFLINE" in said
    assert machine.fetch("org/shards") == str(directory), "with the hub at hand it is fetched again"
    assert shard.read_bytes() == SHARDS["model-00002-of-00002.safetensors"]


def test_a_full_disk(machine):
    said = machine.fetch(
        "org/whole", setup="import shutil; shutil.disk_usage = lambda path: shutil._ntuple_diskusage(9, 9, 9)"
    )
    assert said.startswith("OSError: org/whole takes 0.0 GB more") and "HF_HOME" in said
    assert machine.hub.fetched() and "model.safetensors" not in machine.hub.fetched(), "known before it is fetched"
    said = machine.fetch("org/whole", most_bytes=6000)
    assert said.startswith("OSError: org/whole@") and "is full: make room" in said and "HF_HOME" in said, said
