"""From a request to a plan: sampling defaults, lengths, YaRN's factor and the thinking policy, in ids and numbers."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ponder.agents.turn.begun_answers import going_on
from ponder.agents.turn.lengths import Lengths
from ponder.agents.turn.plan import Plan
from ponder.agents.turn.planning import plan_turn, render
from ponder.chat.parser import OutputParser, ToolMode
from ponder.chat.renderer import Prompt, Renderer
from ponder.chat.thinking import ThinkingPolicy, resolve_thinking
from ponder.engine.counting import key
from ponder.engine.protocol import LEAST_TEMPERATURE, SamplingParams
from ponder.server.answer.structure import Structures
from ponder.server.requests.chat import ChatRequest, NamedTool, plain_messages
from ponder.server.requests.errors import ApiError, or_refuse
from ponder.server.requests.fields import Sampling, ThinkingFields
from ponder.server.requests.oversize import refuse_endless, refuse_endless_messages
from ponder.server.requests.text import MAX_TOKENIZED, CompletionRequest, GenerateRequest

UNTRUNCATED = SamplingParams(temperature=1.0, top_k=0, top_p=1.0)
UNKNOWN_THINKING = (
    "nothing in this model's tokenizer or chat template speaks of thinking: it will not think because it is told to, though "
    "a <think> that it writes counts"
)
GREEDY_WARNING = "greedy decoding makes thinking models repeat themselves; temperature 0.6 is the usual choice"


@dataclass(frozen=True)
class Prepared:
    """One prompt, ready to be answered n times."""

    plans: tuple[Plan, ...]
    tools: tuple[dict[str, Any], ...] | None = None
    tool_mode: ToolMode = "strict"
    warning: str | None = None

    @property
    def prompt(self) -> Prompt:
        return self.plans[0].prompt

    def parser(self, renderer: Renderer) -> OutputParser:
        structure = self.plans[0].structure
        return OutputParser(
            renderer,
            self.prompt.thinking_open,
            self.tools,
            self.tool_mode,
            lenient=True,
            bare=structure is None or structure.answer is None,
            answering=self.prompt.answer_ids is not None,
        )


class Planner:
    """Plans for one model. Everything here computes and waits for nothing; long prompts belong into a thread."""

    def __init__(self, renderer: Renderer, defaults: SamplingParams, lengths: Lengths, vocab_size: int):
        self.renderer, self.defaults, self.lengths, self.vocab_size = renderer, defaults, lengths, vocab_size
        self.structures = Structures(renderer, vocab_size)

    def chat(self, request: ChatRequest) -> Prepared:
        """
        Raises:
            ApiError: what the client has to change.
        """
        policy, tools = _policy(request), _tools(request)
        messages, goes_on = _messages(request), request.continue_final_message
        or_refuse(lambda: refuse_endless_messages(messages, self.renderer, self.lengths.longest, goes_on), "messages")
        or_refuse(lambda: self.lengths.offered(request.rope_factor), "rope_factor")
        structure, params = self.structures.of_chat(request), self._sampling(request, self.defaults)
        if request.logprobs:
            params = replace(params, top_logprobs=request.top_logprobs or 0)
        plan = or_refuse(
            lambda: plan_turn(
                self.renderer,
                self.lengths,
                messages,
                tools=tools,
                policy=policy,
                params=params,
                max_tokens=request.max_completion_tokens or request.max_tokens,
                cut=request.cuts_max_tokens,
                rope_factor=request.rope_factor,
                structure=structure,
                goes_on=goes_on,
                rescues=request.ends_loops,
            ),
            "messages",
        )
        plan = replace(
            plan,
            stops=tuple(request.stop),
            keep_stop=request.include_stop_str_in_output,
            single_call=request.parallel_tool_calls is False or isinstance(request.tool_choice, NamedTool),
        )
        if structure is not None and structure.answer is not None and plan.prompt.answer_ids:
            # Better refused now than in the midst of an answer.
            or_refuse(lambda: going_on(structure.answer(frozenset()), plan.prompt.answer_ids), "messages")
        knows_thinking = self.renderer.knows_thinking
        greedy = params.temperature == 0 and plan.thinking and knows_thinking
        warnings = [GREEDY_WARNING] * greedy + [UNKNOWN_THINKING] * (policy.asked and not knows_thinking)
        return Prepared(
            plans=_seeded(plan, request),
            tools=tuple(tools),
            tool_mode=request.tools_in_reasoning,
            warning="; ".join(warnings) or None,
        )

    def prompt_tokens(self, request: ChatRequest) -> int:
        """Of the prompt alone, also where no context holds it. Raises ApiError."""
        policy, messages, goes_on = _policy(request), _messages(request), request.continue_final_message
        or_refuse(lambda: refuse_endless_messages(messages, self.renderer, MAX_TOKENIZED, goes_on), "messages")
        prompt = or_refuse(
            lambda: render(self.renderer, messages, _tools(request), policy.enabled, goes_on), "messages"
        )
        return len(prompt.ids)

    def completion(self, request: CompletionRequest, prompt: str | list[int]) -> Prepared:
        """One of a request's prompts. Raises ApiError."""
        if isinstance(prompt, str):
            text = prompt
            or_refuse(lambda: refuse_endless([text], self.renderer, self.lengths.longest), "prompt")
            ids = or_refuse(lambda: self.renderer.encode(text, request.add_special_tokens), "prompt")
        else:
            ids = prompt
        plan = self._continued(request, ids, request.max_tokens, self.defaults, "prompt")
        if request.logprobs is not None:
            plan = replace(plan, params=replace(plan.params, top_logprobs=request.logprobs))
        return Prepared(_seeded(replace(plan, structure=self.structures.of_completion(request)), request))

    def generate(self, request: GenerateRequest) -> Prepared:
        """Token ids that are continued. Raises ApiError."""
        sampling = request.sampling_params
        plan = self._continued(sampling, request.token_ids, sampling.max_tokens, UNTRUNCATED, "token_ids")
        params = replace(plan.params, top_logprobs=sampling.logprobs or 0)
        return Prepared(_seeded(replace(plan, params=params), sampling))

    def _continued(
        self, request: Sampling, ids: Sequence[int], max_tokens: int | None, defaults: SamplingParams, param: str
    ) -> Plan:
        if not ids:
            raise ApiError(400, f"{param} is empty: give at least one token", param=param)
        if max(ids) >= self.vocab_size:
            raise ApiError(400, f"{param} has a token id outside 0..{self.vocab_size - 1}", param=param)
        or_refuse(lambda: self.lengths.offered(request.rope_factor), "rope_factor")
        factor, most = or_refuse(lambda: self.lengths.fit(len(ids), max_tokens, request.rope_factor), param)
        return Plan(
            # Text that is continued has no parts: a `</think>` in it is a token like others.
            prompt=Prompt(list(ids), "", thinking_open=False),
            params=replace(self._sampling(request, defaults), max_tokens=most),
            seed=0,
            rope_factor=factor,
            stops=tuple(request.stop),
            keep_stop=request.include_stop_str_in_output,
            rescues=False,  # whoever continues text or ids may measure what comes, or learn from it
        )

    def _sampling(self, request: Sampling, defaults: SamplingParams) -> SamplingParams:
        named = ("temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty")
        given = {name: value for name in named if (value := getattr(request, name)) is not None}
        if given.get("temperature", 1.0) < LEAST_TEMPERATURE:
            given["temperature"] = 0.0  # what divides logits by next to nothing is greedy, or no number any more
        if request.top_k is not None:
            given["top_k"] = min(max(request.top_k, 0), self.vocab_size)
        for name, ids in (("logit_bias", request.logit_bias), ("stop_token_ids", request.stop_token_ids)):
            if any(not 0 <= token < self.vocab_size for token in ids):
                raise ApiError(400, f"{name} has a token id outside 0..{self.vocab_size - 1}", param=name)
        turn_ends = frozenset() if request.ignore_eos else self.renderer.stop_ids
        stop_ids = turn_ends | set(request.stop_token_ids)
        biases = tuple(request.logit_bias.items())
        return or_refuse(lambda: replace(defaults, **given, stop_ids=stop_ids, logit_bias=biases))


def _policy(request: ThinkingFields) -> ThinkingPolicy:
    return or_refuse(lambda: resolve_thinking({name: getattr(request, name) for name in ThinkingFields.model_fields}))


def _messages(request: ChatRequest) -> list[dict[str, Any]]:
    return or_refuse(lambda: plain_messages(request.messages), "messages")


def _tools(request: ChatRequest) -> list[dict[str, Any]]:
    return [] if request.tool_choice == "none" else [tool.as_sent() for tool in request.tools or []]


def _seeded(plan: Plan, request: Sampling) -> tuple[Plan, ...]:
    """A plan for each of n answers. A seed gives the same answers again; without one they are new every time."""
    seed = secrets.randbits(64) if request.seed is None else request.seed
    return tuple(replace(plan, seed=key(seed, "choice", choice)) for choice in range(request.n))
