"""Where the answer stands in a response without a box, and what is no answer."""

import pytest

from ponder.verifiers import verify_math

FILLER = "Each of these steps can be checked by hand. " * 80

STATED = [
    "**Answer: 37**",
    "**Answer**: 37",
    "## Answer\n37",
    "### Final Answer:\n\n**37**",
    '{"answer": "37"}',
    '```json\n{"final_answer": 37}\n```',
    "<answer>A total of 37 birds came.</answer>",
    "<answer>37</answer>\n<note>30 + 7</note>",
    "#### 37",
    "The answer to the second question is 37.",
    "The answer is `37`.",
    'The answer is "37".',
    "The answer is **37** birds.",
    "The answer is ***37***.",
    "The answer is just $37$.",
    "The answer is 37! Well done.",
    "The answer is 37 🎉",
    "Answer: 37 ✓",
    # A later remark about the answer takes nothing back.
    "Answer: 37\n\nCheck: put back in, the result is 74, as expected for the double.",
    "The answer is 37. I trust that the result is clear.",
    "The answer is 37.\n\nNote that the answer is unique.",
    "Final answer: 37\n\nCheck: 74/2 = 37, so the answer is verified.",
    "The answer is 37 (the answer is prime, as required).",
    "The answer is 37, which is prime.",
    "The answer is 37. You can see that the answer is divisible by 1 and 37 only.",
    "**Answer**\n\n37\n\nExplanation: the answer is odd because 36 is even.",
    "#### 37\n" + FILLER + "The result is established.",
    "<answer>37</answer>\n" + FILLER,
    "Answer: 37\n\n" + FILLER + "so the result is positive.",
    "So there are 37 ways.\n\n(Note: we used 5! = 120.)",
    "There are 37 of them. Shall I list the first 5?",
    # Displayed formulas and the end of a proof.
    "Hence\n\n$$\nx = 37\n$$\n\nwhich completes the argument.",
    "Hence\n\n\\[\nx = 37\n\\]\n\nas was to be found.",
    "\\[\n\\begin{aligned}\nx&=30+7\\\\\n&=37\n\\end{aligned}\n\\]",
    "There are 37. QED",
    "There are 37. ∎",
    "Thus $x = 37$. $\\square$",
    # Emphasis and equations in prose.
    "30 + 7 = **37**",
    "$30 + $7 = **$37**.",
    "So 30 + 7 = *37* birds.",
    "In the 12 days he saw 30 + 7 = 37 birds in 2 parks.",
    "She pays 3 x $10 + $7 = $37 for 2 coats.",
    "He has 50 now, so he must find 37 more to reach 87.",
    "So the value of n is 37 and we are done.",
    "Thus each gets 36 1/1 pieces.",
    # Chinese.
    "所以一共有37只鸟。",
    "因此，x等于37。",
    "答：37",
    "答：一共有37只鸟。",
    "答案是37。这个答案是正确的。",
    "答案：37\n\n" + "这是因为每一步都成立。" * 300,
    "综上，$x=37$．",
    "由此可得，n=37",
    # Headings, arrows, other boxes and tags.
    "### 37",
    "=> n = 37",
    "→ 37",
    "\\framebox{37}",
    "<Answer>37</Answer>",
    "30 + 7 = **37**!",
    "This leaves us with a total of 37.",
    "This gives us 37.",
    "Eve is 30 and Tim is 7 years older, so Tim is 37 years old.",
    "The answer is 37 rather than 36.",
    "The answer is 37 (not 36).",
    "The answer is 37. (Some books say 36.)",
    "The answer is 37, although 36 comes close.",
    "Answer: \\(37\\) mug",
    "【答案】37\n【解析】30+7=37",
]


@pytest.mark.parametrize("response", STATED)
def test_the_value_that_is_stated(response):
    verdict = verify_math(response, "37")
    assert verdict.status == "correct", verdict
    assert "; from: " in verdict.reason
    assert verify_math(response, "38").status == "wrong"


NOT_STATED = [
    "The answer might be 37.",
    "Maybe the answer is 37.",
    "The answer is 37?",
    "Is it 37?",
    "Who knows whether the answer is 37.",
    "It would be a mistake to say that the answer is 37.",
    "The wrong answer is 37.",
    "Someone claims the answer is 37, which is false.",
    "The answer is 37. That is wrong.",
    "The answer is 37, wait no, 38.",
    "The answer is 37\n\nWait, I made a mistake. It is 38.",
    "The answer is 38, not 37.",
    "The answer is not 37.",
    "The answer should not be 37.",
    "The answer is over 37.",
    "The answer is close to 37.",
    "The answer is the number of divisors of 37.",
    "The answer is the sum of 36 and 37.",
    "Half of the answer is 37.",
    "The answer would be 37 if n were even, but it is odd.",
    "The answer is 37 if x = 1 and 38 otherwise.",
    "If the answer were 37, we would have a contradiction.",
    "The answer is 37% of k.",
    "The answer is 38 rather than 37.",
    "The answer is 38. (Some books and sources say 37.)",
    "The answer is 38, though 37 comes close.",
    "The answer is 37. Oops, 38.",
    "The wrong answer would be 37.",
    "I pick 37 at random.",
    "We need to find 37.",
    "Divide by 37.",
    "First, compute 37.",
    "Recall 37 + 1 = 38, or 38 - 1 = 37.",
    "Find n such that n + 1 = 37.",
    "Because 37 is prime, it works.",
    "There are 37 birds. How many fly?",
    "A flock has 37 birds. What fraction of them is white?",
    "Answer: 37 (guess)",
    "Answer: 37 does not fit",
    "It is either 37 or 38.",
    "Answer: see formula 37",
    "Answer: 37 or 38",
    "Answer: 37, 38",
    "Answer: 37!",
    "Answer: .37",
    "Answer: 37x",
    "Answer: 3 7",
    "37-",
    "*37",
    ">37",
    "37 (incorrect)",
    "37 (approximately)",
    "I notice the number 37. Let me think.",
    "The problem mentions 37 birds.",
    "We have 37. Now we compute the rest:",
    "Given: 37 birds.",
    "Step 37:",
    "No. 37",
    "答案可能是37。",
    "答案不是37。",
    "答案是38，不是37。",
    "至少有37个。",
    "第37题",
    "如果答案是37，则矛盾。",
]


