"""When a domain counts as fallen: by more than its guard, and by more than chance explains."""

from random import Random

import yaml

from ponder.recipe.load import parse_recipe
from ponder.runs.results import EvalResult, EvalSample
from ponder.training.guards import falls, guarded_domains


def evaluation(right: dict[str, list[bool | None]]) -> EvalResult:
    samples = [
        EvalSample(f"{domain}-{n}", domain, "", None, "", "", "correct" if one else "wrong", None if one is None else float(one), 1)
        for domain, answers in right.items()
        for n, one in enumerate(answers)
    ]  # fmt: skip
    return EvalResult("a", 1, 0.5, (0, 1), {}, len(samples), 0.0, 1.0, 0.0, samples, {})


def test_a_fall_beyond_guard_and_noise_is_told_with_its_size():
    before, now = evaluation({"math": [True] * 100, "code": [True] * 100}), evaluation({"math": [False] * 20 + [True] * 80,
        "code": [True] * 100})  # fmt: skip
    (fall,) = falls(before, now, ["code", "math"], 0.02)
    assert fall.domain == "math" and fall.points == 20 and 7 < fall.noise < 9
    assert str(fall) == "math fell by 20.0 +- 7.9 points on 100 held-out problems"
    assert not falls(before, now, ["code"], 0.02), "who is not guarded may fall"
    assert not falls(before, now, ["math"], 0.25)


def test_what_chance_explains_is_no_fall():
    rng = Random(0)
    one = [rng.random() < 0.5 for _ in range(60)]
    other = [rng.random() < 0.5 for _ in range(60)]
    few = [right and n not in (one.index(True),) for n, right in enumerate(one)]
    assert not falls(evaluation({"math": one}), evaluation({"math": other}), ["math"], 0.0)
    assert not falls(evaluation({"math": one}), evaluation({"math": few}), ["math"], 0.0), "one problem of 60"


def test_problems_without_a_verdict_and_those_not_asked_again_do_not_count():
    before = evaluation({"math": [True] * 50 + [True] * 50})
    missing = evaluation({"math": [True] * 50 + [None] * 50})
    part = evaluation({"math": [True] * 50})
    assert not falls(before, missing, ["math"], 0.0) and not falls(before, part, ["math"], 0.0)
    assert not falls(before, evaluation({"code": [False] * 50}), ["math"], 0.0)


def test_the_guarded_domains_are_those_that_earlier_stages_of_rl_have_trained():
    sums = "{kind: gym, family: chain_sum}"
    text = f"""
name: a
sources:
  one: {sums}
  two: {{kind: gym, family: chain_sum, domain: other}}
  three: {sums}
stages:
  - {{name: cold, kind: sft, steps: 1, demonstrations: {{columns: {{}}}}}}
  - {{name: first, kind: rl, steps: 1, mixture: {{one: 1, two: 1}}}}
  - {{name: second, kind: rl, steps: 1, mixture: {{three: 1}}}}
  - {{name: third, kind: rl, steps: 1}}
"""
    recipe = parse_recipe(yaml.safe_load(text))
    assert [guarded_domains(recipe, stage.name) for stage in recipe.stages] == [
        [], [], ["one", "other"], ["one", "other", "three"]
    ]  # fmt: skip
