import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.chat.parser import parse_output
from ponder.chat.renderer import Renderer
from ponder.chat.thinking import (
    EFFORT_BUDGETS,
    END_PHRASE,
    SHORT_END,
    ThinkingPolicy,
    end_phrase,
    resolve_thinking,
)

ON = ThinkingPolicy()
OFF = ThinkingPolicy(enabled=False)
BUDGETS = ["thinking_budget", "thinking_token_budget", "thinking_budget_tokens", "max_thinking_tokens"]
BUDGETS += ["reasoning_budget", "reasoning_budget_tokens"]
INSIDE = ["thinking.budget_tokens", "reasoning.max_tokens", "chat_template_kwargs.thinking_budget"]


@pytest.mark.parametrize(
    "request_off",
    [
        {"enable_thinking": False},
        {"chat_template_kwargs": {"enable_thinking": False, "other": {"x": 1}}},
        {"chat_template_kwargs": {"thinking": False}},
        {"thinking": {"type": "disabled"}},
        {"thinking": False},
        {"think": False},
        {"reasoning": {"enabled": False, "summary": "auto"}},
    ],
)
def test_every_switch(request_off):
    assert resolve_thinking(request_off) == OFF
    assert resolve_thinking(request_off, default=ON) == OFF
    assert resolve_thinking({**request_off, "enable_thinking": False, "think": None, "messages": []}) == OFF
    on = {"disabled": "enabled", False: True}

    def flipped(value):
        if isinstance(value, dict):
            return {key: flipped(inner) for key, inner in value.items()}
        return on.get(value, value) if isinstance(value, str | bool) else value

    assert resolve_thinking(flipped(request_off), default=OFF) == ON


@pytest.mark.parametrize("effort", EFFORT_BUDGETS)
@pytest.mark.parametrize("spelling", ["reasoning_effort", "think", "reasoning"])
def test_every_effort(effort, spelling):
    request = {spelling: {"effort": effort} if spelling == "reasoning" else effort}
    policy = resolve_thinking(request, default=ThinkingPolicy(budget=7))
    assert policy == ThinkingPolicy(effort != "none", EFFORT_BUDGETS[effort], effort)


def test_the_budgets_of_efforts():
    told = {"none": 0, "minimal": 128, "low": 512, "medium": 2048, "high": 8192, "xhigh": 16_384, "max": None}
    assert told == EFFORT_BUDGETS


@pytest.mark.parametrize("spelling", [*BUDGETS, *INSIDE])
def test_every_budget(spelling):
    def request(value):
        outer, _, inner = spelling.partition(".")
        return {outer: {inner: value} if inner else value}

    assert resolve_thinking(request(300), default=OFF) == ThinkingPolicy(True, 300)
    assert resolve_thinking(request(0)) == ThinkingPolicy(False, 0)
    assert resolve_thinking(request(None)) == ON
    for bad in (-1, 2.0, "300", True, [], {}):
        with pytest.raises(ValueError, match=f"^{spelling} is .*0 or more"):
            resolve_thinking(request(bad))


def test_a_budget_is_more_exact_than_an_effort():
    asked = {"reasoning_effort": "high", "thinking_budget": 300}
    assert resolve_thinking(asked) == ThinkingPolicy(True, 300, "high")


def test_what_is_not_said_is_as_in_the_default():
    default = ThinkingPolicy(True, 700, "low", 50)
    assert resolve_thinking({}, default) == default
    assert resolve_thinking({"think": True}, default) == default
    assert resolve_thinking({"think": False}, default).limits(100) == (False, None)
    assert resolve_thinking({"thinking_budget": 9, "answer_reserve": 0}, default) == ThinkingPolicy(True, 9, None, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"enable_thinking": True}, {"think": False}),
        ({"enable_thinking": False}, {"thinking_budget": 100}),
        ({"enable_thinking": True}, {"thinking_budget": 0}),
        ({"think": True}, {"reasoning_effort": "none"}),
        ({"think": False}, {"reasoning_effort": "high"}),
        ({"think": "low"}, {"reasoning_effort": "high"}),
        ({"thinking_budget": 100}, {"max_thinking_tokens": 200}),
        ({"enable_thinking": False}, {"thinking": {"type": "enabled"}}),
        ({"enable_thinking": True}, {"chat_template_kwargs": {"enable_thinking": False}}),
        ({"thinking_budget": 100}, {"reasoning": {"max_tokens": 200}}),
    ],
)
def test_contradictions_are_refused_with_both_names(one, other):
    with pytest.raises(ValueError, match="contradict each other") as error:
        resolve_thinking(one | other)
    for name in (*one, *other):
        assert name in str(error.value)
    resolve_thinking(one)
    resolve_thinking(other)


