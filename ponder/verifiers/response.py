"""What a verifier sees of a rollout, and what a verifier hands to a worker process."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Response:
    """The last turn of a rollout, split by the chat parser.

    `content` is what follows the thinking; `thinking_closed` is False when the thinking never ended (then there is
    no content); `truncated` when the token limit cut the response off.
    """

    reasoning: str
    content: str
    thinking_closed: bool
    truncated: bool


@dataclass(frozen=True)
class Job:
    """A comparison left to a worker process: a request for ponder.verifiers.worker, and what it is about."""

    request: dict
    parsed: str
    reference: str
