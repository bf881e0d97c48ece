"""A release from end to end: transformers really loads what goes out, and what is refused leaves nothing."""

import errno
import hashlib
import json
import pickle
import resource
import shutil
import subprocess

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from ponder.evals.release import loading, vllm_check, writing
from ponder.evals.release.provenance import Stated
from ponder.runs.atomic import SaveError
from ponder.runs.lineage import fingerprint
from tests.evals.making import evaluation, protocol, write
from tests.evals.release.made import BARE, STATED, checkpoint, edit, released, run, said
from tests.runs.synthetic import eval_result


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Evaluations are looked for where the command is given."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def measured(weights: str, **more):
    value = evaluation({f"p{i}": ["correct", "wrong"] for i in range(80)}, asked=protocol("math500", 2), **more)
    value.manifest.model["weights"] = weights
    return value


def test_a_runs_checkpoint_goes_out_whole(trained, tmp_path):
    place = trained.latest_checkpoint()
    write(tmp_path / "here/evals/mine", measured(fingerprint(place)))
    write(tmp_path / "here/evals/anothers", measured("ef" * 32))
    to = tmp_path / "deep/small-thinker"
    outcome = released(place, to, gguf="q8_0")
    assert outcome.at == str(to) and not outcome.failed, outcome
    assert "resume/" in outcome.left and set(outcome.files) == {path.name for path in to.iterdir()} == {
        "README.md", "SHA256SUMS", "config.json", "curves.png", "generation_config.json", "model.safetensors",
        "small-thinker-q8_0.gguf", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert not any(path.is_symlink() for path in to.iterdir()) and list(to.parent.iterdir()) == [to]
    assert subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=to).returncode == 0
    assert (to / "curves.png").read_bytes().startswith(b"\x89PNG")
    read = ModelCard.load(to / "README.md")
    assert read.data.license == "apache-2.0" and read.data.datasets == ["openai/gsm8k"]
    (result,) = read.data.eval_results
    assert result.metric_value == 50.0 and read.data.model_name == "small-thinker"
    assert "![Held-out accuracy: 12% at birth, 75% after math](curves.png)" in read.text
    assert "| Checkpoint | math-000004 |" in read.text and "~/rows.jsonl" in read.text and "ada" not in read.text
    assert AutoTokenizer.from_pretrained(to).apply_chat_template([{"role": "user", "content": "1"}])
    assert AutoModelForCausalLM.from_pretrained(to).config.model_type == "qwen2"


def test_the_runs_best_checkpoint_is_named_where_it_is_another(tmp_path):
    made = run(tmp_path / "small")
    with made, made.checkpoint("math", 6) as aside:
        checkpoint(aside)
    made.record_eval(eval_result("math", 6, correct=2))
    made.close()
    newest, best = made.latest_checkpoint(), made.path / "checkpoints/math-000004"
    assert f"the best of those kept is {best} (held-out accuracy 0.750)" in said(
        released(newest, tmp_path, STATED), "checkpoint"
    )
    assert said(released(best, tmp_path, STATED), "checkpoint") == f"passed: {best}"


def test_all_that_is_wrong_is_said_at_once(place, tmp_path):
    (place / "tokenizer.model").write_bytes(pickle.dumps([1]))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_text("")
    outcome = released(place, tmp_path / "full", Stated(), evaluations=(tmp_path / "none",))
    assert outcome.failed == ["target", "files", "licence", "training data", "scores"] and outcome.at is None
    assert "is there and holds x" in said(outcome, "target") and "holds no evaluation" in said(outcome, "scores")
    assert said(outcome, "card").startswith("not checked") and said(outcome, "transformers").startswith("not checked")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["x"] and not outcome.files


