"""Functions of the user's own in recipes: found at load, kept by their absolute path."""

import pytest
import yaml

from ponder.recipe.load import dump_recipe, load_recipe, parse_recipe
from ponder.recipe.reward import functions_of

SUMS = {"kind": "gym", "family": "chain_sum"}
STAGES = [{"name": "rl", "kind": "rl", "steps": 1}]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current directory and, beside it, one of recipes; both empty."""
    for name in ("work", "recipes"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def source(here, **fields):
    path = here / "recipes" / "r.yaml"
    path.write_text(yaml.safe_dump({"name": "r", "sources": {"sums": SUMS | fields}, "stages": STAGES}))
    recipe = load_recipe(path)
    assert parse_recipe(yaml.safe_load(dump_recipe(recipe))) == recipe, "a run's own recipe is read back"
    return recipe.sources["sums"]


@pytest.mark.parametrize(("places", "found"), [(["work", "recipes"], "work"), (["recipes"], "recipes")])
def test_a_file_is_looked_for_in_the_current_directory_then_beside_the_recipe(here, places, found):
    for place in places:
        (here / place / "mine.py").touch()
    read = source(here, verifier={"python": "mine.py:score"}, reward={"python": "mine.py:other"})
    assert read.verifier.python == f"{here}/{found}/mine.py:score"
    assert read.reward.python == f"{here}/{found}/mine.py:other"
    assert (read.verifier.title, read.verifier.sha256) == ("mine.score", None)


def test_an_absolute_path_and_the_home_directory(here, monkeypatch):
    (here / "mine.py").touch()
    monkeypatch.setenv("HOME", str(here))
    for written in (f"{here}/mine.py:score", "~/mine.py:score"):
        assert source(here, verifier={"python": written}).verifier.python == f"{here}/mine.py:score"


def test_inside_compositions(here):
    (here / "work" / "mine.py").touch()
    mine = {"python": "mine.py:score"}
    reward = {
        "gate": ["format", mine],
        "then": {"sum": [{"weight": 1, "of": {"product": ["task", mine]}}, {"weight": 2, "of": mine}]},
    }
    assert [function.title for function in functions_of(source(here, reward=reward).reward)] == ["mine.score"] * 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"verifier": {"python": "mine.py:score"}},
            "verifier.python: there is no file {here}/work/mine.py and no {here}/recipes/mine.py",
        ),
        ({"verifier": {"python": "/mine.py:score"}}, "verifier.python: there is no file /mine.py"),
        ({"verifier": {"python": "mine.py"}}, "verifier.python: write the file and the function's name"),
        ({"verifier": {"python": "mine:score"}}, "such as my_rewards.py:score, not 'mine:score'"),
        ({"verifier": {"python": "mine.py:1"}}, "write the file"),
        ({"verifier": {"pyton": "mine.py:score"}}, "verifier.pyton: there is no such field; did you mean `python`?"),
        ({"verifier": "python"}, "verifier: must be 'math' or 'reasoning_gym', got 'python'"),
        ({"reward": {"python": 3}}, "reward.python: must be text"),
        ({"reward": {"gate": ["format"], "then": {"python": "mine.py:score"}}}, "reward.then.python: there is no file"),
        ({"reward": {"verifier": "python"}}, "reward.verifier: must be 'math'"),
    ],
)
def test_mistakes_are_named_by_their_path(here, fields, message):
    with pytest.raises(ValueError) as refused:
        source(here, **fields)
    assert message.format(here=here) in str(refused.value)
    assert "<" not in str(refused.value)
