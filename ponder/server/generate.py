"""Answers for scripts: all questions in one batch."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ponder.chat.parser import parse_output
from ponder.engine.counting import key
from ponder.engine.protocol import Request, SamplingParams
from ponder.server.answer import Responder


def generate_answers(
    checkpoint: Path, questions: Sequence[str], samples: int, params: SamplingParams, seed: int
) -> Iterator[dict[str, Any]]:
    """One record per answer, in the order of questions and samples.

    Raises:
        ValueError: a question that does not fit the context.
    """
    responder = Responder(checkpoint)
    renderer = responder.renderer
    prompts = [renderer.render([{"role": "user", "content": question}]) for question in questions]
    requests = [
        Request((q, s), tuple(prompt.ids), responder.within_context(params, len(prompt.ids)), key(seed, q, s))
        for q, prompt in enumerate(prompts)
        for s in range(samples)
    ]
    done = {completion.request.id: completion for completion in responder.engine.generate(requests)}
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


def print_answers(answers: Iterable[dict[str, Any]], as_json: bool) -> None:
    for answer in answers:
        print(json.dumps(answer, ensure_ascii=False) if as_json else answer["content"].strip(), flush=True)
