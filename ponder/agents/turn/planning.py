"""From a conversation to the plan of the turn that answers it: prompt, lengths and thinking policy, in ids and numbers.

    plan = plan_turn(renderer, lengths, messages, tools=tools, policy=ThinkingPolicy(budget=500), params=params)
    parser = OutputParser(renderer, plan.prompt.thinking_open, tools)
    async for piece in Generation(engine, renderer, plan, parser, "a name").pieces(): ...

It computes and waits for nothing; long prompts belong into a thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ponder.agents.turn.lengths import Lengths
from ponder.agents.turn.plan import Plan, Structure
from ponder.chat.continuing import continued
from ponder.chat.renderer import Prompt, Renderer
from ponder.chat.thinking import ThinkingPolicy, end_phrase
from ponder.engine.protocol import SamplingParams


def plan_turn(
    renderer: Renderer,
    lengths: Lengths,
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]] = (),
    policy: ThinkingPolicy = ThinkingPolicy(),  # noqa: B008 (frozen)
    params: SamplingParams = SamplingParams(),  # noqa: B008 (frozen)
    max_tokens: int | None = None,
    cut: bool = False,
    rope_factor: float | None = None,
    structure: Structure | None = None,
    goes_on: bool = False,
    rescues: bool = True,
    seed: int = 0,
) -> Plan:
    """
    Args:
        params: how to draw; its max_tokens is not read
        max_tokens: of the turn, thinking included; None is what the context leaves
        cut: max_tokens may be more than the context leaves, and is cut to that
        rope_factor: YaRN's; None is the smallest that suffices
        goes_on: the last message is the assistant's, and is continued
        rescues: what repeats itself is ended (`Plan`)
    Raises:
        TooLong: the context cannot hold it.
        ValueError: messages that cannot be rendered, or a factor that is not offered.
    """
    # Lengths decide whether there is room to think, thinking how the prompt ends: a few tokens, not worth a loop.
    prompt = render(renderer, messages, tools, policy.enabled, goes_on)
    factor, most = lengths.fit(len(prompt.ids), max_tokens, rope_factor, cut)
    thinking, budget = policy.limits(most)
    if policy.enabled and not thinking:
        prompt = render(renderer, messages, tools, False, goes_on)
        factor, most = lengths.fit(len(prompt.ids), max_tokens, rope_factor, cut)
    if goes_on:
        thinking = prompt.thinking_open
    elif structure and thinking and not prompt.thinking_open:
        prompt = _opened(renderer, prompt)
        factor, most = lengths.fit(len(prompt.ids), max_tokens, rope_factor, cut)
    if not thinking and renderer.markers.written:
        budget = 0  # nothing in the prompt keeps this model from a <think>: where it writes one, it ends at once
    phrase = end_phrase(renderer, None if budget is None else most - budget)
    if budget is not None and budget + len(phrase) >= most:
        budget = None  # an answer of no tokens is no answer
    return Plan(
        prompt=prompt,
        params=replace(params, max_tokens=most),
        seed=seed,
        rope_factor=factor,
        thinking=thinking,
        budget=budget,
        end_phrase=phrase,
        structure=structure,
        rescues=rescues,
    )


def render(
    renderer: Renderer,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    thinking: bool,
    goes_on: bool = False,
) -> Prompt:
    """The prompt of a turn. Raises ValueError for messages that cannot be rendered."""
    if goes_on:
        return continued(renderer, messages, tools, thinking)
    return renderer.render(messages, tools, thinking=thinking)


def _opened(renderer: Renderer, prompt: Prompt) -> Prompt:
    """Where a grammar waits for the end of the thought, the thought is opened for the model, so that there is one."""
    if renderer.markers.think is None:
        return prompt
    return Prompt([*prompt.ids, *renderer.encode_written("<think>\n")], prompt.text + "<think>\n", thinking_open=True)
