"""What comes over the wire while an answer is made, and how each event changes the answer."""

from dataclasses import dataclass, replace

from ponder.clients.talk.conversation import Answer, Phase, ToolCall, Usage


@dataclass(frozen=True)
class Started:
    """The server has taken the request. `id`: what the control endpoint calls it."""

    id: str
    thinking: bool
    warning: str | None = None


@dataclass(frozen=True)
class Thought:
    text: str


@dataclass(frozen=True)
class Said:
    text: str


@dataclass(frozen=True)
class CallStarted:
    index: int
    id: str
    name: str


@dataclass(frozen=True)
class CallArguments:
    index: int
    text: str


@dataclass(frozen=True)
class Counted:
    usage: Usage


@dataclass(frozen=True)
class Ended:
    finish_reason: str | None
    thinking_end: str | None = None
    stop_reason: str | None = None


Event = Started | Thought | Said | CallStarted | CallArguments | Counted | Ended


def after(answer: Answer, event: Event, now: float) -> Answer:
    """The answer when the event has happened, at `now` seconds of a monotonic clock."""
    match event:
        case Started(id, thinking, warning):
            answer = replace(answer, request_id=id, warning=warning)
            return _enter(answer, "thinking", now) if thinking else answer
        case Thought(text):
            answer = _enter(answer, "thinking", now)
            return replace(answer, thinking=answer.thinking + text)
        case Said(""):
            return answer
        case Said(text):
            answer = _enter(answer, "answering", now)
            return replace(answer, content=answer.content + text)
        case CallStarted(index, id, name):
            answer = _enter(answer, "answering", now)
            if index < len(answer.calls) and (answer.calls[index].id, answer.calls[index].name) == (id, name):
                return answer  # some servers say it with every fragment of the arguments
            return replace(answer, calls=(*answer.calls[:index], ToolCall(id, name)))
        case CallArguments(index, text) if index < len(answer.calls):
            call = answer.calls[index]
            call = replace(call, arguments=call.arguments + text)
            return replace(answer, calls=(*answer.calls[:index], call, *answer.calls[index + 1 :]))
        case Counted(usage):
            return replace(answer, usage=usage)
        case Ended(finish_reason, thinking_end, stop_reason):
            end = thinking_end or answer.thinking_end
            return replace(answer, finish_reason=finish_reason, thinking_end=end, stop_reason=stop_reason)
        case _:
            return answer


def finished(answer: Answer, now: float) -> Answer:
    """The answer when nothing more comes."""
    return _enter(answer, "done", now)


def stopped(answer: Answer, now: float) -> Answer:
    """The answer when the user has stopped it: what was said stays."""
    doing = "answering" if answer.phase == "answering" else "thinking"
    return replace(_enter(answer, "done", now), stopped=doing)


def failed(answer: Answer, reason: str, now: float) -> Answer:
    return replace(_enter(answer, "done", now), error=reason)


def thinking_seconds(answer: Answer, now: float) -> float:
    """How long it has been thinking."""
    running = 0.0 if answer.thought_from is None else now - answer.thought_from
    return answer.thinking_s + running


def _enter(answer: Answer, phase: Phase, now: float) -> Answer:
    if answer.phase == phase:
        return answer
    answer = replace(answer, thinking_s=thinking_seconds(answer, now), thought_from=None, phase=phase)
    return replace(answer, thought_from=now) if phase == "thinking" else answer