@pytest.mark.parametrize(
    ("request_fields", "complaint"),
    [
        ({"enable_thinking": "false"}, "enable_thinking is 'false'; use true or false"),
        ({"enable_thinking": 1}, "use true or false"),
        ({"think": "very"}, "think is 'very'; use one of none, minimal"),
        ({"reasoning_effort": 0.5}, "reasoning_effort is 0.5; use one of"),
        ({"reasoning_effort": ["low"]}, "use one of"),
        ({"thinking": {"type": "on"}}, "thinking.type is 'on'; use one of enabled, disabled"),
        ({"thinking": {"budget": 3}}, "thinking has no field 'budget'; it has type, budget_tokens"),
        ({"thinking": []}, r"thinking is \[\]"),
        ({"reasoning": "high"}, "reasoning is 'high'"),
        ({"reasoning": {"max_token": 3}}, "reasoning has no field 'max_token'"),
        ({"chat_template_kwargs": True}, "chat_template_kwargs is True; give an object"),
        ({"answer_reserve": -1}, "answer_reserve is -1"),
        ({"answer_reserve": False}, "answer_reserve is False"),
        ({"think": "x" * 10_000}, "think is 'x{79}; use"),
    ],
)
def test_wrong_values_are_refused(request_fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        resolve_thinking(request_fields)


@pytest.mark.parametrize(
    ("policy", "max_tokens", "limits"),
    [
        (ON, None, (True, None)),
        (ON, 32_768, (True, 32_768 - 1024)),
        (ON, 1000, (True, 750)),
        (ON, 1, (True, 1)),
        (OFF, 1000, (False, None)),
        (ThinkingPolicy(budget=0), 1000, (False, None)),
        (ThinkingPolicy(budget=512), None, (True, 512)),
        (ThinkingPolicy(budget=512), 32_768, (True, 512)),
        (ThinkingPolicy(budget=8192), 4000, (True, 3000)),
        (ThinkingPolicy(answer_reserve=0), 1000, (True, None)),
        (ThinkingPolicy(answer_reserve=0, budget=2000), 1000, (True, 2000)),
        (ThinkingPolicy(answer_reserve=100), 1000, (True, 900)),
        (ThinkingPolicy(answer_reserve=1000), 1000, (False, None)),
    ],
)
def test_limits(policy, max_tokens, limits):
    assert policy.limits(max_tokens) == limits


@given(budget=st.none() | st.integers(1, 10**6), max_tokens=st.integers(1, 10**6))
def test_there_is_room_for_an_answer_within_any_budget(budget, max_tokens):
    thinking, limit = ThinkingPolicy(budget=budget).limits(max_tokens)
    assert thinking
    assert 1 <= limit <= max_tokens - min(1024, max_tokens // 4)
    assert budget is None or limit <= budget


def test_the_end_phrase(renderer, variant):
    ids = end_phrase(renderer)
    assert renderer.decode(ids) == END_PHRASE
    assert ids.count(renderer.markers.think_end) == 1
    assert end_phrase(renderer, room=2 * len(ids)) == ids
    assert renderer.decode(end_phrase(renderer, room=2 * len(ids) - 1)) == SHORT_END


def test_the_end_phrase_is_text_without_thinking_tokens(tiny):
    files = {path.name: path.read_bytes() for path in tiny.iterdir()}
    files["tokenizer.json"] = files["tokenizer.json"].replace(b'"</think>"', b'"</thinks>"')
    renderer = Renderer(files, "here")
    ids = end_phrase(renderer)
    assert renderer.decode(ids) == END_PHRASE
    assert parse_output([*renderer.encode("so"), *ids, *renderer.encode("4")], renderer, True).content == "4"
