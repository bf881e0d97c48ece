"""What of a checkpoint goes out, and what is refused for what it is."""

import io
import json
import pickle
import shutil
import zipfile

import pytest

from ponder.evals.release.contents import contents
from tests.evals.release.made import edit


def complaint(place) -> str:
    (said,) = contents(place).complaints
    return said


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", b"x")
    return buffer.getvalue()


def test_a_model_goes_out_and_its_training_stays(place):
    (place / "optimizer.pt").write_bytes(pickle.dumps({"exp_avg": [0.5]}))
    (place / "LICENSE").write_text("text")
    found = contents(place)
    assert not found.complaints
    assert set(found.files) == {
        "LICENSE", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert found.left == ("optimizer.pt", "ponder_state.json", "resume/")


@pytest.mark.parametrize("content", [*(pickle.dumps([1], protocol) for protocol in (2, 3, 4, 5)), zipped()])
@pytest.mark.parametrize("name", ["tokenizer.model", "model.safetensors", "merges.txt", "special_tokens_map.json"])
def test_a_pickle_under_the_name_of_a_models_file_is_refused(place, name, content):
    (place / name).write_bytes(content)
    assert complaint(place).startswith(f"{name} is a pickle, whatever its name says")


def test_tensors_that_are_cut_are_refused(place):
    path = place / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "model.safetensors is damaged" in complaint(place) and "copy it again" in complaint(place)


def test_pickled_weights_alone_are_refused(place):
    (place / "model.safetensors").unlink()
    (place / "pytorch_model.bin").write_bytes(zipped())
    assert "no weights in safetensors, only pickles (pytorch_model.bin)" in complaint(place)


def test_a_link_out_of_the_checkpoint_is_no_file_of_it(place, tmp_path):
    (tmp_path / "secret").write_text("key")
    (place / "LICENSE").symlink_to(tmp_path / "secret")
    assert "LICENSE is a link out of the checkpoint" in complaint(place)


def test_the_hubs_cache_is_made_of_links(place, tmp_path):
    repository = tmp_path / "hub/models--org--own"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for path in place.iterdir():
        if path.is_file():
            shutil.copy(path, repository / "blobs" / path.name)
            (snapshot / path.name).symlink_to(f"../../blobs/{path.name}")
    assert not contents(snapshot).complaints


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("config.json", b'{"a": ', "is broken JSON"),
        ("config.json", b"[1]", "must hold a JSON object"),
        ("tokenizer_config.json", b"\xff\xfe", "is not UTF-8"),
        ("tokenizer_config.json", b"[" * 100_000, "is broken JSON"),
        ("chat_template.jinja", b"\xff\xfe", "is not UTF-8"),
        ("tokenizer.model", pickle.dumps([1], 0), "is no SentencePiece model"),
    ],
)
def test_files_are_what_their_names_say(place, name, content, why):
    (place / name).write_bytes(content)
    assert complaint(place).startswith(f"{name} {why}")


def test_code_of_the_models_own_is_refused(place):
    edit(place / "config.json", auto_map={"AutoModel": "modeling.Own"})
    assert "names Python code of the model's own" in complaint(place)


@pytest.mark.parametrize(
    ("index", "why"),
    [
        ({"weight_map": {"a": "../a.safetensors"}}, "no safetensors file beside it"),
        ({"weight_map": {"a": "optimizer.pt"}}, "no safetensors file beside it"),
        ({"weight_map": {"a": "model-1.safetensors"}}, "which is not there"),
        ({"weight_map": ["a"]}, "is damaged"),
    ],
)
def test_an_index_names_files_beside_it(place, index, why):
    (place / "model.safetensors.index.json").write_text(json.dumps(index))
    assert why in complaint(place)


def test_all_complaints_come_at_once(place):
    (place / "config.json").write_text("{")
    (place / "tokenizer.model").write_bytes(pickle.dumps(1))
    assert len(contents(place).complaints) == 2
