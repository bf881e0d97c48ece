import json
import os
import subprocess
import sys

import pytest

from ponder.tasks import Task, gym_tasks
from ponder.tasks.gym import NEEDS_HASH_SEED, from_json_value, to_json_value

CHAIN = {"min_terms": 2, "max_terms": 3, "min_digits": 1, "max_digits": 2}


def test_tasks_are_made_by_index_and_repeat():
    first, again = (gym_tasks("chain_sum", CHAIN, size=10**6, seed=3) for _ in range(2))
    assert len(first) == 10**6
    assert first[123_456] == again[123_456]
    assert first[-1] == again[10**6 - 1]
    assert first[5:8] == [again[5], again[6], again[7]]
    with pytest.raises(IndexError):
        first[10**6]


def test_a_task_carries_all_its_scorer_needs_as_json():
    task = gym_tasks("chain_sum", CHAIN, size=5, seed=0)[0]
    assert task.verifier == "reasoning_gym"
    assert task.domain == "arithmetic"
    assert task.source == "gym:chain_sum"
    assert task.metadata["family"] == "chain_sum"
    assert task.metadata["settings"] == CHAIN
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task
    assert from_json_value(task.metadata["entry"])["answer"] == task.reference


def test_neighbouring_seeds_share_nothing():
    one = {task.question for task in gym_tasks("chain_sum", {"min_digits": 4}, size=200, seed=1)}
    two = {task.question for task in gym_tasks("chain_sum", {"min_digits": 4}, size=200, seed=2)}
    assert len(one & two) == 0


def test_prompt_domain_and_verifier_can_be_named():
    task = gym_tasks("chain_sum", CHAIN, 5, 0, domain="sums", prompt="boxed", verifier="math")[0]
    assert (task.domain, task.verifier) == ("sums", "math")
    assert task.question.endswith("within \\boxed{}.")


def test_families_without_one_answer_state_an_example():
    references = {name: gym_tasks(name, {}, 5, 0)[0].reference for name in ("rubiks_cube", "graph_color", "rush_hour")}
    assert references["rubiks_cube"]
    assert isinstance(json.loads(references["graph_color"]), dict)
    assert references["rush_hour"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("chain_sums", {}), r"family 'chain_sums': did you mean 'chain_sum'"),
        (("xyzzyx", {}), r"Unknown reasoning-gym family 'xyzzyx'\. There are \d+"),
        (("chain_sum", {"min_term": 2}), r"family 'chain_sum': Unknown setting 'min_term': did you mean 'min_terms'"),
        (("chain_sum", {"min_terms": 0}), r"'chain_sum' refuses .*min_terms must be positive.*max_digits=4"),
        (("chain_sum", {"min_terms": "2"}), r"'chain_sum' refuses the settings \{'min_terms': '2'\}"),
        (("chain_sum", {"seed": 2}), r"'seed' is a field of the source, not a setting"),
        (("chain_sum", {}, 0), r"size of .*'chain_sum' is 0"),
        (("composite", {}), r"name several sources with weights instead"),
        (("chain_sum", {}, 5, 0, None, "boxxed"), r"Unknown prompt 'boxxed'"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym_tasks(*arguments)


def test_entries_survive_json_with_their_types():
    entry = {"a": (1, (2, "x")), "b": {1: [None, 2.5], "y": {"z": True}}, "c": [], "d": {}}
    assert from_json_value(json.loads(json.dumps(to_json_value(entry)))) == entry
    with pytest.raises(TypeError, match="object, which JSON cannot carry"):
        to_json_value({"a": object()})


FIRST_QUESTIONS = """
import json, warnings
from reasoning_gym.factory import DATASETS, create_dataset
warnings.filterwarnings("ignore")
names = sorted(set(DATASETS) - {"composite"})
print(json.dumps({name: create_dataset(name, seed=5, size=9)[0]["question"] for name in names}))
"""


def test_only_the_refused_families_depend_on_the_hash_seed():
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_QUESTIONS], stdout=subprocess.PIPE, env=os.environ | {"PYTHONHASHSEED": seed}
        )
        for seed in ("1", "2")
    ]
    one, two = (json.loads(process.communicate()[0].splitlines()[-1].lstrip(b".")) for process in processes)
    assert {name for name in one if one[name] != two[name]} == NEEDS_HASH_SEED


def test_families_that_depend_on_the_hash_seed_need_it_fixed():
    script = "from ponder.tasks import gym_tasks; print(gym_tasks('ransom_note', {}, 5, 0)[0].id)"

    def start(hash_seed: str) -> subprocess.Popen:
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=-1, stderr=-1, text=True)

    (refused, message), (first_id, _) = (process.communicate() for process in (start("random"), start("0")))
    assert refused == "" and "start with PYTHONHASHSEED=0" in message
    assert len(first_id.strip()) == 32
