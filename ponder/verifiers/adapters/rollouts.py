"""What the adapters share: a trainer's completion and row, as the response and the task that the judge takes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ponder.chat.messages import flat_text
from ponder.tasks.task import Task
from ponder.verifiers.api import task_of
from ponder.verifiers.response import Response, as_response
from ponder.verifiers.table import VERIFIERS
from ponder.verifiers.verdict import Verdict


class NoScoreError(Exception):
    """The verifier failed or ran out of time, so the rollout has no score. Nothing was found wrong with its answer."""


def task_from(verifier: str, reference: Any, row: Mapping[str, Any]) -> Task:
    """The task of a trainer's row. Of the row `tools` (or `functions`), `choices` and `metadata` are read, if there.

    Data sets in Parquet and Arrow bend nested values: they give all objects of a column the same keys. So what is
    nested may be given as JSON text. NumPy arrays, which some readers make of lists, are lists again.
    """
    reference = _nested(reference) if VERIFIERS[verifier].structured else _plain(reference)
    tools = _nested(row.get("tools")) or _nested(row.get("functions")) or ()
    metadata = dict(_nested(row.get("metadata")) or {})
    if choices := _nested(row.get("choices")):
        metadata["choices"] = choices
    return task_of(verifier, reference, tuple(tools), metadata)


def response_from(
    completion: Any, prompt_opens_thinking: bool = False, truncated: bool = False, tokens: int | None = None
) -> Response:
    """The response of a completion: its text, a message, or the messages of a turn, of which the assistant's last counts.

    Messages are mappings in the OpenAI form, or Pydantic models of it. With `prompt_opens_thinking` the `<think>` stands
    at the end of the prompt, as some chat templates have it: text without a `</think>` is then thinking that never
    ended, and holds no answer.
    """
    if isinstance(completion, Sequence) and not isinstance(completion, str):
        completion = next((m for m in map(_message, reversed(completion)) if m["role"] == "assistant"), "")
    if isinstance(completion, Mapping):
        content = flat_text(completion.get("content"), "the completion")
        if prompt_opens_thinking and not completion.get("reasoning_content") and not completion.get("tool_calls"):
            content = "<think>" + content
        completion = {**completion, "content": content}
    elif prompt_opens_thinking:
        completion = "<think>" + completion
    return replace(as_response(completion), truncated=truncated, tokens=tokens)


def score_of(verdict: Verdict) -> float:
    """The score. NoScoreError for `error` and `timeout`: these are never a 0."""
    if verdict.score is None:
        raise NoScoreError(f"no verdict ({verdict.status}): {verdict.reason}")
    return verdict.score


def _message(message: Any) -> Mapping[str, Any]:
    return message if isinstance(message, Mapping) else message.model_dump()


def _nested(value: Any) -> Any:
    """A list or object, from JSON text if it is one. Other text is left to the verifier, which says what it needs."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return _plain(value)


def _plain(value: Any) -> Any:
    """The value without NumPy's arrays and numbers, which are no JSON."""
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
