"""Answers for scripts: all questions in one batch."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ponder.chat.parser import parse_output
from ponder.chat.renderer import Renderer
from ponder.engine.counting import key
from ponder.engine.invariance import fast_forms
from ponder.engine.local import LocalEngine
from ponder.engine.packed import pack
from ponder.engine.protocol import Request, SamplingParams
from ponder.model.directory import tokenizer_directory
from ponder.model.weights import load_decoder
from ponder.server.start.memory import free_memory, plan_memory


def generate_answers(
    checkpoint: Path, questions: Sequence[str], samples: int, params: SamplingParams, seed: int, exact: bool = False
) -> Iterator[dict[str, Any]]:
    """One record per answer, in the order of questions and samples. `exact`: the same seed gives the same answer, whatever
    else is asked.

    Raises:
        ValueError: a question that does not fit the context.
    """
    renderer = Renderer.load(tokenizer_directory(checkpoint))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plan = plan_memory(checkpoint, free_memory(device), (1.0,), device=device)
    decoder = pack(load_decoder(checkpoint, device=device))
    params, context = replace(params, stop_ids=renderer.stop_ids), plan.context
    prompts = [renderer.render([{"role": "user", "content": question}]) for question in questions]
    requests = [
        Request((q, s), tuple(prompt.ids), _within(context, params, len(prompt.ids)), key(seed, q, s))
        for q, prompt in enumerate(prompts)
        for s in range(samples)
    ]
    engine = LocalEngine(decoder, plan.cache_tokens, forms=None if exact else fast_forms(decoder))
    done = {completion.request.id: completion for completion in engine.generate(requests)}
    for (q, s), completion in sorted(done.items()):
        parsed = parse_output(completion.ids, renderer, prompts[q].thinking_open)
        yield {
            "question": questions[q],
            "sample": s,
            "reasoning": parsed.reasoning,
            "content": parsed.content,
            "tool_calls": [{"name": c.name, "arguments": c.arguments} for c in parsed.tool_calls],
            "finish_reason": completion.finish_reason,
            "prompt_tokens": len(prompts[q].ids),
            "completion_tokens": len(completion.ids),
            "reasoning_tokens": parsed.reasoning_tokens,
            "logprob": sum(completion.logprobs),
        }


def _within(context: int, params: SamplingParams, prompt_tokens: int) -> SamplingParams:
    if prompt_tokens >= context:
        raise ValueError(f"the question has {prompt_tokens} tokens, the model's context is {context}: shorten it")
    return replace(params, max_tokens=min(params.max_tokens, context - prompt_tokens))


def print_answers(answers: Iterable[dict[str, Any]], as_json: bool) -> None:
    for answer in answers:
        print(json.dumps(answer, ensure_ascii=False) if as_json else answer["content"].strip(), flush=True)
