"""How long a model may think: one policy from the many ways in which clients say it.

    policy = resolve_thinking(request)                  # the request's fields, as a mapping
    thinking, budget = policy.limits(max_tokens)        # Renderer.render(thinking=...), tokens until the end phrase
    forced = end_phrase(renderer, room)                 # ids that end the thought when the budget is spent

| said | by |
| --- | --- |
| on or off | `enable_thinking`, `chat_template_kwargs.enable_thinking` or `.thinking`, `think`, `thinking.type`, `reasoning.enabled` |
| effort | `reasoning_effort`, `reasoning.effort`, `think`: none, minimal, low, medium, high, xhigh, max |
| budget in tokens | `thinking_budget`, `thinking_token_budget`, `thinking_budget_tokens`, `max_thinking_tokens`, `reasoning_budget`, `reasoning_budget_tokens`, `thinking.budget_tokens`, `reasoning.max_tokens`, `chat_template_kwargs.thinking_budget` |

An effort is a budget (`EFFORT_BUDGETS`) where no budget is given; effort none and budget 0 are off, all others are on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ponder.chat.renderer import Renderer

# Low, medium and high are llama.cpp's; None is without limit.
EFFORT_BUDGETS = {"none": 0, "minimal": 128, "low": 512, "medium": 2048, "high": 8192, "xhigh": 16_384, "max": None}
MOST_RESERVE = 1024

# Qwen3's own words, from its quickstart: models of the family have seen thoughts end so.
END_PHRASE = (
    "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now.\n"
    "</think>\n\n"
)
SHORT_END = "\n</think>\n\n"

_BUDGETS = (
    "thinking_budget",
    "thinking_token_budget",
    "thinking_budget_tokens",
    "max_thinking_tokens",
    "reasoning_budget",
    "reasoning_budget_tokens",
)
# Objects, with the fields in them that are read here, and those that are not: how reasoning is shown, for example.
_ANY = ("...",)
_OBJECTS = {
    "thinking": (("type", "budget_tokens"), ()),
    "reasoning": (("effort", "enabled", "max_tokens"), ("exclude", "summary", "generate_summary")),
    "chat_template_kwargs": (("enable_thinking", "thinking", "thinking_budget"), _ANY),
}
_THINKING_TYPES = {"enabled": True, "disabled": False, "adaptive": None, "auto": None}


@dataclass(frozen=True)
class ThinkingPolicy:
    """Whether and how long to think.

    `budget`: most tokens of thought, None for no limit. `effort`: the one that was asked for, None where none was.
    `answer_reserve`: tokens of max_tokens that are kept for the answer; None for the usual, 0 for none. `asked`: a request
    says to think, or for how long.
    """

    enabled: bool = True
    budget: int | None = None
    effort: str | None = None
    answer_reserve: int | None = None
    asked: bool = field(default=False, compare=False)

    def limits(self, max_tokens: int | None) -> tuple[bool, int | None]:
        """Whether to think, and after how many tokens the thought has to end (None: never), in an output of max_tokens.

        A budget never reaches into the answer's reserve, so that there is an answer whatever the model does; usually
        that is a quarter of max_tokens, and not more than 1024. Where nothing is left to think with, thinking is off.
        """
        if not self.enabled:
            return False, None
        limits = [self.budget] if self.budget is not None else []
        if max_tokens is not None and self.answer_reserve != 0:
            usual = min(MOST_RESERVE, max_tokens // 4)
            limits.append(max_tokens - (usual if self.answer_reserve is None else self.answer_reserve))
        if not limits:
            return True, None
        return (True, min(limits)) if min(limits) > 0 else (False, None)


def resolve_thinking(request: Mapping[str, Any], default: ThinkingPolicy = ThinkingPolicy()) -> ThinkingPolicy:
    """The policy that a request asks for; what it leaves open (or null) is as in `default`.

    Raises ValueError, naming the fields: two that contradict each other, a budget that is negative or no whole
    number, a value of another type, an unknown effort or key.
    """
    said = _Said()
    for name, value in _flat(request):
        said.take(name, value)
    enabled = said.one("on or off")
    effort, budget = said.one("effort"), said.one("budget")
    reserve = request.get("answer_reserve")
    return ThinkingPolicy(
        enabled=default.enabled if enabled is None else enabled,
        budget=budget if budget is not None else EFFORT_BUDGETS[effort] if effort else default.budget,
        effort=effort if effort or budget is not None else default.effort,
        answer_reserve=default.answer_reserve if reserve is None else _tokens("answer_reserve", reserve),
        asked=bool(enabled),
    )


def end_phrase(renderer: Renderer, room: int | None = None) -> tuple[int, ...]:
    """Ids that end a thought: END_PHRASE, or SHORT_END where it would take more than half of `room` tokens.

    `</think>` in them is a token, or text where the tokenizer has no such token.
    """
    phrase = renderer.encode_written(END_PHRASE)
    return tuple(phrase if room is None or 2 * len(phrase) <= room else renderer.encode_written(SHORT_END))


class _Said:
    """What the fields of a request say, with the field that said it first."""

    def __init__(self) -> None:
        self._by_topic: dict[str, tuple[str, Any]] = {}

    def one(self, topic: str) -> Any:
        return self._by_topic.get(topic, ("", None))[1]

    def take(self, name: str, value: Any) -> None:
        if name.rpartition(".")[2] in (*_BUDGETS, "budget_tokens", "max_tokens"):
            self._note("budget", name, _tokens(name, value))
            self._note("on or off", name, value > 0)
        elif name in ("reasoning_effort", "reasoning.effort") or (name == "think" and isinstance(value, str)):
            if not isinstance(value, str) or value not in EFFORT_BUDGETS:
                raise ValueError(f"{name} is {_shown(value)}; use one of {', '.join(EFFORT_BUDGETS)}")
            self._note("effort", name, value)
            self._note("on or off", name, value != "none")
        elif name == "thinking.type":
            if not isinstance(value, str) or value not in _THINKING_TYPES:
                raise ValueError(f"{name} is {_shown(value)}; use one of {', '.join(_THINKING_TYPES)}")
            if (enabled := _THINKING_TYPES[value]) is not None:
                self._note("on or off", name, enabled)
        else:
            if not isinstance(value, bool):
                raise ValueError(f"{name} is {_shown(value)}; use true or false")
            self._note("on or off", name, value)

    def _note(self, topic: str, name: str, value: Any) -> None:
        before, already = self._by_topic.setdefault(topic, (name, value))
        if already != value:
            raise ValueError(f"{before} and {name} contradict each other; give one of them")


def _flat(request: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields about thinking that are given, those inside objects by their dotted names."""
    fields: dict[str, Any] = {name: request.get(name) for name in ("enable_thinking", "think", "reasoning_effort")}
    fields |= {name: request.get(name) for name in _BUDGETS}
    for name, (keys, others) in _OBJECTS.items():
        inside = request.get(name)
        if not isinstance(inside, Mapping):
            if inside is not None and others == _ANY:
                raise ValueError(f"{name} is {_shown(inside)}; give an object")
            fields[name] = inside  # on or off
            continue
        unknown = [key for key in inside if key not in keys + others]
        if unknown and others != _ANY:
            raise ValueError(f"{name} has no field {_shown(unknown[0])}; it has {', '.join(keys + others)}")
        fields |= {f"{name}.{key}": inside.get(key) for key in keys}
    return ((name, value) for name, value in fields.items() if value is not None)


def _tokens(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is {_shown(value)}; give a whole number of tokens, 0 or more")
    return value


def _shown(value: Any) -> str:
    return repr(value)[:80]
