"""What the page shows: a conversation as a tree of parts, which the page's script (page.js) brings into the document.

A part is a dict: `key` (its identity, so that what has not changed is left alone), `cls`, `tag`; of its content exactly
one of `html` (ours, safe), `text` (anybody's, shown as it is) and `parts`; `fold` (it can be folded: title, open), `act`
(clicking it does this), `copy` (clicking it copies this of the kept turns: place, field), `form` (a text to fill in:
label, hint, act), `attrs`.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ponder.clients.page.keeping import INTERRUPTED, kept
from ponder.clients.page.labels import Language, label
from ponder.clients.page.markdown import rendered, visible
from ponder.clients.talk.conversation import Answer, Conversation, ToolCall, User
from ponder.clients.talk.events import thinking_seconds

MOST_ARGUMENTS = 10_000  # characters of arguments and results that are shown
MOST_NAME = 200  # of a tool's name
Part = dict[str, Any]


@dataclass(frozen=True)
class Pace:
    """How fast an answer came: seconds to its first token and to its end, counted from the request."""

    first_s: float
    all_s: float


def page(
    conversation: Conversation,
    language: Language,
    longest: int | None,
    now: float | None = None,
    problem: str = "",
    paces: Mapping[int, Pace] = MappingProxyType({}),
) -> dict[str, Any]:
    """All that is shown, as JSON.

    Args:
        longest: most tokens that the model can hold, where it is known
        now: seconds of the monotonic clock
        problem: what is wrong, outside of the conversation
        paces: of answers that came in one go, by their numbers
    """
    now = time.monotonic() if now is None else now
    numbers = conversation.path()
    last = conversation.nodes[numbers[-1]].turn if numbers else None
    running = last.phase if isinstance(last, Answer) and last.phase != "done" else ""
    busy = bool(running)
    viewer = _Viewer(conversation, language, now, busy, paces)
    return {
        "language": language,
        "running": running,
        "status": _status(last, language),
        "problem": problem,
        "gauge": _gauge(conversation, numbers, longest, language),
        "parts": [viewer.turn(place, number, is_last=number == numbers[-1]) for place, number in enumerate(numbers)],
        "kept": kept(conversation),
    }


class _Viewer:
    def __init__(
        self,
        conversation: Conversation,
        language: Language,
        now: float,
        busy: bool,
        paces: Mapping[int, Pace],
    ):
        self._conversation, self._language, self._now, self._busy = conversation, language, now, busy
        self._paces = paces

    def turn(self, place: int, number: int, is_last: bool) -> Part:
        turn = self._conversation.nodes[number].turn
        if isinstance(turn, User):
            return self._user(number, turn)
        return self._answer(place, number, turn, is_last)

    def _user(self, number: int, user: User) -> Part:
        buttons = [*self._versions(number)]
        if not self._busy:
            buttons.append(self._button("edit", {"edit": number}))
        parts = [{"key": "text", "cls": "said", "text": user.text}, *self._row(buttons)]
        return {
            "key": f"u{number}",
            "tag": "article",
            "cls": "user",
            "attrs": {"aria-label": self._label("you")},
            "parts": parts,
        }

    def _answer(self, place: int, number: int, answer: Answer, is_last: bool) -> Part:
        parts: list[Part] = []
        if answer.phase == "waiting" and not answer.thinking:
            parts.append({"key": "waiting", "cls": "waiting", "text": self._label("waiting")})
        if answer.thinking or answer.phase == "thinking":
            parts.append(self._thinking(answer))
        writing = answer.phase == "answering"
        if answer.content:
            parts.append({"key": "answer", "cls": "answer", "parts": self._markdown(answer.content, writing)})
        for index, call in enumerate(answer.calls):
            parts.append(self._call(number, index, call, writing and index == len(answer.calls) - 1))
        parts += self._notices(answer)
        if not self._busy:
            parts += self._row([*self._versions(number), *self._answer_buttons(place, number, answer, is_last)])
            parts += self._pace(number, answer)
        attrs = {"aria-label": "Ponder"}
        cls = "model" if answer.phase == "done" else "model growing"
        return {"key": f"a{number}", "tag": "article", "cls": cls, "attrs": attrs, "parts": parts}

    def _thinking(self, answer: Answer) -> Part:
        pending = answer.phase in ("thinking", "waiting")
        seconds = thinking_seconds(answer, self._now)
        tokens = answer.usage.reasoning if answer.usage else 0
        title = "thinking_for" if pending else "thought_for"
        title += "_tokens" if tokens else ""
        return {
            "key": "thinking",
            "cls": "thinking pending" if pending else "thinking",
            "fold": {
                "title": self._label(title, time=self._time(seconds, pending), tokens=f"{tokens:,}"),
                "open": pending,
            },
            # Nobody wants to hear every token of a thought.
            "attrs": {"aria-live": "off"},
            "parts": self._markdown(answer.thinking, pending),
        }

    def _markdown(self, text: str, growing: bool) -> list[Part]:
        pieces = rendered(text, self._label("copy_code"), growing)
        return [{"key": str(place), "cls": "chunk", "html": html} for place, html in enumerate(pieces)]

    def _call(self, number: int, index: int, call: ToolCall, writing: bool) -> Part:
        arguments, is_json = _pretty(call.arguments or "{}")
        status = "call_writing" if writing else "call_broken" if not is_json else "call_waiting"
        if call.result is not None:
            status = "call_done"
        title = f"{self._label('tool', name=_short(call.name, MOST_NAME))}: {self._label(status)}"
        parts: list[Part] = [
            {"key": "arguments-head", "cls": "field", "text": self._label("arguments")},
            {"key": "arguments", "tag": "pre", "attrs": {"tabindex": "0"}, "text": _short(arguments)},
        ]
        if call.result is not None:
            parts.append({"key": "result-head", "cls": "field", "text": self._label("result")})
            parts.append({"key": "result", "tag": "pre", "attrs": {"tabindex": "0"}, "text": _short(call.result)})
        elif not self._busy:
            form = {"label": self._label("send_result"), "hint": self._label("result_hint")}
            form["act"] = {"name": "result", "node": number, "call": index}
            parts.append({"key": "form", "cls": "fill", "form": form})
        return {
            "key": f"call{index}",
            "cls": f"call {status.removeprefix('call_')}",
            "fold": {"title": title, "open": call.result is None},
            "parts": parts,
        }

    def _notices(self, answer: Answer) -> list[Part]:
        notices = []
        if answer.usage and answer.usage.rope_factor > 1:
            notices.append(self._label("yarn", factor=f"{answer.usage.rope_factor:g}"))
        if answer.warning:
            notices.append(answer.warning)
        ends = {"budget": "budget_reached", "user": "asked_to_answer", "loop": "loop_rescued"}
        if answer.thinking_end in ends:
            notices.append(self._label(ends[answer.thinking_end]))
        if answer.stop_reason == "repetition_detected":
            notices.append(self._label("repetition"))
        if answer.finish_reason == "length":
            silent = not (answer.content or answer.calls)
            notices.append(self._label("cut_off_thinking" if silent else "cut_off"))
        if answer.stopped:
            notices.append(self._label(f"stopped_{answer.stopped}"))
        if answer.finish_reason in ("stop", "tool_calls") and not (answer.content or answer.calls):
            notices.append(self._label("no_answer"))
        parts = [{"key": f"notice{place}", "cls": "notice", "text": text} for place, text in enumerate(notices)]
        if answer.error:
            reason = self._label(INTERRUPTED) if answer.error == INTERRUPTED else answer.error
            parts.append({"key": "error", "cls": "notice error", "text": self._label("error", reason=reason)})
        return parts

    def _answer_buttons(self, place: int, number: int, answer: Answer, is_last: bool) -> list[Part]:
        buttons = []
        if is_last and answer.may_go_on:
            if answer.thinking and not answer.content:
                buttons.append(self._button("answer_now", {"name": "conclude", "node": number}))
            buttons.append(self._button("continue", {"name": "continue", "node": number}))
        buttons.append(self._button("retry", {"name": "retry", "node": number}))
        for key, field in (("copy_answer", "content"), ("copy_thoughts", "thinking")):
            if getattr(answer, field):
                button = {"key": key, "tag": "button", "cls": "small", "text": self._label(key)}
                buttons.append(button | {"copy": [place, field]})
        return buttons

    def _pace(self, number: int, answer: Answer) -> list[Part]:
        pace = self._paces.get(number)
        if pace is None or not answer.usage or pace.all_s <= 0:
            return []
        tokens, rate = answer.usage.completion - answer.usage.reasoning, answer.usage.completion / pace.all_s
        fields = {"tokens": f"{tokens:,}", "rate": f"{rate:,.0f}", "first": f"{pace.first_s:.1f}"}
        return [{"key": "pace", "cls": "pace", "text": self._label("pace", **fields)}]

    def _time(self, seconds: float, pending: bool) -> str:
        if seconds >= 60:
            return self._label("minutes", minutes=int(seconds) // 60, seconds=int(seconds) % 60)
        if pending or seconds >= 1:
            return self._label("seconds", seconds=int(seconds))
        return self._label("seconds", seconds=f"{seconds:.1f}") if seconds >= 0.1 else self._label("instant")

    def _versions(self, number: int) -> list[Part]:
        """Buttons to the turn's other versions, where there are any: < 2/3 >."""
        versions = self._conversation.versions(number)
        if len(versions) == 1 or self._busy:
            return []
        place = versions.index(number)
        parts = []
        for key, sign, other in (("earlier", "\u2039", place - 1), ("later", "\u203a", place + 1)):
            exists = 0 <= other < len(versions)
            act = {"act": {"name": "show", "node": versions[other]}} if exists else {}
            attrs = {"aria-label": self._label(key)} | ({} if exists else {"disabled": ""})
            parts.append({"key": key, "tag": "button", "cls": "small", "text": sign, "attrs": attrs} | act)
        count = {"key": "count", "tag": "span", "cls": "count", "text": f"{place + 1}/{len(versions)}"}
        return [parts[0], count, parts[1]]

    def _button(self, key: str, act: dict[str, Any]) -> Part:
        return {"key": key, "tag": "button", "cls": "small", "text": self._label(key), "act": act}

    def _row(self, buttons: list[Part]) -> list[Part]:
        return [{"key": "buttons", "cls": "buttons", "parts": buttons}] if buttons else []

    def _label(self, key: str, **fields: object) -> str:
        return label(self._language, key, **fields)


