import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.tasks import LazyTasks, Mixture, Task, gym_tasks, held_out_sample, part_of, refuse_overlap, split


def task(question: str, source: str = "s") -> Task:
    return Task(({"role": "user", "content": question},), "math", "math", "1", source=source)


QUESTIONS = st.lists(st.text(max_size=8), max_size=40)


@given(QUESTIONS, st.floats(0, 0.99))
def test_list_parts_never_meet_and_lose_nothing(questions, fraction):
    tasks = [task(question) for question in questions]
    train, held_out = split(tasks, fraction)
    assert len(train) + len(held_out) == len(tasks)
    assert not {t.id for t in train} & {t.id for t in held_out}
    refuse_overlap(train, held_out)


@settings(max_examples=25, deadline=None)
@given(fraction=st.floats(0.02, 0.9), seed=st.integers(0, 10**6), cursor=st.integers(0, 10**9))
def test_lazy_parts_never_meet(fraction, seed, cursor):
    source = gym_tasks("chain_sum", {"max_digits": 2}, size=100_000, seed=seed)
    train, _ = split(source, fraction)
    drawn = Mixture([("sums", 1, train)], seed).draw(cursor, 50)
    held_out = held_out_sample(source, fraction, 10)
    assert not {t.id for t in drawn} & {t.id for t in held_out}
    assert all(part_of(t.id, fraction) == "train" for t in drawn)
    assert all(part_of(t.id, fraction) == "held_out" for t in held_out)
    assert drawn == Mixture([("sums", 1, split(source, fraction)[0])], seed).draw(cursor, 50)


def test_the_same_question_is_on_the_same_side_whatever_its_source_or_spacing():
    for i in range(200):
        one, other = task(f"question {i}"), task(f" question\n{i}", source="elsewhere")
        assert part_of(one.id, 0.5) == part_of(other.id, 0.5)


def test_fraction_is_kept():
    tasks = [task(str(i)) for i in range(4000)]
    assert abs(len(split(tasks, 0.2)[1]) - 800) < 100
    assert split(tasks, 0.0)[1] == []


def test_a_lazy_train_part_keeps_what_is_already_train():
    source = gym_tasks("chain_sum", {"min_digits": 4}, size=500, seed=0)
    train = split(source, 0.1)[0]
    assert len(train) == 500
    kept = [i for i in range(500) if train[i] == source[i]]
    assert 420 < len(kept) < 480
    assert len({train[i].id for i in range(500)}) > 400


def test_held_out_sample_is_the_first_different_ones():
    tasks = [task(str(i % 30)) for i in range(90)]
    all_held_out = split(tasks[:30], 0.5)[1]
    assert held_out_sample(tasks, 0.5, len(all_held_out)) == all_held_out
    with pytest.raises(
        ValueError, match=rf"100 held-out tasks .* s has only {len(all_held_out)} different ones among 90"
    ):
        held_out_sample(tasks, 0.5, 100)


def test_a_part_that_a_lazy_source_cannot_fill_is_refused():
    lazy = LazyTasks(10**6, lambda i: task("the only question"), "tiny")
    side = part_of(task("the only question").id, 0.5)
    other = split(lazy, 0.5)[0 if side == "held_out" else 1]
    with pytest.raises(ValueError, match=r"tiny: 2,000 tasks looked at and none"):
        other[0]


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 2])
def test_bad_fraction(fraction):
    with pytest.raises(ValueError, match="held_out_fraction is"):
        split([], fraction)


def test_overlap_is_refused_with_questions_and_sources():
    train = [task(f"same {i}", "train.jsonl") for i in range(5)] + [task("mine")]
    held_out = [task(f"same  {i}", "test.jsonl") for i in range(5)] + [task("yours")]
    with pytest.raises(ValueError) as error:
        refuse_overlap(train, held_out)
    message = str(error.value)
    assert message.startswith("5 task(s) are in both")
    assert message.count("\n- ") == 3
    assert "same 0 (trained on from train.jsonl, held out from test.jsonl)" in message


def test_the_walk_never_gets_caught_in_a_cycle():
    """Of few tasks, half on either side, every index finds a task of its part: a walk along one permutation would not."""
    tasks = LazyTasks(12, lambda i: Task(({"role": "user", "content": f"task {i}"},), "d", "math", "1"), "cycle")
    for part in split(tasks, 0.5):
        assert len({part[i].id for i in range(12)}) >= 2
