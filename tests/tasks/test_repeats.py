from ponder.tasks import Task
from ponder.tasks.repeats import Repeats, find_repeats


def task(question: str, reference, place: str = "") -> Task:
    return Task(({"role": "user", "content": question},), "test", "math", reference, source="s", place=place)


def test_repeats_and_contradictions_are_counted():
    first = [task("1+1?", "2", "a, line 1"), task("1+1?", 2, "a, line 2"), task("2+2?", {"x": 1, "y": 2}, "a, line 3")]
    second = [
        task("1+1? ", "3", "b, line 1"),  # the same prompt but for white space
        task("1+1?", "3", "b, line 2"),
        task("2+2?", {"y": 2, "x": 1}, "b, line 3"),
        task("3+3?", "6", "b, line 4"),
    ]
    found = find_repeats([first, second])
    assert found == Repeats(7, repeated=3, contradicting=1, examples=(("a, line 1", "b, line 1"),))
    assert find_repeats([first[:1], second[3:]]) == Repeats(2)


def test_what_is_said():
    assert Repeats(9).remarks() == []
    assert Repeats(1_200, repeated=1_000).remarks() == [
        "1,000 of 1,200 tasks are repeated: the same prompt with the same answer came before"
    ]
    many = find_repeats([[task("?", str(n), f"a, line {n}") for n in range(9)]])
    assert (many.contradicting, len(many.examples)) == (8, 3)
    (said,) = many.remarks()
    assert "8 of 9 tasks contradict" in said
    assert "such as a, line 0 and a, line 1; a, line 0 and a, line 2;" in said