@pytest.mark.parametrize("response", NOT_STATED)
def test_what_is_asked_doubted_denied_or_about_another_number(response):
    assert verify_math(response, "37").status != "correct"


@pytest.mark.parametrize(
    ("response", "reference"),
    [
        ("So n is either 4 or 9.", "9, 4"),
        ("所以 a=4，b=9。", "a=4, b=9"),
        ("故答案为 $x=4$ 或 $x=9$。", "4, 9"),
        ("选 D", "D"),
        ("The right option is (D).", "D"),
        ("The value is approximately 2.65.", "2.65"),
    ],
)
def test_other_values_that_are_stated(response, reference):
    assert verify_math(response, reference).status == "correct"
    assert verify_math(response, "8").status != "correct"


@pytest.mark.parametrize(
    ("response", "place"),
    [
        ("so \\boxed{8}", "\\boxed{8}"),
        ("I think the result is 8, surely.", '"I think the result is 8, surely."'),
        ("Let us see. **Answer:** 8", '"**Answer:** 8"'),
    ],
)
def test_the_reason_says_where_the_answer_was_taken_from(response, place):
    assert verify_math(response, "7").reason == f"not equal; from: {place}"


@pytest.mark.parametrize(
    ("response", "reference", "right"),
    [
        ("$$\\boxed{x=3}$$\n$$\\boxed{y=8}$$", "x=3, y=8", True),
        ("$$\\boxed{x=3}$$\n$$\\boxed{y=8}$$", "x=8, y=3", False),
        ("$$\\boxed{x=3}$$\n$$\\boxed{y=8}$$", "8", True),  # the last box alone
        ("$$\\boxed{x=3}$$\n$$\\boxed{y=8}$$", "3", False),
        ("x = \\boxed{3}\n\ny = \\boxed{8}", "3, 8", True),
        ("(a) It is $\\boxed{3}$ by symmetry.\n\n(b) Counting gives $\\boxed{8}$.", "3, 8", True),
        ("Part 1: so \\boxed{3}.\n\nPart 2: so \\boxed{8}.", "3, 8", True),
        ("(a) It is $\\boxed{3}$.\n\nNo, it is $\\boxed{8}$.", "3, 8", False),
        ("At first $\\boxed{3}$. With it we find $\\boxed{8}$.", "3, 8", False),
        ("$$\\boxed{1}$$\n$$\\boxed{3}$$\n$$\\boxed{8}$$", "3, 8", False),
    ],
)
def test_several_boxes(response, reference, right):
    assert (verify_math(response, reference).status == "correct") == right


@pytest.mark.parametrize(
    ("response", "reference"),
    [
        ("She earns 5 x 8 = $<<5*8=40>>40 a day.\nSo in 6 days she earns $40 x 6 = $<<40*6=240>>240.", "240"),
        ("So he collects $30 + $5 + $7 = $42 after 9 days.", "42"),
        ("The snail crawls 21 meters in 3 hours.", "21"),
        ("So he can buy 7 pens with $14.", "7"),
        ("She pays $45 because 45 < 48.", "45"),
        ("So she needs 15 + 6 = 21ml of milk.", "21"),
        ("The cost is $90/6 months = $15/month.", "15"),
        ("The vertex is at (4, 9).", "(4,9)"),
        ("The claim holds for n ≥ 9.", r"n\ge9"),
    ],
)
def test_what_a_worked_solution_arrives_at(response, reference):
    assert verify_math(response, reference).status == "correct"


@pytest.mark.parametrize(
    "response",
    [
        "My best guess is 37.",
        "It is the sum of 37 terms.",
        "It is a two-digit number, such as 37.",
        "Take n = 37.",
        "Note that 37 is odd.",
        "So 37 fails.",
        "Somebody said 37.",
        "Do not write 37.",
        "So n > 37.",
        "The train goes 36 miles in 37 minutes.",
    ],
)
def test_numbers_of_which_something_else_is_said(response):
    assert verify_math(response, "37").status != "correct"
