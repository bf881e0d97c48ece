import pytest

from ponder.verifiers.choice.letters import read_letters
from ponder.verifiers.choice.statements import last_statement, plain_tail
from ponder.verifiers.choice.text import comparable, plain

# What is written, and the letters it names: "" for a statement without one, None for no statement.
FIELDS = [
    ('{"answer": "C", "reason": "at first the answer is A, but \\"answer\\": \\"B\\" fails"}', "C"),
    ('{"reason": "the answer is A?", "answer": "C"}', "C"),
    ("{'answer': 'C', 'reason': 'the answer is A'}", "C"),
    ('{"answer": "C", "steps": ["the answer is A"], "sure": true}', "C"),
    ('"answer": "A"\n\nOn reflection, the answer is C', "C"),
    ('"answer": "C" or "D"', "CD"),
    ('"answer": ["C", "D"]', "CD"),
    ('"answer": {"letter": "C"}', ""),
    ('"answer": "A"\n"answer": ""', ""),
    ('"answer": "Both A and C"', ""),
    ('"answer": "D. Both A and C"', "D"),
    ('format "answer": "X"', None),
    ('in the requested format: "answer": "C"', "C"),
    ("final_answer: C", "C"),
]
BOXES = [
    ("\\boxed{A} and \\boxed{C}", "AC"),
    ("\\boxed{A}\n\\boxed{C}", "C"),
    ("\\boxed{C}, A is wrong", "C"),
    ("\\boxed{\\text{C or D}}", "CD"),
    ("\\boxed C", "C"),
    ("\\boxed{42}", None),
    ("\\boxed{C", ""),
    ("the answer is \\(\\boxed{C}\\).", "C"),
]
SENTENCES = [
    ("The answer to the question is C", "C"),
    ("The answer is \\textbf{(C)}", "C"),
    ("Answer:\n\nC", "C"),
    ("Answer - C", "C"),
    ("The answer's C", "C"),
    ("The answer must be C", "C"),
    ("Final choice -> C", "C"),
    ("The answer is option C and option D", "CD"),
    ("The answer is A (or possibly C)", "AC"),
    ("Answers: B and D", "BD"),
    ("Answer: B, C and D are incorrect.", "B"),
    ("The answer is C and D is wrong", "C"),
    ("The answer is A and C are right", "AC"),
    ("Answer: C? Let me see.", None),
    ("I'm not sure but the answer is C", "C"),
    ("A is not right so the answer is C", "C"),
    ("I do not think the answer is A.", None),
    ("The answer isn't A, it's C.", "C"),
    ("Answer choices: A) x B) y C) z\n\nI pick C.", "C"),
    ("the answer is X-rays", None),
    ("Answer: A = 5", None),
    ("The answer is A triangle", None),
    ("The correct answer is not listed.", None),
]
SIGNS = [
    ("I should not choose A; choose C", "C"),
    ("It would be wrong to choose A. Therefore C.", "C"),
    ("option (A) fails. option (C) holds", "C"),
    ("option (A) holds. option (C) holds", None),
    ("A is correct. Wait, no. B is correct.", "B"),
    ("It could be A or B.", None),
    ("A: foo\nB: bar\nC: baz\n\nC", "C"),
    ("(A) is wrong, (B) is wrong, (C) holds", "C"),
]
CHINESE = [
    ("所以答案应选C。", "C"),
    ("故本题答案为C。", "C"),
    ("答案：A、C都不对", "A"),
    ("答案是A还是C？答案是C", "C"),
    ("故选 \\boxed{C}", "C"),
    ("选A不对", None),
    ("选A或C", "AC"),
]


@pytest.mark.parametrize(("text", "letters"), FIELDS + BOXES + SENTENCES + SIGNS + CHINESE)
def test_last_statement(text, letters):
    statement = last_statement(plain_tail(text))
    assert (None if statement is None else "".join(statement.letters)) == letters


@pytest.mark.parametrize(
    ("value", "letters"),
    [
        ("C", "C"),
        ("(c)", "C"),
        ("C: x", "C"),
        ("C - x", "C"),
        ("option c", "C"),
        ("C/D", "CD"),
        ("a, b", "AB"),
        ("acid", ""),
        ("X-ray", ""),
        ("12", ""),
        ("", ""),
        ("Carbon", ""),
        ("C.f", ""),
    ],
)
def test_values(value, letters):
    assert "".join(read_letters(value)) == letters


def test_plain_text():
    assert plain("**Answer：** $\\mathrm{Ｃ}$\u200b “x”") == 'Answer: C "x"'
    assert plain("\ud800é") == "é"
    assert comparable(" **New  York.** ") == "new york"


@pytest.mark.parametrize(
    "text",
    [
        "answer " * 8000,
        '"answer": "' * 6000,
        "<answer>" * 6000,
        "A or " * 10000,
        "选A或" * 12000,
        "ﷺ" * 10**5,
        "\\boxed{" * 8000,
        "(" * 50000,
        '{"answer": "A",' + ' "x": "y",' * 5000,
        '"answer": "A", "b": "' + "\\" * 49000,
        "answer is " + "the " * 12000,
        "choose the " * 5000,
        "\n" * 50000,
        "\u200b" * 10**6,
        "C is very " * 4000,
    ],
)
def test_hostile_texts_take_little_time(text):
    last_statement(plain_tail(text))  # minutes where a pattern backtracks
    last_statement(plain_tail(text[::-1]))
