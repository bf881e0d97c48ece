"""Training examples from chats: which tokens of a conversation are learned."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ponder.chat.renderer import Renderer

Learn = Literal["last", "all"]  # the assistant's last message, or all of its messages


def training_examples(
    renderer: Renderer,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
    learn: Learn = "last",
) -> list[tuple[list[int], list[int]]]:
    """Ids and masks: 1 on the tokens that are learned, which are the assistant's, with the end of each turn.

    Each message is learned behind the prompt that would ask for it. With "all", a message whose prompt begins with the
    whole example before continues that example; where the template writes the history otherwise than it was learned (it
    leaves out earlier thoughts), a new example begins. A greeting that nothing precedes is not learned. ValueError as
    `Renderer.training_example` has it.
    """
    if learn == "last":
        return [renderer.training_example(messages, tools)]
    examples: list[tuple[list[int], list[int]]] = []
    for at, message in enumerate(messages):
        if message.get("role") != "assistant" or at == 0:
            continue
        ids, mask = renderer.training_example(messages[: at + 1], tools)
        if examples and ids[: len(examples[-1][0])] == examples[-1][0]:
            _, before = examples.pop()
            mask[: len(before)] = before
        examples.append((ids, mask))
    return examples
