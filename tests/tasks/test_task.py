import json

from hypothesis import given
from hypothesis import strategies as st

from ponder.tasks import Task

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def task(question: str, **changes) -> Task:
    fields = {"domain": "math", "verifier": "math", "reference": "2"} | changes
    return Task(messages=({"role": "user", "content": question},), **fields)


def test_id_is_32_hex_digits_and_stable_across_versions():
    assert task("What is 1+1?").id == "11867f65f4b1d95c5e06c27b7f2fb24a"


def test_id_folds_white_space_and_ignores_all_but_the_messages():
    plain = task("What is 1+1?")
    assert task("  What\n is \t1+1? ").id == plain.id
    assert task("What is 1+1?", reference="3", domain="x", source="y", metadata={"a": 1}).id == plain.id
    assert task("What is 1+2?").id != plain.id
    assert task("Whatis 1+1?").id != plain.id


def test_id_takes_text_with_lone_surrogates():
    assert len(task("broken \ud800 text").id) == 32


def test_roles_are_part_of_the_id():
    one = Task(({"role": "system", "content": "a"}, {"role": "user", "content": "b"}), "d", "math", 1)
    other = Task(({"role": "user", "content": "a"}, {"role": "user", "content": "b"}), "d", "math", 1)
    assert one.id != other.id


def test_question_is_the_last_user_text():
    talk = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"})
    assert Task(talk, "d", "math", 1).question == "c"


def test_tasks_can_be_put_in_sets():
    assert len({task("a"), task("a"), task("b")}) == 2


@given(question=st.text(), reference=JSON, metadata=st.dictionaries(st.text(), JSON, max_size=3))
def test_json_round_trip(question, reference, metadata):
    before = task(question, reference=reference, metadata=metadata, tools=({"name": "f"},), source="s")
    after = Task.from_json(json.loads(json.dumps(before.to_json())))
    assert after == before
    assert after.id == before.id


def test_the_id_in_json_is_not_trusted():
    assert Task.from_json(task("a").to_json() | {"id": "0" * 32}).id == task("a").id