def test_a_pickled_optimizer_beside_it_stays_there(place, tmp_path):
    (place / "optimizer.pt").write_bytes(pickle.dumps({"exp_avg": [0.5]}))
    (tmp_path / "out").mkdir()
    outcome = released(place, tmp_path / "out", BARE)
    assert outcome.at and "what stays: optimizer.pt, ponder_state.json, resume/" in said(outcome, "files")
    assert not list((tmp_path / "out").rglob("optimizer*")), "an empty directory is one that is not there yet"


def test_optimizer_state_among_the_weights_is_refused(place, tmp_path):
    tensors = load_file(place / "model.safetensors")
    save_file(tensors | {"model.norm.weight.exp_avg": torch.ones(32)}, place / "model.safetensors", {"format": "pt"})
    outcome = released(place, tmp_path / "out", BARE)
    assert outcome.failed == ["Ponder"] and "'model.norm.weight.exp_avg'" in said(outcome, "Ponder")
    assert str(place) in said(outcome, "Ponder"), "the place is the user's, not that of the check"


def test_weights_that_are_damaged_are_refused(place, tmp_path):
    path = place / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    outcome = released(place, tmp_path / "out", BARE)
    assert outcome.failed == ["files"] and "model.safetensors is damaged" in said(outcome, "files")
    assert not (tmp_path / "out").exists()


def test_a_config_that_transformers_reads_otherwise_is_refused(place):
    """As where its code has changed, or ours is wrong: here transformers is given another theta."""
    edit(place / "config.json", rope_parameters={"rope_theta": 10_000.0, "rope_type": "default"})
    ours = loading.compute(place, place)
    edit(place / "config.json", rope_parameters={"rope_theta": 50.0, "rope_type": "default"})
    checks = {check.name: check for check in loading.check_transformers(place, ours, None)}
    assert checks["tokenizer"].status == "passed"
    assert checks["transformers"].status == "failed" and " apart, and " in checks["transformers"].said


def test_what_makes_other_tokens_is_refused(place):
    edit(
        place / "tokenizer_config.json",
        chat_template="{{ messages[0]['content'] }}{{ transformers_only | default('!') }}",
    )
    ours = loading.compute(place, place)
    edit(place / "tokenizer_config.json", chat_template="{{ messages[0]['content'] }}?")
    (check, _) = loading.check_transformers(place, ours, None)
    assert check.status == "failed" and "makes other tokens of a prompt" in check.said


def test_a_broken_tokenizer_config_is_said(place, tmp_path):
    edit(place / "tokenizer_config.json", chat_template="{% for")
    outcome = released(place, tmp_path / "out", BARE)
    assert outcome.failed == ["Ponder"] and "template" in said(outcome, "Ponder")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("---\nlicense: [\n---\n", "is not read by huggingface_hub's parser"),
        ("---\n- a\n---\n", "metadata block should be a dict"),
        ("no metadata\n", "says license: None"),
        ("---\nlicense: apache-2.0\nmodel-index: 7\n---\n", "is not read by huggingface_hub's parser"),
        ("---\nlicense: apache-2.0\nbase_model: a b\n---\n", "base_model must be an id"),
        ("---\nlicense: other\n---\n", "needs license_name and license_link"),
    ],
)
def test_a_card_that_the_hub_would_not_read_is_refused(place, tmp_path, text, why):
    (place / "README.md").write_text(text)
    stated = Stated(note="x") if "other" in text else BARE
    outcome = released(place, tmp_path / "out", stated)
    assert outcome.failed == ["card"] and why in said(outcome, "card")
    assert said(outcome, "transformers").startswith("passed"), "what can be checked is"


def test_a_card_of_ones_own_stays_and_is_added_to(place, tmp_path):
    own = (
        "---\nlicense: other\nlicense_name: own\nlicense_link: LICENSE\ndatasets: [openai/gsm8k]\n---\n# Mine\nWords.\n"
    )
    (place / "README.md").write_text(own)
    value = measured(fingerprint(place))
    outcome = released(place, tmp_path / "out", Stated(), evaluations=(write(tmp_path / "e", value),))
    assert outcome.at, outcome
    text = (tmp_path / "out/README.md").read_text()
    assert text.startswith(own.rstrip()) and "| Licence | other |" in text and "## Scores" in text
    again = released(tmp_path / "out", tmp_path / "again", Stated())
    assert again.at and (tmp_path / "again/README.md").read_text() == text


