import pytest

from ponder.tasks import PROMPTS, ask, check_prompt


def test_standard_prompts_are_the_guidelines_word_for_word():
    assert ask("Q", "boxed") == "Q\nPlease reason step by step, and put your final answer within \\boxed{}."
    assert ask("Q", "choice") == (
        'Q\nPlease show your choice in the `answer` field with only the choice letter, e.g.,`"answer": "C"`.'
    )
    assert ask("Q", "plain") == "Q"


def test_a_prompt_the_question_carries_is_not_repeated():
    once = ask("Q", "boxed")
    assert ask(once, "boxed") == once


def test_template_leaves_other_braces_alone():
    assert ask("\\frac{1}{2}", "Solve {question} in \\boxed{}") == "Solve \\frac{1}{2} in \\boxed{}"


def test_unknown_prompt_names_the_nearest_and_the_template_form():
    with pytest.raises(ValueError, match=r"Unknown prompt 'boxd': did you mean 'boxed'.*\{question\}"):
        check_prompt("boxd")
    for name in PROMPTS:
        check_prompt(name)
