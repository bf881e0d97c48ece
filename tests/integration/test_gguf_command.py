"""`ponder model import` and `export` through the real command line."""

import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from ponder.cli.main import main
from tests.integration.micro import ponder
from tests.model.gguf_files import exported, make


@pytest.fixture
def command(monkeypatch, capsys):
    """The command in this process, which spares its start: exit code, stdout, stderr."""

    def run(*words) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ponder", "model", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


def refused(done: tuple[int, str, str], *fragments):
    code, out, error = done
    assert code == 2 and not out, done
    said = error.splitlines()[-1]
    assert said.startswith("ponder: ") and all(fragment in said for fragment in fragments), error


def test_out_and_in_again(tmp_path, command):
    make("qwen2", tmp_path / "a")
    file = tmp_path / "new/a.gguf"
    done = ponder("model", "export", tmp_path / "a", "--gguf", file, "--dtype", "q8_0")
    assert done.returncode == 0 and "3 matrices stay F16" in done.stderr and not done.stdout
    code, out, error = command("export", tmp_path / "a", "--gguf", tmp_path / "b.gguf")
    assert (code, out) == (0, "") and "writing b.gguf" in error
    code, out, error = command("import", tmp_path / "b.gguf", "--to", tmp_path / "new/b")
    assert (code, out) == (0, "") and "b.gguf -> b" in error
    before, after = (load_file(tmp_path / where / "model.safetensors") for where in ("a", "new/b"))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"a.gguf", "b"}, "nothing is left aside"
    assert command("describe", tmp_path / "new/b")[0] == 0
    refused(command("describe", file), f"{file} is a GGUF file", "`ponder model import ")
    refused(command("import", tmp_path / "b.gguf", "--to", tmp_path / "a"), "is there already")
    refused(command("export", tmp_path / "a", "--gguf", file), "is there already")


def test_what_fails_leaves_nothing(tmp_path, command):
    make("llama", tmp_path / "a")
    data = exported(tmp_path / "a").read_bytes()
    (tmp_path / "a/float32.gguf").unlink()
    (tmp_path / "cut.gguf").write_bytes(data[: len(data) // 2])
    refused(command("import", tmp_path / "cut.gguf", "--to", tmp_path / "deep/b"), "is cut short", "download it again")
    refused(command("import", tmp_path / "none.gguf", "--to", tmp_path / "deep/b"), "none.gguf is no file")
    (tmp_path / "nan.gguf").write_bytes(data[:-200] + b"\xff" * 4 + data[-196:])
    refused(command("import", tmp_path / "nan.gguf", "--to", tmp_path / "b"), "nan.gguf: tensor", "NaN or infinity")
    tensors = load_file(tmp_path / "a/model.safetensors")
    tensors["model.norm.weight"][0] = float("inf")
    save_file(tensors, tmp_path / "a/model.safetensors", metadata={"format": "pt"})
    refused(command("export", tmp_path / "a", "--gguf", tmp_path / "x.gguf"), "model.norm.weight")
    refused(command("export", tmp_path / "none", "--gguf", tmp_path / "x.gguf"), "there is no directory")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "cut.gguf", "nan.gguf"}


def test_without_the_package(tmp_path, command, monkeypatch):
    make("llama", tmp_path / "a")
    path = exported(tmp_path / "a")
    monkeypatch.setitem(sys.modules, "gguf", None)
    for words in (("import", path, "--to", tmp_path / "b"), ("export", tmp_path / "a", "--gguf", tmp_path / "x.gguf")):
        refused(command(*words), "GGUF files need the package gguf", "install", "[gguf]")
    assert {one.name for one in tmp_path.iterdir()} == {"a"}
