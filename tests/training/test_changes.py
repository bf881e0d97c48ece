"""What a resume may change: all that has not been learned from, and the end of the stage that the run is in."""

import pytest

from ponder.recipe.load import parse_recipe
from ponder.runs.places import BIRTH
from ponder.training.changes import changed_fields, forget_other_evaluations, reopens
from ponder.training.checkpoint import Progress

BIRTH_DONE, IN_MATH = Progress(BIRTH, done=True), Progress("math", step=2)
MATH_DONE, IN_CODE = Progress("math", step=9, done=True), Progress("code", step=1)


def recipe(**stage):
    stages = [{"name": "math", "kind": "rl", "steps": 9, "optimizer": {"lr": 0.5}} | stage]
    stages.append({"name": "code", "kind": "rl", "steps": 9})
    return {"name": "t", "sources": {"sums": {"kind": "gym", "family": "chain_sum"}}, "stages": stages}


def changed(changes: dict, progress: Progress):
    return changed_fields(parse_recipe(recipe()), parse_recipe(changes), progress)


def test_changes_are_told_by_field():
    after = recipe(error_budget=0.5, optimizer={"lr": 0.25}) | {"sandbox": {"urls": ["http://a:1"]}}
    assert changed(recipe(), IN_CODE) == {}
    assert changed(after, IN_CODE) == {
        "sandbox.urls": [[], ["http://a:1"]],
        "stages.math.optimizer.lr": [0.5, 0.25],
        "stages.math.error_budget": [0.01, 0.5],
    }


@pytest.mark.parametrize(
    "changes",
    [
        recipe(micro_batch_tokens=64, eval_every=3, save_every=1, keep_best=True),
        recipe(objective={"name": "grpo", "kl": 0.1}),
        recipe() | {"engine": {"dtype": "bfloat16", "max_rows": 3}},
        recipe() | {"held_out": {"problems": 3, "samples": 2}},
        recipe() | {"model": {"device": "cpu"}},
    ],
)
def test_what_nothing_learned_depends_on_may_change_at_any_time(changes):
    assert changed(changes, IN_CODE)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        (recipe(name="other"), "stages.math.name"),
        (recipe(max_tokens=9), "stages.math.max_tokens"),
        (recipe() | {"seed": 1}, "seed"),
        (recipe() | {"held_out": {"fraction": 0.3}}, "held_out.fraction"),
        (recipe() | {"max_prompt_tokens": 9}, "max_prompt_tokens"),
    ],
)
def test_what_cannot_be_changed_is_refused_by_name(changes, path):
    with pytest.raises(ValueError, match=rf"--set {path}: what has been learned depends on it.*start another run"):
        changed(changes, IN_MATH)


def test_a_stage_that_has_not_begun_may_be_changed_as_one_likes():
    assert changed(recipe(max_tokens=9, samples_per_prompt=3), BIRTH_DONE)
    other = recipe()
    other["stages"][1] |= {"prompts_per_step": 3}
    assert changed(other, MATH_DONE) == {"stages.code.prompts_per_step": [32, 3]}
    with pytest.raises(ValueError, match=r"stages\.code\.prompts_per_step"):
        changed(other, IN_CODE)


def test_the_stage_that_the_run_is_in_may_be_made_longer():
    assert changed(recipe(steps=20), IN_MATH)
    with pytest.raises(ValueError, match="the stage has taken 2 steps already"):
        changed(recipe(steps=1), IN_MATH)
    with pytest.raises(ValueError, match="stage math has ended, and what came after it was learned from there"):
        changed(recipe(steps=20), IN_CODE)


def test_a_stage_that_has_ended_goes_on_where_its_end_was_moved():
    """Told from the recipe alone, so that a run that is killed before it saves again is still a longer one."""

    def goes_on(changes, progress):
        return reopens(parse_recipe(changes), progress)

    assert goes_on(recipe(steps=20), MATH_DONE)
    assert not goes_on(recipe(), MATH_DONE) and not goes_on(recipe(steps=20), IN_MATH)
    assert not goes_on(recipe(steps=20), BIRTH_DONE)
    reached = Progress("math", step=4, done=True, accuracies=[0.6])
    exits = {"target": 0.5, "eval_every": 2}
    assert not goes_on(recipe(**exits), reached) and not goes_on(recipe(**exits, steps=20), reached)
    assert goes_on(recipe(**exits | {"target": 0.7}), reached)


def test_accuracies_of_another_protocol_are_forgotten():
    progress = Progress("math", step=4, accuracies=[0.6], best=0.6, best_step=4)
    forget_other_evaluations(progress, {"stages.math.optimizer.lr": [1, 2]})
    assert progress.accuracies == [0.6] and progress.best_step == 4
    forget_other_evaluations(progress, {"held_out.temperature": [1, 0]})
    assert (progress.accuracies, progress.best, progress.best_step) == ([], None, None)
