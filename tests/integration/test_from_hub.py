"""From an id of the hub to a described, trained, resumed and served model: the real command line, a small hub of ours."""

import json
import os
import shutil

import pytest
import yaml

from ponder.recipe.load import load_recipe
from ponder.runs.lineage import fingerprint
from ponder.runs.run import Run
from ponder.server.start.checkpoint import Checkpoint, find_checkpoint
from tests.integration.micro import RECIPE, ponder, write_recipe
from tests.integration.test_own_model import write_own_model
from tests.shared.serve_process import ServeProcess
from tests.shared.small_hub import Repository, small_hub

GENERATION = b'{"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.1}\n'
NAME = "org/own"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    write_own_model(directory)
    (directory / "generation_config.json").write_bytes(GENERATION)
    with small_hub() as hub:
        files = {path.name: path.read_bytes() for path in directory.iterdir()}
        hub.repositories[NAME] = Repository(files)
        yield hub


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def variables(hub, home, **more) -> dict[str, str]:
    return os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"} | more


@pytest.fixture(scope="module")
def trained(hub, home, tmp_path_factory):
    """A recipe over the hub's model, and its run."""
    directory = tmp_path_factory.mktemp("from_hub")
    cold = RECIPE["stages"][0] | {"steps": 2, "save_every": 1}
    quick = {"held_out": {"problems": 1, "fraction": 0.3, "at_start": False}, "model": {"path": NAME}, "stages": [cold]}
    recipe = write_recipe(directory, RECIPE | quick)
    dry = ponder("train", recipe, "--dry-run", env=variables(hub, home))
    assert dry.returncode == 0, dry.stderr
    assert "model.safetensors" not in hub.fetched() and "config.json" in hub.fetched(), "no weights in a dry run"
    assert yaml.safe_load(dry.stdout)["model"]["path"] == f"{NAME}@{hub.repositories[NAME].commit}"
    done = ponder("train", recipe, "--run", directory / "run", env=variables(hub, home))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "model.safetensors" in hub.fetched()
    return recipe, directory / "run"


def test_a_run_knows_its_commit(trained, hub, home):
    run, commit = Run.open(trained[1]), hub.repositories[NAME].commit
    parent = run.lineage["parent"]
    assert parent["hub"] == f"{NAME}@{commit}"
    [cached] = home.glob(f"hub/models--org--own/snapshots/{commit}")
    assert parent["path"] == str(cached) and parent["fingerprint"] == fingerprint(cached)
    assert load_recipe(run.path / "recipe.yaml").model.path == f"{NAME}@{commit}"
    page = ponder("report", run.path, env=variables(hub, home))
    assert page.returncode == 0 and f"{NAME}@{commit}" in (run.path / "report.html").read_text()


def test_checkpoints_keep_the_generation_config(trained):
    checkpoints = Run.open(trained[1]).checkpoints()
    assert len(checkpoints) > 1
    assert {(path / "generation_config.json").read_bytes() for path in checkpoints} == {GENERATION}


def test_a_resume_needs_no_hub_and_its_recipe_names_the_commit(trained, hub, home, tmp_path):
    whole, again = trained[1], tmp_path / "run"
    shutil.copytree(whole, again)
    last = Run.open(again).latest_checkpoint()
    expected = (last / "model.safetensors").read_bytes()
    shutil.rmtree(last)
    offline = variables(hub, home, HF_HUB_OFFLINE="1")
    done = ponder("resume", again, env=offline)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (last / "model.safetensors").read_bytes() == expected
    elsewhere = variables(hub, tmp_path / "empty", HF_HUB_OFFLINE="1")
    refused = ponder("train", whole / "recipe.yaml", "--run", tmp_path / "another", env=elsewhere)
    assert refused.returncode == 1 and refused.stderr.startswith(
        f"ponder: {NAME}@{hub.repositories[NAME].commit} is not in this machine"
    )
    assert not (tmp_path / "another").exists()


def test_a_run_is_a_model_that_comes_in(trained):
    run = trained[1]
    newest = Run.open(run).latest_checkpoint()
    assert find_checkpoint(run) == Checkpoint(newest, "run", str(newest)), "which stays the same when the run goes on"
    assert find_checkpoint(newest) == Checkpoint(newest, newest.name, str(newest))


def test_described_without_weights_and_served_and_asked_with_them(hub, tmp_path):
    environment = variables(hub, tmp_path)
    hub.asked.clear()
    done = ponder("model", "describe", NAME, "--json", env=environment)
    assert done.returncode == 0 and json.loads(done.stdout)["config"]["hidden_size"] == 32, done.stderr
    assert "config.json" in hub.fetched() and "model.safetensors" not in hub.fetched()
    with ServeProcess(NAME, environment=environment) as server:
        assert [model["id"] for model in server.http.get("/v1/models").json()["data"]] == [NAME]
        assert "temperature 0.7, top_p 0.8, top_k 20" in server.process.stdout.readline()
    asked = ponder("generate", NAME, "1 + 2", "--max-tokens", 4, "--json", env=environment | {"HF_HUB_OFFLINE": "1"})
    assert asked.returncode == 0 and json.loads(asked.stdout)["completion_tokens"] <= 4, asked.stderr


def test_adapters_of_a_model_of_the_hub_find_it_there(hub, home, tmp_path):
    """Trained on it, they name it as peft does, by its id and commit; asked elsewhere, the base is fetched."""
    cold = RECIPE["stages"][0] | {"steps": 1}
    model = {"path": NAME, "lora": {"rank": 2, "save": "adapter"}}
    quick = {"held_out": {"problems": 1, "fraction": 0.3, "at_start": False}, "model": model, "stages": [cold]}
    done = ponder("train", write_recipe(tmp_path, RECIPE | quick), "--run", tmp_path / "run", env=variables(hub, home))
    assert done.returncode == 0, done.stdout + done.stderr
    adapter = Run.open(tmp_path / "run").latest_checkpoint()
    named = json.loads((adapter / "adapter_config.json").read_text())
    assert (named["base_model_name_or_path"], named["revision"]) == (NAME, hub.repositories[NAME].commit)
    elsewhere = variables(hub, tmp_path / "home")
    for environment in (elsewhere, elsewhere | {"HF_HUB_OFFLINE": "1"}):
        asked = ponder("generate", adapter, "1 + 2", "--max-tokens", 4, "--json", env=environment)
        assert asked.returncode == 0 and json.loads(asked.stdout)["completion_tokens"] <= 4, asked.stderr
    nowhere = ponder("generate", adapter, "1", env=variables(hub, tmp_path / "empty", HF_HUB_OFFLINE="1"))
    assert nowhere.returncode == 1 and nowhere.stderr.startswith(f"ponder: {NAME}@"), nowhere.stderr


@pytest.mark.parametrize("command", [("model", "describe"), ("chat",)])
def test_what_is_not_there_is_one_sentence(hub, tmp_path, command):
    done = ponder(*command, "org/none", env=variables(hub, tmp_path))
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "no model org/none" in done.stderr and "check the spelling" in done.stderr