def _status(last: object, language: Language) -> str:
    """For those who hear the page: what has come to pass, not every word of it."""
    if not isinstance(last, Answer) or last.phase == "waiting":
        return ""
    if last.phase == "done":
        key = "failed" if last.error else "stopped" if last.stopped else "tool" if last.awaits_results else "complete"
        return label(language, f"status_{key}")
    return label(language, f"status_{last.phase}")


def _gauge(
    conversation: Conversation, numbers: tuple[int, ...], longest: int | None, language: Language
) -> dict[str, Any]:
    """How much of the context the shown conversation takes, as the server last counted it."""
    turns = [conversation.nodes[number].turn for number in numbers]
    usages = [turn.usage for turn in turns if isinstance(turn, Answer) and turn.usage]
    used = usages[-1].total if usages else 0
    most = f"{longest:,}" if longest else "?"
    text = label(language, "tokens_used", used=f"{used:,}", most=most)
    return {"used": used, "most": longest or 0, "text": text}


def _pretty(arguments: str) -> tuple[str, bool]:
    """The arguments in lines, and whether they are JSON."""
    try:
        return json.dumps(json.loads(arguments), indent=2, ensure_ascii=False, allow_nan=False), True
    except (ValueError, RecursionError):
        return arguments, False


def _short(text: str, most: int = MOST_ARGUMENTS) -> str:
    return visible(text if len(text) <= most else f"{text[:most]}... ({len(text):,})")
