"""How a question is put to the model: the standard prompts by name, or a template of one's own."""

from ponder.tasks.suggest import unknown_name

PROMPTS: dict[str, str] = {
    # The usage guidelines of QwQ-32B (QwenLM/QwQ README, "Standardize Output Format"), word for word.
    "boxed": "Please reason step by step, and put your final answer within \\boxed{}.",
    "choice": ('Please show your choice in the `answer` field with only the choice letter, e.g.,`"answer": "C"`.'),
    "code": "Please reason step by step, and put your final program within one ```python fence.",
    "plain": "",
}


def check_prompt(prompt: str) -> None:
    """ValueError unless `prompt` is a name in PROMPTS or a template that holds `{question}`."""
    if prompt not in PROMPTS and "{question}" not in prompt:
        raise ValueError(
            unknown_name("prompt", prompt, PROMPTS) + " A template of your own must contain {question} once or more."
        )


def ask(question: str, prompt: str) -> str:
    """The user message for a question. A standard prompt that the question already carries is not said twice.

    >>> ask("1+1?", "Solve: {question}")
    'Solve: 1+1?'
    """
    if prompt not in PROMPTS:
        return prompt.replace("{question}", question)
    suffix = PROMPTS[prompt]
    return question if suffix in question else f"{question}\n{suffix}"
