import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.tasks import LazyTasks, Mixture, Task
from ponder.tasks.mixture import permuted


def tasks(name: str, count: int) -> list[Task]:
    return [Task(({"role": "user", "content": f"{name} {i}"},), name, "math", i, source=name) for i in range(count)]


@given(length=st.integers(1, 300), key=st.tuples(st.integers(), st.text(max_size=3)))
def test_permuted_is_a_permutation(length, key):
    assert sorted(permuted(i, length, key) for i in range(length)) == list(range(length))


def test_permuted_looks_shuffled():
    order = [permuted(i, 10_000, ("seed",)) for i in range(10_000)]
    assert sum(a == i for i, a in enumerate(order)) < 10
    correlation = sum((i - 5000) * (a - 5000) for i, a in enumerate(order)) / sum(
        (i - 5000) ** 2 for i in range(10_000)
    )
    assert abs(correlation) < 0.05
    assert order != [permuted(i, 10_000, ("other",)) for i in range(10_000)]


@settings(max_examples=40)
@given(
    weights=st.lists(st.floats(0.01, 100), min_size=1, max_size=6), seed=st.integers(0, 2**40), n=st.integers(1, 400)
)
def test_weights_hold_within_a_few_tasks_from_any_start(weights, seed, n):
    mixture = Mixture([(f"s{i}", weight, tasks(f"s{i}", 3)) for i, weight in enumerate(weights)], seed)
    given_before = Counter()
    for k in range(n):
        source, count = mixture.place(k)
        assert count == given_before[source]
        given_before[source] += 1
    for i, weight in enumerate(weights):
        assert abs(given_before[i] - n * weight / math.fsum(weights)) <= len(weights)


def test_draws_depend_on_seed_and_cursor_only():
    sources = [("a", 1, tasks("a", 50)), ("b", 2.5, tasks("b", 7))]
    mixture = Mixture(sources, seed=1)
    whole = mixture.draw(0, 200)
    assert [task for k in range(0, 200, 8) for task in Mixture(sources, seed=1).draw(k, 8)] == whole
    assert mixture.draw(137, 1) == [whole[137]]
    assert Mixture(sources, seed=2).draw(0, 200) != whole


def test_an_epoch_is_without_replacement_and_the_next_has_another_order():
    mixture = Mixture([("a", 1, tasks("a", 40)), ("b", 1, tasks("b", 1000))], seed=5)
    drawn = [task.reference for task in mixture.draw(0, 160) if task.source == "a"]
    assert sorted(drawn[:40]) == sorted(drawn[40:80]) == list(range(40))
    assert drawn[:40] != drawn[40:80]


def test_nothing_is_looked_at_before_it_is_drawn():
    seen = []
    lazy = LazyTasks(10**9, lambda i: seen.append(i) or tasks("x", 1)[0], "lazy")
    Mixture([("lazy", 1, lazy)], seed=0).draw(10**12, 3)
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "at least one source"),
        ([("a", 0, tasks("a", 1))], "Weight of source 'a' is 0"),
        ([("a", -1.0, tasks("a", 1))], "positive number"),
        ([("a", math.inf, tasks("a", 1))], "positive number"),
        ([("a", math.nan, tasks("a", 1))], "positive number"),
        ([("a", "1", tasks("a", 1))], "positive number"),
        ([("a", 1, [])], "'a' holds no tasks"),
        ([("a", 1, tasks("a", 1)), ("a", 2, tasks("b", 1))], "'a' is named twice"),
    ],
)
def test_bad_sources(sources, message):
    with pytest.raises(ValueError, match=message):
        Mixture(sources, seed=0)
