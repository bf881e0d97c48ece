"""To the hub: huggingface_hub's own client, and a small hub that takes what it is given."""

import hashlib

import pytest
from huggingface_hub import ModelCard, constants

from ponder.evals.release.hub import check_hub
from tests.evals.release.made import BARE, checkpoint, released, said
from tests.evals.release.taking_hub import TOKEN, taking_hub


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with taking_hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.chdir(tmp_path)
        yield hub


@pytest.mark.parametrize("private", [False, True])
def test_a_release_is_a_repository(hub, place, private):
    outcome = released(place, "hub:ada/thinker", BARE, gguf="f16", private=private)
    assert outcome.at == f"{hub.url}/ada/thinker", outcome
    there = hub.repositories["ada/thinker"]
    assert set(there) - {".gitattributes"} == set(outcome.files) and "thinker-f16.gguf" in there
    assert there["model.safetensors"] == (place / "model.safetensors").read_bytes()
    sums = dict(line.split("  ")[::-1] for line in there["SHA256SUMS"].decode().splitlines())
    assert all(hashlib.sha256(there[name]).hexdigest() == digest for name, digest in sums.items()) and len(sums) > 5
    assert ModelCard(there["README.md"].decode()).data.license == "apache-2.0"
    assert hub.private == ({"ada/thinker"} if private else set())


def test_another_models_files_are_not_joined(hub, place):
    hub.repositories["ada/thinker"] = {".gitattributes": b"", "model-00001-of-00002.safetensors": b"x"}
    outcome = released(place, "hub:ada/thinker", BARE)
    assert outcome.failed == ["hub"] and "is there and holds model-00001-of-00002.safetensors" in said(outcome, "hub")
    hub.repositories["ada/thinker"] = {".gitattributes": b""}
    assert "is there, and empty" in check_hub("ada/thinker").said


def test_without_a_login_a_sentence(hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    assert "nobody is logged in" in check_hub("ada/thinker").said and "`hf auth login`" in check_hub("ada/thinker").said


def test_a_login_that_may_not_write(hub, place, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(OSError, match="does not accept this login for ada/thinker"):
        released(place, "hub:ada/thinker", BARE)


def test_a_hub_that_takes_no_commit(hub, place):
    hub.refuses = 507
    with pytest.raises(OSError, match=r"has refused ada/thinker: .*nothing was uploaded"):
        released(place, "hub:ada/thinker", BARE)
    assert set(hub.repositories["ada/thinker"]) == {".gitattributes"}


def test_a_card_that_the_hubs_own_validation_refuses(hub, place):
    hub.refuses_card = True
    with pytest.raises(ValueError, match=r"refuses the card: .*license: no such.*nothing was uploaded"):
        released(place, "hub:ada/thinker", BARE)
    assert not hub.repositories


@pytest.mark.parametrize("repo", ["", "thinker!", "a/b/c", "../x", "a/.."])
def test_what_is_no_id_is_refused(hub, place, repo):
    outcome = released(place, f"hub:{repo}", BARE)
    assert outcome.failed == ["hub"] and "OWNER/NAME" in said(outcome, "hub")


def test_without_a_network_a_sentence(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    check = check_hub("ada/thinker")
    assert check.status == "failed" and "cannot be reached" in check.said
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE forbids" in check_hub("ada/thinker").said
