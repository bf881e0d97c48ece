"""How people and models state a choice, around the forms that ponder.verifiers asks for. The right letter is D."""

import pytest

from ponder.tasks import Task
from ponder.verifiers.choice.verifier import decide
from ponder.verifiers.response import split_response

METALS = ["iron", "a copper wire", r"\frac{3}{4}", "tin"]


def status(text: str, reference: str = "D", choices: list[str] | None = None) -> str:
    metadata = {} if choices is None else {"choices": choices}
    task = Task(({"role": "user", "content": "?"},), "test", "choice", reference, metadata=metadata)
    return decide(task, split_response(text)).status


BOXES = [
    r"\boxed{\textbf{(D) } \sqrt5}",
    r"\boxed{\textbf{(D)}\ \frac{7}{3}}",
    r"\boxed{\text{D. } 2^{10}}",
    r"\boxed{D: \frac{7}{3}}",
    r"\boxed{D) \sqrt{5}}",
    r"\boxed{\mathrm{(D)}\;\frac{7}{3}\,\text{kg}}",
    r"\boxed{{D}}",
    r"\boxed{\textcolor{blue}{D}}",
    r"\boxed{\color{red} D}",
    r"\boxed{\color{red}{D}}",
    r"\boxed{\left(D\right)}",
    r"\boxed{\large D}",
    r"\boxed{\underline{\text{D}}}",
    r"\boxed{\text{Option D}}",
    r"\boxed{\text{The answer is D}}",
    r"\boxed{\text{\textbf{D}}}",
    r"\boxed{\textbf{D}} \approx 3.2",
    r"$$\boxed{ \text{(D)} }$$",
    r"\boxed{D}.",
    r"\boxed{D}!",
    r"\[ \boxed{\mathbf{D}} \]",
    r"\boxed{D \text{ (the last one)}}",
]
TAGS = [
    "<answer>\nD\n</answer>",
    "<answer>\n  D) 8 kg\n</answer>",
    "<answer>**D**</answer>",
    "<answer>(D)</answer>",
    r"<answer>\boxed{D}</answer>",
    r"<answer>$\boxed{\text{D}}$</answer>",
    "<answer>The answer is D.</answer>",
    "<answer>So I choose D.</answer>",
    "<answer>\nThe correct option is (D).\n</answer>",
    '<answer>{"answer": "D"}</answer>',
    "<answer>Option D: 8 kg</answer>",
    "<answer>\nAll things weighed,\n\nD\n</answer>",
    "<think>hm, B</think>\n\n<answer>D</answer>",
    "<answer>D",
    "<ANSWER>D</ANSWER>",
    "<final_answer>\nD\n</final_answer>",
    "<answer>B</answer>\nNo, the sign is wrong.\n<answer>D</answer>",
    "<answer>D</answer><|im_end|>",
    "I put it between <answer> and </answer>.\n<answer>D</answer>",
]
ASIDES = [
    "The answer is D, I think.",
    "The answer is D, I guess",
    "The answer is D, I'm fairly sure.",
    "The answer is D, I am certain of it.",
    "The answer is D and I have checked it.",
    "The answer is D; I worked it out twice.",
    "The answer is D, if I am not mistaken.",
    "The answer is, I believe, D.",
    "As shown earlier, the answer is D.",
    "Since it is initially at rest, the answer is D.",
    '"The answer is D."',
    "I think, therefore, the answer is D.",
    "Answer: D, I would say",
    "D, I think.",
    "D, I'd say",
    "Probably D.",
    r"\boxed{D}, I believe.",
    '"answer": "D", I think',
    "The answer is D, a plain consequence of the second law.",
    "The answer is D, which I found by elimination.",
]
LATER = [
    "Answer: D\n\nIf there were no air, it would be B.",
    "Answer: D. If there were no air, the answer would be B.",
    "The answer is D. Had the rope been longer, the answer would be A.",
    "The answer is D. Without air, the answer would be B.",
    "The answer is D. With a longer rope the answer would have to be B.",
    "The answer is D. Were it not for the rope, the correct choice would be B.",
    "The answer is D. The answer would be B if the rope were longer.",
    "**Answer: D**\n\nMany students think the answer is B.",
    "**Answer: D**\n\nA common mistake is to say that the answer is B.",
    "**Answer: D**\n\nOne might think the correct option is A, which forgets the air.",
    "**Answer: D**\n\nIt is easy to be tempted by B; people say the answer is B.",
    '**Answer: D**\n\nThe option "A" looks tempting.',
    '**Answer: D**\n\nSaying "the answer is A" forgets the air.',
    "**Answer: D**\n\nA tempting answer is B.",
    "**Answer: D**\n\nThe wrong answer is B, as friction acts.",
    "**Answer: D**\n\nAt first glance the answer is B.",
    "**Answer: D**\n\nSuppose the answer is B. Then energy would not be kept.",
    "**Answer: D**\n\nWhy is the answer not B? The air.",
    "**Answer: D**\n\nNote that A is a common distractor.",
    "\\boxed{D}\n\nOption B would be right in a vacuum.",
    "Initially I thought the answer is B, but the answer is D.",
    "You might say the answer is B, but it forgets the air, so the answer is D.",
    "答案：D。若没有空气，则选B。",
    "答案是D。如果忽略摩擦，答案是B。",
    "故选D。有人误选B。",
    "The student's answer is B. The correct answer is D.",
]
PLAIN = [
    "D is the answer.",
    "(D) is the answer",
    "**D** is our answer.",
    "So D must be the correct choice.",
    "D is the right one.",
    "D!",
    "D ✅",
    "✅ D",
    "D ✓",
    "**D**.",
    "`D`",
    "[D]",
    "{D}",
    "D)",
    "d)",
    "(d)",
    "D, because the air slows it.",
    "D because the air slows it.",
    "D - 8 kg",
    "D – 8 kg",
    "D: 8 kg",
    "**D – 8 kg**",
    "## Answer\n**D** – 8 kg",
    "### Final answer\n\nD. 8 kg",
    "**Answer**\n\n(D) 8 kg",
    "Answer:\nD. 8 kg",
    "Answer:\n\nD) 8 kg\n\nThe air slows it.",
    "Correct: D",
    "Correct answer: D",
    "Right: D",
    "Final: D",
    "Conclusion: D",
    "Letter: D",
    "My pick: D",
    "Result: D",
    "Solution: D",
    "Ans: D",
    "ans = D",
    "Answer → D",
    "Answer => D",
    "∴ D",
    "→ D",
    "Hence, (D).",
    "Therefore D!",
    "Only D works.",
    "I'd say it's D.",
    "It's D, as the air slows it.",
    "It must be D.",
    "That leaves D.",
    "We are left with option D.",
    "The best option here is D.",
    "Answer (D)",
    "Option (D) is true.",
    "The answer to this question would be D.",
    "The answer would therefore be D.",
    "The answer is B. Wait, no: D.",
    "The answer is B. Actually, it's D.",
    "The answer is most likely D.",
    "The correct answer is (D), not (B).",
    "The answer is D rather than B.",
    "The answer is D; B and C fail.",
    "The answer is D (B is too small).",
    "The answer is D. A and B are too small.",
    "The answer is 'D'.",
    "The answer is: **D**",
    "The answer is $D$.",
    r"The answer is \(\text{D}\).",
    "If x = 2 we get 8 kg, so the answer is D.",
    "If we put in x = 2, the answer is D.",
]
PLAIN += [
    "The answer can only be D.",
    "Although A is tempting, the answer is D.",
    "While many think it is A, the correct answer is D.",
    "Though students often choose A, the answer is D.",
    "B is not true, the answer is D.",
    "The question's answer is D.",
    "由题意容易得到答案是D。",
    "学生共有30人，答案是D。",
    "**D**\n\nOption B is the answer for a vacuum.\n\n**Answer: D**",
    "**Answer: D**\n\nOption B is the answer for a vacuum.",
    "Given all this, I conclude: D",
    "We find 8 kg, i.e. option D.",
    "D is the answer to the question.",
    "So it has to be D then.",
    "The statement that holds is **D**.",
    "The only one left is D.",
    "So the right one is D.",
    "The true statement is D.",
    "The graph that fits is (D).",
    "D is the only option that fits.",
    "D holds.",
    "Of the four, D alone works, as the sum shows.",
    "This corresponds to option D.",
    "We find 8 kg, which is option D.",
    "We find 8 kg, matching choice (D).",
    "The statement that is true is D; the others forget the air.",
    "The answer can be seen to be D.",
    "My answer is D",
]
CONTROLS = [
    f"{said}{token}"
    for said in ("Answer: D", "The answer is D.", "D", r"\boxed{D}")
    for token in (
        "</s>",
        "<|im_end|>",
        "<|endoftext|>",
        "<|eot_id|>",
        "<end_of_turn>",
        "<eos>",
        " <｜end▁of▁sentence｜>",
    )
]


