"""A benchmark's problems in training text."""

import time

from ponder.evals.contamination import contamination
from ponder.tasks import Task

LONG = (
    "Every morning Aya goes for a 9-kilometer-long walk and stops at a coffee shop afterwards; when she walks at a constant "
    "speed of s kilometers per hour, the walk takes her 4 hours, including t minutes spent in the coffee shop."
)
SHORT = "Determine the remainder whenever seventeen consecutive factorials are multiplied."


def task(text: str, place: str = "", system: str = "") -> Task:
    asked = ({"role": "user", "content": text},)
    return Task(({"role": "system", "content": system}, *asked) if system else asked, "math", "math", "1", place=place)


def hits(training: str, *bench: str):
    return contamination(
        [task(training, "train.jsonl, line 3")], [task(t, f"bench, line {i}") for i, t in enumerate(bench)]
    )


def test_the_same_text_but_for_case_space_and_punctuation():
    (hit,) = hits(LONG.upper().replace(" ", "\n "), SHORT, LONG)
    assert (
        hit.how == "same text" and hit.problem_place == "bench, line 1" and hit.training_place == "train.jsonl, line 3"
    )
    assert hit.problem == task(LONG).id


def test_thirteen_words_of_a_problem_inside_another_text():
    (hit,) = hits(f"Warm up. {LONG[:140]} What did she drink?", LONG)
    assert hit.how == "13 words" and hit.text.startswith("Every morning Aya") and "drink" not in hit.text


def test_eight_long_words():
    (hit,) = hits(f"Please: {SHORT[:-1]} twice, and explain.", SHORT)
    assert (
        hit.how == "8 words"
        and hit.text == "Determine the remainder whenever seventeen consecutive factorials are multiplied"
    )


def test_eight_short_words_are_anybodys():
    assert not hits("is it so that we go to the sea", "is it so that we go to the sun")


def test_other_numbers_and_signs_are_other_problems():
    assert not hits("Compute 2 + 3 * 4 for me", "Compute 2 - 3 * 4 for me")
    assert not hits("Compute 5 - 3.", "Compute 5, 3.") and not hits("What is 2*(3+4)?", "What is 2*3+4?")
    assert hits("Compute $5 - 3$", "compute 5 -3!".rstrip("!"))
    assert not hits("Tom has 3 apples. How many?", "Tom has 4 apples. How many?")


def test_what_the_whole_benchmark_says_hits_nothing():
    form = "Please reason step by step, and put your final answer within the boxed environment at the very end."
    bench = [f"What is {i} squared plus one? {form}" for i in range(200)]
    assert not hits(f"Name the capital of Peru. {form}", *bench)
    assert [h.how for h in hits(bench[7], *bench)] == ["same text"]


def test_a_ruled_line_is_no_text():
    line = "=+" * 40
    assert not hits(f"A table. {line} 1", f"Another one, of apples. {line} 2")


def test_lists_of_numbers_are_anybodys():
    numbers = "[[1, 1, 1], [1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]"
    assert not hits(f"Sort the rows of {numbers}.", f"Which of {numbers} is the largest?")
    assert [hit.how for hit in hits(f"Sum: {numbers}", f"sum {numbers}.")] == ["same text"]


def test_system_prompts_do_not_count():
    assert not contamination([task("Hello there", system=LONG)], [task(LONG)])


def test_the_work_is_bounded():
    endless = "alpha beta " * 200_000
    start = time.monotonic()
    found = contamination([task(endless), task("x" * 1_000_000), task("")], [task(endless[:500]), task(LONG), task("")])
    assert time.monotonic() - start < 20 and len(found) == 1


def test_a_prompt_that_both_sides_use_is_no_hit():
    from ponder.tasks.prompts import PROMPTS

    def asked(question: str, prompt: str):
        return Task(({"role": "user", "content": f"{question}\n{prompt}"},), "math", "math", "1")

    ends = "after the sale how many apples and pears did she sell in the month of May?"
    own = "Think about this as long as you like, and then write the answer alone on the last line of all."
    for prompt in (PROMPTS["boxed"], own):
        bench = [asked(f"Natalia sold {n} clips. {name} did {ends}", prompt) for n, name in ((1, "Ann"), (2, "Bob"))]
        bench.append(asked("What is the capital of a country with many lakes?", prompt))
        assert not contamination([asked("How many did he pick in the capital of lakes?", prompt)], bench)
        same = asked("What is the capital of a country with many lakes?", prompt)
        assert [hit.how for hit in contamination([same], bench)] == ["same text"]
    plain = asked("What is the capital of a country with many lakes?", "")
    boxed = asked("What is the capital of a country with many lakes?", PROMPTS["boxed"])
    assert [hit.how for hit in contamination([plain], [boxed, same])] == ["same text"]
