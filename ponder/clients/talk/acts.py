"""What the user can do on the page, as it comes from the browser, and what it makes of a conversation."""

from dataclasses import dataclass, replace
from typing import Literal

from ponder.clients.talk.conversation import Answer, Conversation, User

Name = Literal[
    "hello", "language", "clear", "show", "stop", "answer_now",  # at once
    "send", "retry", "edit", "result", "continue", "conclude",  # the model answers
]  # fmt: skip
NAMES = frozenset(Name.__args__)
MOST_TEXT = 1_000_000  # characters


@dataclass(frozen=True)
class Act:
    """`node`: the turn that it is about. `call`: which of its tool calls. `thinking`, `budget`: how to answer;
    thinking None is as the server likes it."""

    name: str
    text: str = ""
    node: int = -1
    call: int = -1
    thinking: bool | None = True
    budget: int | None = None


@dataclass(frozen=True)
class Opening:
    """An answer that is to be made. `resumes`: it goes on where it was cut off, or concludes there."""

    conversation: Conversation
    number: int
    resumes: Literal["continue", "conclude"] | None = None


def read_act(data: object) -> Act:
    """Raises ValueError where a browser could not have sent it."""
    if not isinstance(data, dict) or not isinstance(data.get("name"), str) or data["name"] not in NAMES:
        raise ValueError("this is nothing that one can do")
    text, thinking = data.get("text", ""), data.get("thinking", True)
    if not isinstance(text, str) or not isinstance(thinking, bool):
        raise ValueError("text must be a string, thinking true or false")
    if len(text) > MOST_TEXT:
        raise ValueError(f"a message has at most {MOST_TEXT} characters")
    numbers = {name: data.get(name, -1) for name in ("node", "call")}
    budget = data.get("budget")
    for number in (*numbers.values(), budget):
        if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
            raise ValueError("node, call and budget must be whole numbers")
    if None in numbers.values():
        raise ValueError("node and call must be whole numbers")
    return Act(data["name"], text, **numbers, thinking=thinking, budget=budget)


def begin(conversation: Conversation, act: Act) -> Opening | Conversation:
    """The answer that an act asks for, or the conversation where none is to be made yet.

    Raises:
        ValueError: the act does not fit the conversation.
    """
    match act.name:
        case "send" if act.text.strip():
            asked = conversation.add(conversation.tip, User(act.text.strip()))
            return _answering(asked, asked.tip)
        case "edit" if act.text.strip():
            if not isinstance(conversation.turn(act.node), User):
                raise ValueError("only what you have said can be edited")
            asked = conversation.add(conversation.nodes[act.node].parent, User(act.text.strip()))
            return _answering(asked, asked.tip)
        case "retry":
            conversation.answer(act.node)
            return _answering(conversation, conversation.nodes[act.node].parent)
        case "result":
            return _with_result(conversation, act)
        case "continue" | "conclude":
            answer = conversation.answer(act.node)
            if not answer.may_go_on:
                raise ValueError("this answer is complete")
            opened = replace(answer, phase="waiting", finish_reason=None, stop_reason=None, stopped=None, error=None)
            return Opening(conversation.put(act.node, opened), act.node, act.name)
        case _:
            raise ValueError("there is nothing to send")


def _answering(conversation: Conversation, parent: int | None) -> Opening:
    opened = conversation.add(parent, Answer())
    return Opening(opened, len(opened.nodes) - 1)


def _with_result(conversation: Conversation, act: Act) -> Opening | Conversation:
    answer = conversation.answer(act.node)
    if not 0 <= act.call < len(answer.calls) or answer.calls[act.call].result is not None:
        raise ValueError("no tool call waits for this result")
    calls = list(answer.calls)
    calls[act.call] = replace(calls[act.call], result=act.text)
    told = conversation.put(act.node, replace(answer, calls=tuple(calls)))
    return told if any(call.result is None for call in calls) else _answering(told, act.node)
