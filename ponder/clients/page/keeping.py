"""What a page keeps of its conversation in the browser, and brings along when it is loaded again: after a reload, or when
the server has been started anew. What comes from there is hostile until it is read.
"""

from itertools import pairwise
from typing import Any

from ponder.clients.talk.acts import MOST_TEXT
from ponder.clients.talk.conversation import MOST_NODES, Answer, Conversation, ToolCall, Turn, User

INTERRUPTED = "interrupted"  # the error of an answer that was not complete; a key of the labels
MOST_CALLS = 1_000  # of one answer


def kept(conversation: Conversation) -> list[dict[str, Any]]:
    """The turns that are shown, as JSON. Of an answer in the making only that it is there, so that this does not change
    with every token."""
    return [_keep(conversation.nodes[number].turn) for number in conversation.path()]


def restored(data: object) -> Conversation:
    """The conversation of which this was kept.

    Raises:
        ValueError: `kept` has not made it.
    """
    if not isinstance(data, list) or len(data) > MOST_NODES:
        raise ValueError("this is no conversation")
    turns = [_read(told) for told in data]
    users = [isinstance(turn, User) for turn in turns]
    if not all(users[:1]) or any(one and other for one, other in pairwise(users)):
        raise ValueError("this is no conversation")
    conversation = Conversation()
    for turn in turns:
        conversation = conversation.add(conversation.tip, turn)
    return conversation


def _keep(turn: Turn) -> dict[str, Any]:
    if isinstance(turn, User):
        return {"user": turn.text}
    if turn.phase != "done":
        return {"error": INTERRUPTED}
    calls = [[call.id, call.name, call.arguments, call.result] for call in turn.calls]
    fields = {"thinking": turn.thinking, "content": turn.content, "calls": calls, "error": turn.error}
    return {name: value for name, value in fields.items() if value}


def _read(told: object) -> Turn:
    if not isinstance(told, dict) or not set(told) <= {"user", "thinking", "content", "calls", "error"}:
        raise ValueError("this is no turn of a conversation")
    texts = {name: _text(value) for name, value in told.items() if name != "calls"}
    calls = told.get("calls", [])
    if not isinstance(calls, list) or len(calls) > MOST_CALLS:
        raise ValueError("this is no turn of a conversation")
    if "user" in texts:
        return User(texts["user"])
    return Answer(phase="done", calls=tuple(_call(call) for call in calls), **texts)


def _call(told: object) -> ToolCall:
    if not isinstance(told, list) or len(told) != 4:
        raise ValueError("this is no tool call")
    *texts, result = told
    return ToolCall(*(_text(text) for text in texts), None if result is None else _text(result))


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise ValueError("this is no text of a conversation")
    return value
