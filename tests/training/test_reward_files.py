"""Files of the user's that judge a run: noted with their content, in its tasks and in its lineage."""

from hashlib import sha256

import pytest

from ponder.recipe.load import parse_recipe
from ponder.tasks import Task
from ponder.training.data import load_tasks
from ponder.training.references import SelfCheckError, check_references
from ponder.training.reward_files import changed_files, reward_files
from ponder.verifiers import Verification

SUMS = {"kind": "gym", "family": "chain_sum"}


def recipe(**source):
    stages = [{"name": "rl", "kind": "rl", "steps": 1}]
    return parse_recipe({"name": "r", "sources": {"sums": SUMS | source}, "stages": stages})


@pytest.fixture
def mine(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def score(): return 1")
    return file


def digest(file) -> str:
    return sha256(file.read_bytes()).hexdigest()


def test_tasks_carry_the_function_and_the_content_of_its_file(mine):
    function = {"python": f"{mine}:score"}
    (task,) = load_tasks(recipe(verifier=function)).draw(0, 1)
    assert task.verifier == "python" and task.reference is not None
    assert task.metadata["python"] == function | {"sha256": digest(mine)}
    composed = {"sum": [{"weight": 1, "of": "task"}, {"weight": 1, "of": {"gate": ["format"], "then": function}}]}
    (task,) = load_tasks(recipe(reward=composed)).draw(0, 1)
    assert task.verifier == "math"
    assert task.metadata["reward"]["sum"][1]["of"]["then"] == function | {"sha256": digest(mine)}
    pinned = function | {"sha256": "0" * 64}
    (task,) = load_tasks(recipe(reward={"product": ["task", pinned]})).draw(0, 1)
    assert task.metadata["reward"]["product"][1] == pinned


def test_a_lineage_tells_what_has_changed_since(mine):
    assert reward_files(recipe()) == {}
    judged = recipe(verifier={"python": f"{mine}:score"}, reward={"product": ["task", {"python": f"{mine}:other"}]})
    first = digest(mine)
    assert reward_files(judged) == {str(mine): first}
    lineage = {"reward_files": reward_files(judged), "resumed": [{}]}
    assert changed_files(lineage, judged) == {}
    mine.write_text("def score(): return 0")
    second = digest(mine)
    assert changed_files(lineage, judged) == {str(mine): [first, second]}
    lineage["resumed"].append({"changed": {str(mine): [first, second], "sandbox.workers": [1, 2]}})
    assert changed_files(lineage, judged) == {}
    mine.write_text("def score(): return 1")
    assert changed_files(lineage, judged) == {str(mine): [second, first]}
    assert changed_files({}, judged) == {}, "a run that noted no files"
    mine.unlink()
    with pytest.raises(ValueError, match=r"mine\.py cannot be read"):
        reward_files(judged)


def unreadable(**metadata) -> Task:
    """A task whose reference holds no answer."""
    return Task(({"role": "user", "content": "Q"},), "any", "math", [""], place="line 1", metadata=metadata)


def test_references_are_not_asked_of_a_verifier_that_has_no_say(mine):
    function = {"python": f"{mine}:score"}
    with Verification(workers=1) as verification:
        for reward in (function, {"gate": ["format"], "then": function}):
            check_references(verification, [unreadable(reward=reward)])
        with pytest.raises(SelfCheckError, match="line 1: the math verifier needs a reference answer"):
            check_references(verification, [unreadable(reward={"product": ["task", function]})])


def test_a_function_that_hangs_on_any_answer_is_refused(mine):
    mine.write_text("def score():\n while True: pass")
    task = Task(({"role": "user", "content": "Q"},), "any", "python", None, metadata={"python": f"{mine}:score"})
    with (
        Verification(workers=1, deadline_s=0.2) as verification,
        pytest.raises(SelfCheckError, match=r"no answer can be judged: mine\.py, line 2, in score: no verdict within"),
    ):
        check_references(verification, [task])
