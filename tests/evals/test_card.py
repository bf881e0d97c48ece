"""The card of a checkpoint, as the hub reads it."""

from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from ponder.evals.card import Release, card
from tests.evals.making import evaluation, protocol

RELEASE = Release(
    name="small-thinker",
    license="apache-2.0",
    base_model="Qwen/Qwen2.5-0.5B",
    base_license="apache-2.0",
    data={"openai/gsm8k": "mit", "own.jsonl": "cc-by-4.0"},
    hub_data=("openai/gsm8k",),
    recipe="name: small\n# ``` ends nothing\n",
    lineage={
        "seed": 3,
        "ponder": "0.2.0",
        "recipe_sha256": "ab" * 32,
        "parent": {"path": "x", "fingerprint": "cd" * 32},
    },
)
MANY = evaluation({f"p{i}": ["correct", "wrong"] for i in range(80)}, asked=protocol("math500", 2))


def test_the_hubs_own_parser_reads_it():
    read = ModelCard(card(RELEASE, [MANY]))
    assert read.data.license == "apache-2.0" and read.data.base_model == "Qwen/Qwen2.5-0.5B"
    assert read.data.datasets == ["openai/gsm8k"] and read.data.library_name == "transformers"
    (result,) = read.data.eval_results
    assert result.metric_value == 50.0 and result.dataset_type == "math500"
    assert result.metric_name.startswith("avg@2 (95%: ") and read.data.model_name == "small-thinker"
    assert "50.0 (" in read.text and "own.jsonl (cc-by-4.0)" in read.text and "cd" * 32 in read.text
    assert "````yaml" in read.text, "a fence that the recipe cannot end"


def test_a_thin_score_is_no_result_of_the_index():
    thin = evaluation({f"p{i}": ["correct" if i % 2 else "wrong"] for i in range(30)})
    text = card(RELEASE, [thin])
    assert not ModelCard(text).data.eval_results and "between 33.2 and 66.8" in text


def test_a_lineage_tells_how_training_went_on():
    resumed = {"time": "2026-11-29", "stage": "math", "step": 20, "changed": {"stages.math.steps": [40, 60]}}
    lineage = RELEASE.lineage | {
        "torch": "2.13.0",
        "processor": "a test",
        "resumed": [resumed, {**resumed, "changed": {}}],
    }
    text = card(replace(RELEASE, lineage=lineage, checkpoint="math-000060", earlier={"first": "name: first"}))
    assert "| Computed with | torch 2.13.0, a test |" in text and "| Checkpoint | math-000060 |" in text
    assert "| Resumed | 2026-11-29 at math 20 (stages.math.steps 40 -> 60); 2026-11-29 at math 20 |" in text
    assert "| Trained from | Qwen/Qwen2.5-0.5B (apache-2.0), by way of first |" in text
    assert "## Recipe of first, which it began at\n\n```yaml\nname: first\n```" in text


def test_a_model_born_here_needs_no_base():
    born = replace(
        RELEASE, base_model=None, base_license=None, data={}, hub_data=(), lineage={"parent": None, "seed": 0}
    )
    read = ModelCard(card(born))
    assert read.data.base_model is None and "new random weights" in read.text


def test_a_hostile_name_stays_data():
    name = "x\n---\nlicense: mit\n<script>| y"
    value = evaluation({f"p{i}": ["correct", "wrong"] for i in range(80)}, asked=protocol("math500", 2), model=name)
    read = ModelCard(card(replace(RELEASE, name=name), [value]))
    assert read.data.license == "apache-2.0" and "<script>" not in read.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"license": ""}, "the licence of small-thinker"),
        ({"base_license": None}, "the licence of its base model Qwen/Qwen2.5-0.5B"),
        ({"data": {"own.jsonl": ""}}, "the licence of the training data own.jsonl"),
    ],
)
def test_what_is_not_stated_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        card(replace(RELEASE, **change), [MANY])
