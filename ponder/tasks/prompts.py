"""How a question is put to the model: the standard prompts by name, or a template of one's own."""

from collections.abc import Mapping
from typing import Any

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


def ask_messages(question: Any, prompt: str, field: str, place: str, addition: str = "") -> tuple[dict, ...]:
    """The chat messages for a question that is text or chat messages, the user's the last; `addition` follows it.

    ValueError that begins with `place` for anything else; `field` is where it stands.
    """
    messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
    if (
        not isinstance(messages, list)
        or not messages
        or not all(isinstance(m, Mapping) and isinstance(m.get("content"), str) and "role" in m for m in messages)
        or messages[-1]["role"] != "user"
    ):
        raise ValueError(f"{place}: field {field!r} is neither text nor chat messages that end with the user's")
    *before, last = [{"role": m["role"], "content": m["content"]} for m in messages]
    return (*before, {**last, "content": ask(last["content"] + addition, prompt)})
