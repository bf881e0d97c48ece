"""A conversation as a file: JSON that can be sent again, or Markdown to be read."""

import json
from pathlib import Path

from ponder.clients.talk.asking import messages_of
from ponder.clients.talk.conversation import Answer, Conversation, User


def save(conversation: Conversation, system: str, path: Path) -> int:
    """Writes what is shown now to a new file.

    Returns:
        how many turns there are
    Raises:
        ValueError: another kind of file, one that is there already, or one that cannot be written.
    """
    writers = {".json": as_json, ".md": as_markdown}
    if path.suffix not in writers:
        raise ValueError(f"{path} must end with .json (messages that can be sent again) or .md (to be read)")
    text = writers[path.suffix](conversation, system)
    try:
        with path.open("x", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except FileExistsError:
        raise ValueError(f"{path} is there already, and is not overwritten: choose another name") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror or error}") from None
    return len(conversation.path())


def as_json(conversation: Conversation, system: str) -> str:
    """A list of messages in OpenAI's form."""
    return json.dumps(messages_of(conversation, conversation.tip, system), indent=2) + "\n"


def as_markdown(conversation: Conversation, system: str) -> str:
    parts = [f"## System\n\n{system.strip()}"] if system.strip() else []
    for number in conversation.path():
        match conversation.nodes[number].turn:
            case User(text):
                parts.append(f"## You\n\n{text}")
            case Answer() as answer:
                parts.append(f"## Model\n\n{_answer(answer)}")
    return "\n\n".join(parts) + "\n"


def _answer(answer: Answer) -> str:
    parts = []
    if answer.thinking.strip():
        parts.append("\n".join(f"> {line}".rstrip() for line in answer.thinking.strip().splitlines()))
    parts += [answer.content.strip()] if answer.content.strip() else []
    parts += [f"    {call.name}({call.arguments or '{}'})" for call in answer.calls]
    parts += [f"*Error: {answer.error}*"] if answer.error else []
    return "\n\n".join(parts) or "*nothing*"