def test_an_evaluation_of_other_weights_is_refused(place, tmp_path):
    there = write(tmp_path / "e", measured("ef" * 32))
    assert "measured other weights than these" in said(
        released(place, tmp_path / "out", BARE, evaluations=(there,)), "scores"
    )
    value = measured(None)
    there = write(tmp_path / "server", value)
    assert "asked a server" in said(released(place, tmp_path / "out", BARE, evaluations=(there,)), "scores")


def test_vllm_is_never_claimed_untried(place, tmp_path):
    assert said(released(place, tmp_path / "out", BARE), "vLLM").startswith("not checked: no vLLM here")
    outcome = released(place, tmp_path / "other", BARE, vllm_python=tmp_path / "nothing")
    assert outcome.failed == ["vLLM"] and "nothing is no file" in said(outcome, "vLLM")
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'ValueError: no such architecture'\nexit 1\n")
    program.chmod(0o755)
    outcome = released(place, tmp_path / "other", BARE, vllm_python=program)
    assert outcome.failed == ["vLLM"] and "no such architecture" in said(outcome, "vLLM")


def test_what_vllm_computes_is_compared(place):
    ours = loading.compute(place, place)
    assert vllm_check._compared(ours, ours.greedy, place).said.endswith("8 of its first 8 greedy tokens are Ponder's")
    least = int(ours.logits[-1].argmin())
    sure = loading.Computed(ours.ids, ours.logits * 100, ours.greedy, ours.dtype)
    assert vllm_check._compared(sure, [least], place).status == "failed"
    assert vllm_check._compared(ours, [10**6], place).status == "failed"


def small_files_only(place, to):
    """A limit on the size of files, which acts as a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        return released(place, to, BARE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing(place, tmp_path):
    assert (place / "model.safetensors").stat().st_size > 60_000
    with pytest.raises(SaveError, match="Nothing of the release was left behind") as raised:
        small_files_only(place, tmp_path / "out/model")
    assert raised.value.errno == errno.EFBIG and not list((tmp_path / "out").iterdir())


def test_room_is_looked_for_before_the_copying(place, tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda path: free)
    with pytest.raises(SaveError, match="it takes 0"):
        released(place, tmp_path / "out", BARE)
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_nothing_and_what_a_kill_left_is_removed(place, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    dead, others = tmp_path / "out/.model.tmp-999999999", tmp_path / "out/.other.tmp-999999999"
    dead.mkdir()
    others.mkdir()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        released(place, tmp_path / "out/model", BARE)
    assert list((tmp_path / "out").iterdir()) == [others]


def test_gguf_that_cannot_be_is_said_before_anything_is_written(place, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    outcome = released(place, tmp_path / "out", BARE, gguf="f16")
    assert outcome.failed == ["GGUF"] and "GGUF files need the package gguf" in said(outcome, "GGUF")


def test_without_transformers_nothing_is_released(place, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    outcome = released(place, tmp_path / "out", BARE)
    assert outcome.failed == ["transformers"] and "[release]" in said(outcome, "transformers")


def test_the_sums_are_of_what_lies_there(place, tmp_path):
    released(place, tmp_path / "out", STATED)
    lines = dict(line.split("  ")[::-1] for line in (tmp_path / "out/SHA256SUMS").read_text().splitlines())
    assert lines["config.json"] == hashlib.sha256((place / "config.json").read_bytes()).hexdigest()
    assert json.loads((tmp_path / "out/config.json").read_text()) == json.loads((place / "config.json").read_text())
