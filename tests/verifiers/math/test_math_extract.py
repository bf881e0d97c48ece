import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.verifiers.math import extract_answer
from ponder.verifiers.math.statements import final_statement, stated_answer


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (r"\boxed{7}", "7"),
        (r"first \boxed{6}, no: \boxed{ 7 }.", "7"),
        (r"so \boxed {7}", "7"),
        (r"\boxed 7.", "7"),
        (r"$$\fbox{64}$$", "64"),
        (r"\boxed{\frac{1}{\sqrt{2}}} units", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\boxed{3}}", "{3}"),
        (r"\boxed{6} and \boxed{8}", "6, 8"),
        (r"$\boxed{1}$, $\boxed{2}$ \text{and} \boxed{3}", "1, 2, 3"),
        (r"$y_1 = \boxed{x}$ and $y_2 = \boxed{2x}$", "x, 2x"),
        (r"\boxed{(3,3)} \text{ for part (a) and } \boxed{(1,1)}", "(3,3), (1,1)"),
        (r"\boxed{13} or \boxed{14}", r"13 \text{ or } 14"),
        (r"\boxed{6}. Then \boxed{8}", "8"),
        (r"\boxed{6} \boxed{8}", "8"),
        (r"\boxed{}", None),
        (r"\boxed{7} \boxed{}", None),
        (r"\boxed{ }", None),
        (r"\boxed{7", None),
        (r"\boxed{7} but \boxed{8", None),
        (r"\boxed", None),
        ("7", None),
        ("", None),
        (r"\boxed{" + "1" * 8001 + "}", None),
        (r"\boxed{" + "{" * 201 + "}" * 201 + "}", None),
        (r"\boxed{" + "{" * 199 + "1" + "}" * 199 + "}", "{" * 199 + "1" + "}" * 199),
    ],
)
def test_last_box(content, answer):
    assert extract_answer(content) == answer


BALANCED = st.recursive(
    st.text(st.characters(exclude_characters="\\{}", exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.tuples(inner, inner).map(lambda pair: "{" + pair[0] + "}" + pair[1]),
    max_leaves=20,
)


@given(before=st.text(), inside=BALANCED, after=st.text().filter(lambda text: "box" not in text))
def test_whatever_stands_around_the_last_box(before, inside, after):
    before = before.replace("box", "")
    assert extract_answer(f"{before}\\boxed{{{inside}}}{after}") == (inside.strip() or None)


PIECES = [
    "\\boxed{",
    "\\",
    "{",
    "}",
    "1",
    ",",
    " and ",
    "$",
    "\n",
    "The answer is ",
    "\\[",
    "\\]",
    " or ",
    ". ",
    "x = ",
]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_extraction_never_fails(content):
    found = stated_answer(content)
    for answer in (extract_answer(content), found and found.answer):
        assert answer is None or answer.strip()


@pytest.mark.parametrize(
    "content",
    [
        *("\\boxed{" * 100_000, "\\boxed{1}," * 100_000, "\\boxed{" + "{" * 10**6),
        *("The answer is " * 100_000, "$" * 10**6, "####" * 10**5, " " * 10**6 + "7", "1," * 10**6),
    ],
)
def test_extraction_is_linear(content):
    extract_answer(content)  # minutes where it is quadratic
    stated_answer(content)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("42", "42"),
        ("work\nThe answer is 42.", "42"),
        ("**Answer:** $x+1$", "$x+1$"),
        ("**Final Answer**\n\n$7$", "$7$"),
        ("so it goes\n#### 1,250", "1,250"),
        ("<answer>42</answer>", "42"),
        ("所以答案是7。", "7"),
        ("答案为：7", "7"),
        ("故选C", "C"),
        ("Answer: 6. Then again,\nAnswer: 7", "7"),
        ("The answer is $1$ and $2$.", "$1$ and $2$"),
        ("Therefore $x \\geq 5$ is the solution.", "x \\geq 5"),
        ("so we get\n$$x=3$$", "x=3"),
        ("\\begin{align*} x &= 3+6 \\\\ &= 9 \\end{align*}", "9"),
        ("We add. So the total is 12 apples.", "12 apples"),
        ("The point is (1,2).", "(1,2)"),
        ("The ratio is 3:4.", "3:4"),
        ("The solutions are x=1 and x=2.", "x=1 and x=2"),
        ("Let's see. So there are 7 apples in the basket in total.", "7"),
        ("The final answer is 12. I hope it is correct. <|im_start|>user", "12"),
        ("The answer is 7 or 8.", "7 or 8"),
        ("The answer is 7. No wait, it is 8.", "8"),
        ("1/3 is the answer", "1/3"),
        ("The correct option is C", "C"),
        ("Evelyn", "Evelyn"),
        ("the total is $ \\frac{1}{2} \\$ = \\frac{10}{9} $", " \\frac{1}{2} \\$ = \\frac{10}{9} ".strip()),
        ("I cannot solve this problem.", None),
        ("Chapter 5", None),
        ("Step 5", None),
        ("nearly 5", None),
        ("fewer than 5 apples", None),
        ("6 instead of 5", None),
        ("maybe 5", None),
        ("$5$ is impossible", None),
        ("$x = 6$, as $x=5$ fails", None),
        ("We reject $x=5$.", None),
        ("Let us check $x=5$.", None),
        ("Suppose x = 5.", None),
        ("If x = 2, then y is 5.", "5"),
        ("She makes 9 * 2 = $18 every day.", "$18"),
        ("line one\nline two", None),
        ("", None),
    ],
)
def test_without_a_box_what_is_stated_last_counts(content, answer):
    assert (found.answer if (found := stated_answer(content)) else None) == answer


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("It is $1 + $2 = $3. Final Answer: The final answer is $10,455$. I hope it is correct.", "$10,455$"),
        (r"so \boxed{200}.\nFinal Answer: The final answer is $7$. I hope it is correct.<|im_start|>user 5", "$7$"),
        ("**Final Answer:** The final answer is 12.", "12"),
        (r"Final Answer: The final answer is $\boxed{7}$. I hope it is correct.", None),
        (r"Final Answer: The final answer is $7$. No: \boxed{8}", None),
        ("The final answer is 7.", None),
        ("", None),
    ],
)
def test_the_final_statement_of_minerva(content, answer):
    assert final_statement(content) == answer
