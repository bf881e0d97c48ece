"""A verifier is a folder, and its name stands in one line of the recipe's schema and in one table."""

import re
from pathlib import Path
from typing import get_args

import pytest

import ponder
from ponder.recipe.reward import VerifierName
from ponder.verifiers import VERIFIERS

PACKAGE = Path(ponder.__file__).parent
NAMED = "|".join(VERIFIERS)
# A comparison of a verifier's name, or a match on it: what is a verifier's own belongs in its folder.
SWITCH = re.compile(rf"verifier\b *(?:==|!=|in|not in) *[\[(]?\"(?:{NAMED})\"|case \"(?:{NAMED})\"")
# Who may: the readers of rows, which know the forms of data sets, and who writes demonstrations of programs.
ALLOWED = ("tasks/", "recipe/reward.py", "training/demonstrations.py")


def test_the_names_of_the_recipe_are_those_of_the_table():
    assert list(get_args(VerifierName)) == list(VERIFIERS)


@pytest.mark.parametrize("name", VERIFIERS)
def test_each_is_made_in_a_folder_of_its_own(name):
    module = VERIFIERS[name].decide.__module__
    folder = module.removeprefix("ponder.verifiers.").split(".")[0]
    assert (PACKAGE / "verifiers" / folder / "__init__.py").is_file()
    others = [VERIFIERS[other].decide.__module__.split(".")[2] for other in VERIFIERS if other != name]
    assert folder not in others


def test_nobody_else_asks_which_verifier_it_is():
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        if not str(path.relative_to(PACKAGE)).startswith(ALLOWED)
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
        if SWITCH.search(line)
    ]
    assert not found, found


def test_what_a_switch_looks_like():
    for line in ('if task.verifier == "code":', 'if verifier in ("math", "choice"):', 'case "length" | "x":'):
        assert SWITCH.search(line), line
    assert not SWITCH.search('name = "code"')
