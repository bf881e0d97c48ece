"""A stage of kind reward_model, whole: what is refused before the start, what it leaves, and a resume that is the same bit for bit."""

import json

import pytest
import torch
import transformers
import yaml
from rich.console import Console
from safetensors.torch import load_file

from ponder.recipe.load import load_recipe
from ponder.runs.run import Run
from ponder.training.start import resume, start
from ponder.training.view import View
from ponder.verifiers.reward_model.model import RewardModel
from tests.shared.born import give_birth

ROWS = [
    {
        "prompt": f"Calculate {n % 9} + {n}.",
        "chosen": f"{n} yes" + " so" * (n % 3),
        "rejected": f"{n} no" + " so" * (n % 2),
        "category": "even" if n % 2 == 0 else "odd",
    }
    for n in range(60)
]
TEST = [{"input": f"Say {n}.", "output_1": f"{n} no", "output_2": f"{n} yes", "label": 2} for n in range(12)]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    directory = tmp_path_factory.mktemp("base")
    give_birth(directory)
    return directory


def recipe_of(directory, base, rows=ROWS, overrides=(), **preferences):
    pairs, test = directory / "pairs.jsonl", directory / "surprising.json"
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    test.write_text(json.dumps(TEST))
    stage = {
        "name": "taste",
        "kind": "reward_model",
        "preferences": {"path": str(pairs), "test": str(test), "validation": 0.2} | preferences,
        "steps": 8,
        "pairs_per_step": 8,
        "optimizer": {"lr": 1e-2},
        "eval_every": 4,
        "save_every": 4,
        "micro_batch_tokens": 256,
    }
    recipe = {"name": "taste", "model": {"path": str(base)}, "engine": {"workers": 0}, "stages": [stage]}
    path = directory / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return load_recipe(path, list(overrides))


class Interrupted(View):
    """Someone who ends the process in the middle of step 6."""

    def step(self, stage, progress, metrics):
        super().step(stage, progress, metrics)
        if progress.step == 6:
            raise KeyboardInterrupt


def quiet(kind=View):
    return kind(Console(quiet=True))


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    directory = tmp_path_factory.mktemp("trained")
    return start(recipe_of(directory, base), directory / "run", quiet())


def test_it_learns_and_says_what_it_is_worth(trained):
    rows = trained.metrics()
    assert rows[0]["loss"] > rows[-1]["loss"] and rows[-1]["preference/accuracy"] > 0.9
    assert [row["step"] for row in rows if "validation/accuracy" in row] == [4, 8]
    report = json.loads((trained.path / "report.json").read_text())
    (model,) = report["reward_models"]
    validation, test = model["parts"]["validation"], model["parts"]["test"]
    assert set(validation["by_category"]) == {"even", "odd"} and set(test["by_category"]) == {"surprising"}
    assert sum(part["pairs"] for part in validation["by_category"].values()) == validation["pairs"] > 0
    assert test["accuracy"] > 0.9 and test["interval"][0] < test["accuracy"]
    page = (trained.path / "report.html").read_text()
    assert "Reward models on held-out pairs" in page and "Calibration of the reward model" in page


def test_the_runs_own_model_stays_as_it_came(trained, base):
    after = load_file(trained.latest_checkpoint() / "model.safetensors")
    before = load_file(base / "model.safetensors")
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_transformers_loads_it_and_gives_the_same_scores_in_padded_batches(trained):
    directory = trained.latest_checkpoint() / "reward_model"
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    chats = [
        [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row[side]}]
        for row in ROWS[:6]
        for side in ("chosen", "rejected")
    ]
    batch = tokenizer.apply_chat_template(chats, return_tensors="pt", padding=True, return_dict=True)
    with torch.no_grad():
        theirs = model(**batch).logits.squeeze(-1).tolist()
    ours = RewardModel.load(directory)
    assert ours.scores([ours.ids(chat) for chat in chats]) == pytest.approx(theirs, abs=1e-5)


def test_a_killed_run_goes_on_bit_for_bit(trained, base, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        start(recipe_of(tmp_path, base), tmp_path / "run", quiet(Interrupted))
    run = resume(tmp_path / "run", quiet())
    for name in ("reward_model/model.safetensors", "resume/optimizer.safetensors"):
        one, other = ((r.latest_checkpoint() / name).read_bytes() for r in (run, trained))
        assert one == other, name
    figures = ("loss", "preference/margin", "grad_norm", "validation/loss")
    one, other = ([[row.get(name) for name in figures] for row in r.metrics()] for r in (run, trained))
    assert one == other


def test_what_is_unusable_is_refused_by_row_before_the_start(base, tmp_path):
    rows = [*ROWS, ROWS[0] | {"prompt": "q", "rejected": ROWS[0]["chosen"]}, {"prompt": "q", "chosen": "y"}]
    with pytest.raises(ValueError, match="unusable: drop") as error:
        start(recipe_of(tmp_path, base, rows), tmp_path / "run", quiet())
    assert "line 61: chosen and rejected are the same answer" in str(error.value)
    assert "line 62: there is no rejected side" in str(error.value)
    assert "stages.taste.preferences" in str(error.value) and not (tmp_path / "run").exists()


def test_a_reward_model_is_a_base_and_lower_precision_is_resumed_exactly(trained, tmp_path):
    """In bfloat16 the file holds less than the masters, which lie beside it."""
    directory = trained.latest_checkpoint() / "reward_model"
    overrides = ["model.save_dtype=bfloat16", f"stages.taste.base={directory}"]
    made = []
    for kind in (View, Interrupted):
        place = tmp_path / kind.__name__
        place.mkdir()
        recipe = recipe_of(place, trained.latest_checkpoint(), overrides=overrides)
        try:
            made.append(start(recipe, place / "run", quiet(kind)))
        except KeyboardInterrupt:
            made.append(resume(place / "run", quiet()))
    names = ("reward_model/model.safetensors", "resume/reward_model.safetensors")
    first, second = ([(run.latest_checkpoint() / name).read_bytes() for name in names] for run in made)
    assert first == second
    assert made[0].metrics()[0]["preference/accuracy"] > 0.9, "it knew what the first had learned"


def test_pairs_that_are_left_out_are_counted_and_said(base, tmp_path, capsys):
    rows = [*ROWS, {"prompt": "q", "chosen": "y"}, ROWS[1] | {"prompt": "long " * 900}]
    view = View(Console(width=200))
    recipe = recipe_of(tmp_path, base, rows, ["stages.taste.steps=1"], unusable="drop", too_long="drop")
    start(recipe, tmp_path / "run", view)
    said = capsys.readouterr().out
    assert "line 61: there is no rejected side" in said and "Left out: 1 of 74 rows" in said
    assert "line 62" in said and "tokens" in said and "Left out: 1 of 74 pairs" in said
    assert Run.open(tmp_path / "run").latest_checkpoint().name == "taste-000001"
