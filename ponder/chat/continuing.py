"""Prompts in which the model goes on with a message that it has begun."""

from collections.abc import Mapping, Sequence
from typing import Any

from ponder.chat.messages import flat_text, split_thinking
from ponder.chat.renderer import Prompt, Renderer
from ponder.chat.thinking import SHORT_END


def continued(
    renderer: Renderer,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
    thinking: bool = True,
) -> Prompt:
    """The prompt that ends with the last message, an assistant's, and without the end of its turn.

    Where that message has reasoning and no content, it goes on inside its thought; with `thinking=False` the thought is
    closed and the answer begins. A thought that `</think>` has closed in the content stays closed. Raises ValueError for a
    last message that cannot be continued.
    """
    *history, last = messages
    if last.get("role") != "assistant":
        raise ValueError(f"the last message is from {last.get('role')!r}; only an assistant's can be continued")
    if last.get("tool_calls"):
        raise ValueError("the last message has tool calls: it is complete, and their results come next")
    reasoning, content = begun(last)
    shut = "</think>" in flat_text(last.get("content"), "the last message")
    if not (reasoning or content or shut):
        raise ValueError("the last message is empty: leave it out, and there is nothing to continue")
    prompt = renderer.render(history, tools, thinking=bool(reasoning))
    written = ("" if prompt.thinking_open or not reasoning else "<think>\n") + reasoning
    inside = bool(reasoning) and thinking and not (content or shut)
    if reasoning and not inside:
        written += SHORT_END
    answer = tuple(renderer.encode_written(content))
    ids = [*prompt.ids, *renderer.encode_written(written), *answer]
    return Prompt(ids, prompt.text + written + content, inside, None if inside else answer)


def begun(message: Mapping[str, Any]) -> tuple[str, str]:
    """Reasoning and content so far; a thought may be open. Raises ValueError for content that is no text."""
    content = flat_text(message.get("content"), "the last message")
    if content.lstrip().startswith("<think>") and "</think>" not in content:
        return content.partition("<think>")[2].lstrip("\n"), ""
    return split_thinking(message)
