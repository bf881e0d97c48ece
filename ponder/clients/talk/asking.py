"""From a conversation and the settings to a request."""

import json
import math
from dataclasses import dataclass
from typing import Any

from ponder.clients.talk.acts import MOST_TEXT, Act
from ponder.clients.talk.client import Asked
from ponder.clients.talk.conversation import Answer, Conversation, User

NO_RESULT = "Error: the tool was not run"


class BadTools(ValueError):
    """The functions in the settings cannot be read."""


@dataclass(frozen=True)
class Settings:
    """The fields of the settings. None and "": the server decides."""

    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    tools: str = ""
    api_key: str = ""


NUMBERS = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "seed")
TEXTS = ("system", "tools", "api_key")


def read_settings(data: object) -> Settings:
    """The settings as they come from the browser; fields that are not there are empty.

    Raises:
        ValueError: a browser could not have sent them.
    """
    if not isinstance(data, dict) or not set(data) <= {*NUMBERS, *TEXTS}:
        raise ValueError("these are not the settings")
    for name, value in data.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not (number if name in NUMBERS else isinstance(value, str) and len(value) <= MOST_TEXT):
            raise ValueError(f"{name} must be a {'number' if name in NUMBERS else 'text'}")
    return Settings(**data)


def ask(conversation: Conversation, number: int, settings: Settings, act: Act) -> Asked:
    """The request for the answer with this number.

    Raises:
        BadTools
    """
    fields: dict[str, Any] = {name: getattr(settings, name) for name in NUMBERS if getattr(settings, name) is not None}
    if settings.seed is not None:
        # Asking again would otherwise give the same answer again.
        fields["seed"] = settings.seed + conversation.versions(number).index(number)
    fields |= _thinking(act)
    parent = conversation.nodes[number].parent
    return Asked(
        messages=tuple(messages_of(conversation, parent, settings.system)),
        tools=read_tools(settings.tools),
        fields=tuple(fields.items()),
        api_key=settings.api_key.strip(),
    )


def read_tools(text: str) -> tuple[dict[str, Any], ...]:
    """Functions in OpenAI's form, or bare ones, a list or one alone.

    Raises:
        BadTools
    """
    if not text.strip():
        return ()
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadTools(str(error)) from error
    told = told if isinstance(told, list) else [told]
    if not all(isinstance(tool, dict) for tool in told):
        raise BadTools("every function is an object")
    return tuple(tool if "function" in tool else {"type": "function", "function": tool} for tool in told)


def messages_of(conversation: Conversation, end: int | None, system: str) -> list[dict[str, Any]]:
    """What has been said down to the turn `end`, in OpenAI's form; None: nothing."""
    messages = [{"role": "system", "content": system.strip()}] if system.strip() else []
    turns = [conversation.nodes[index].turn for index in conversation.path(end)] if end is not None else []
    last_user = max((place for place, turn in enumerate(turns) if isinstance(turn, User)), default=0)
    for place, turn in enumerate(turns):
        if isinstance(turn, User):
            messages.append({"role": "user", "content": turn.text})
        elif turn.content or turn.calls:
            messages += _answered(turn, within_turn=place > last_user)
    return messages


def _thinking(act: Act) -> dict[str, Any]:
    """Servers have different words for it, and read past those of others: Ponder and DashScope take the first of each
    pair, vLLM and SGLang the second."""
    if act.thinking is None and act.budget is None:
        return {}
    thinks = act.thinking is not False
    fields: dict[str, Any] = {"enable_thinking": thinks, "chat_template_kwargs": {"enable_thinking": thinks}}
    if thinks and act.budget is not None:
        fields |= {"thinking_budget": act.budget, "thinking_token_budget": act.budget}
    return fields


def _answered(answer: Answer, within_turn: bool) -> list[dict[str, Any]]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.content}
    # A thought belongs to the turn that is still running, between tool calls; templates drop older ones.
    if within_turn and answer.thinking:
        message["reasoning_content"] = answer.thinking
    if answer.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in answer.calls
        ]
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": NO_RESULT if call.result is None else call.result}
        for call in answer.calls
    ]
    return [message, *results]
