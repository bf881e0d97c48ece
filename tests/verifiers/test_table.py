"""A verifier is a folder, and its name stands in one line of the recipe's schema and in one table."""

import ast
from pathlib import Path
from typing import get_args

import pytest

import ponder
from ponder.recipe.reward import VerifierName
from ponder.verifiers import VERIFIERS

PACKAGE = Path(ponder.__file__).parent
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


def switches(source: str) -> list[int]:
    """The lines that compare a verifier's name, or match on it: what is a verifier's own belongs in its folder."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Match):
            asked, constants = node.subject, [one for case in node.cases for one in ast.walk(case.pattern)]
        elif isinstance(node, ast.Compare):
            asked, constants = node.left, [one for other in node.comparators for one in ast.walk(other)]
        else:
            continue
        name = getattr(asked, "attr", getattr(asked, "id", ""))
        values = {getattr(one.value if isinstance(one, ast.MatchValue) else one, "value", None) for one in constants}
        if name == "verifier" and values & set(VERIFIERS):
            lines.append(node.lineno)
    return lines


def test_nobody_else_asks_which_verifier_it_is():
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in PACKAGE.rglob("*.py")
        if not str(path.relative_to(PACKAGE)).startswith(ALLOWED)
        for line in switches(path.read_text(encoding="utf-8"))
    ]
    assert not found, found


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        ('if task.verifier == "code": pass', True),
        ('if verifier not in ("x", "choice"): pass', True),
        ('match one.task.verifier:\n  case "length" | "x": pass', True),
        ('match reason:\n  case "length": pass', False),
        ('verifier = "code"', False),
        ('if verifier == "critic": pass', False),
    ],
)
def test_what_a_switch_looks_like(source, is_one):
    assert bool(switches(source)) == is_one