@pytest.mark.parametrize("text", BOXES + TAGS + ASIDES + LATER + PLAIN + CONTROLS)
def test_right(text):
    assert status(text) == "correct"


def test_options_by_their_words():
    for text in (r"\boxed{\frac{3}{4}}", r"The answer is $\frac{3}{4}$.", r"<answer>\frac{3}{4}</answer>"):
        assert status(text, "C", METALS) == "correct", text
        assert status(text, "A", METALS) != "correct", text
    for text in ("<answer>\na copper wire\n</answer>", r"\boxed{\text{a copper wire}}", "**Answer: A copper wire.**"):
        assert status(text, "B", METALS) == "correct", text
    for text in ("The answer is iron or tin.", "iron, tin", "<answer>iron and tin</answer>", "not tin"):
        assert status(text, "D", METALS) != "correct", text


def test_what_is_supposed_counts_where_nothing_else_is_said():
    assert status("If we take ten for g, the answer is D.") == "correct"
    assert status("If we take ten for g, the answer is D. But we may not. So B.") == "wrong"
    assert status("Without air, the answer would be D.") == "correct"


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("Long words before it. The answer is D. And a word after.", '"The answer is D. And a word after."'),
        ("x" * 40 + "\\boxed{\\textbf{(D) } \\sqrt5}", r'"\boxed{(D)  \sqrt5}"'.replace("  ", " ")),
        ("<answer>\nD\n</answer>", '"<answer> D </answer>"'),
        ("Well.\n\nD", '"D"'),
        (
            "The answer is D" + " because of the air" * 20,
            '"The answer is D because of the air because of the air becaus..."',
        ),
    ],
)
def test_the_reason_quotes_the_statement(text, quote):
    task = Task(({"role": "user", "content": "?"},), "test", "choice", "D")
    assert decide(task, split_response(text)).reason == f"chose D; from: {quote}"


@pytest.mark.parametrize(
    "text",
    [
        "<answer>The answer is " * 3000,
        "\\boxed{The answer is A} " * 2000,
        "\\boxed{" + "{" * 40_000,
        "if the answer is A, " * 2500,
        "so " * 16_000,
        "wait, no, " * 5000,
        "A is also " * 5000,
        "A, I " * 10_000,
        "Answer: A" + ", maybe" * 6000,
        "<|a" * 16_000,
        "\\left" * 10_000,
        "若选A，" * 10_000,
        "the " * 12_000 + "answer is A",
        "Correct: " + "the " * 10_000,
    ],
)
def test_hostile_texts_take_little_time(text):
    status(text)
    status(text[::-1])
