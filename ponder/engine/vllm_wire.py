"""What is said to vLLM's `/v1/completions` and what it answers (0.32): token ids there and back, no text in between."""

import json
import math
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

from ponder.engine.histograms import ENGINE_HISTOGRAMS, Histogram
from ponder.engine.protocol import Request, TokenMask
from ponder.engine.stream import EngineLoad, Tokens

MAX_LINE = 64 * 2**20  # bytes; the first event repeats the prompt's ids
# Behind a grammar: forced text may not become the added token of that spelling, as vLLM's tokenizer would have it.
AS_TEXT = '\n%llguidance {"no_forcing": true}\n'
MOST = 2.0**63  # a metric beyond it is none
TOKEN = "token_id:"  # how vLLM writes a token as its id where a string is due
_METRIC = re.compile(
    r"^vllm:(num_requests_running|num_requests_waiting|kv_cache_usage_perc|prefix_cache_queries_total"
    r"|prefix_cache_hits_total|num_preemptions_total)(?:\{[^\n]*\})? (\S+)$",
    re.MULTILINE,
)
_BUCKET = re.compile(
    rf"^vllm:({'|'.join(ENGINE_HISTOGRAMS)})_(bucket|sum)(?:\{{(?:[^\n]*?le=\"([^\"]+)\")?[^\n]*\}})? (\S+)$",
    re.MULTILINE,
)


@runtime_checkable
class WrittenMask(TokenMask, Protocol):
    """A mask that can say in words what it lets through, for an engine that is another process."""

    lark: str  # the grammar, in llguidance's Lark, from the request's first token


def completion_body(request: Request, model: str) -> dict[str, Any]:
    """The JSON of one request. Its `answered` cannot be said: penalties of presence and frequency begin anew there.

    Raises:
        ValueError: its mask cannot be written down.
    """
    params, mask = request.params, request.mask
    body: dict[str, Any] = {
        "model": model,
        "prompt": request.prompt,
        "max_tokens": params.max_tokens,
        "temperature": params.temperature,
        "top_k": params.top_k,
        "top_p": params.top_p,
        "min_p": params.min_p,
        "presence_penalty": params.presence_penalty,
        "frequency_penalty": params.frequency_penalty,
        "repetition_penalty": params.repetition_penalty,
        "logit_bias": {str(token): bias for token, bias in params.logit_bias},
        "stop_token_ids": sorted(params.stop_ids),
        # Only the request's stop ids end it. With a grammar vLLM ends it with the tokenizer's own, which are taken off.
        "ignore_eos": mask is None,
        "seed": request.seed & (2**63 - 1),  # signed there, and -1 would be none
        "logprobs": params.top_logprobs,
        "return_token_ids": True,
        "return_tokens_as_token_ids": True,
        "skip_special_tokens": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if mask is not None:
        if not isinstance(mask, WrittenMask):
            raise ValueError(f"request {request.id}: its mask has no grammar that vLLM could be given")
        body["structured_outputs"] = {"grammar": mask.lark + AS_TEXT}
    return body


class LineTooLong(RuntimeError):
    pass


async def lines_of(blocks: AsyncIterator[bytes], sender: str = "vLLM") -> AsyncIterator[bytes]:
    """Lines end with a line feed and with nothing else: text inside the JSON may hold what str.splitlines cuts at.

    Raises:
        LineTooLong: a line of more than MAX_LINE bytes.
    """
    line = bytearray()
    async for block in blocks:
        *ends, rest = block.split(b"\n")
        for end in ends:
            yield bytes(line + end)
            line.clear()
        line += rest
        if len(line) > MAX_LINE:
            raise LineTooLong(f"{sender} sent a line of more than {MAX_LINE} bytes")


async def read_answer(lines: AsyncIterator[bytes], request: Request, vocab_size: int) -> AsyncIterator[Tokens]:
    """The pieces of an answer. The count of cached tokens is the last thing that vLLM tells: it comes with the last piece.

    `vocab_size`: of the model; an id beyond it is no token.

    Raises:
        ValueError: before the first piece, the request was refused.
        RuntimeError: the server failed, broke off, or sent what is no answer.
    """
    last, sampled, cached, complete = None, 0, 0, False
    async for line in lines:
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if complete := data == b"[DONE]":
            break
        try:
            event = json.loads(data)
            failure = failure_of(event, request) if "error" in event else None
            if usage := event.get("usage"):
                cached = _whole((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
            piece = _piece(event["choices"][0], request, vocab_size) if event.get("choices") else None
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
            # No ValueError of the parser gets out: it would be the request's fault.
            raise RuntimeError(
                f"vLLM sent an event that is no piece of an answer: {error!r}: {data[:200]!r}"
            ) from error
        if failure:
            raise failure if sampled == 0 else RuntimeError(_message(event))
        if piece is None:
            continue
        sampled += len(piece.ids)
        if piece.finish_reason:
            last = piece
        elif piece.ids:
            yield piece
    if last is None:
        raise RuntimeError(f"vLLM broke off after {sampled} tokens" + (" without saying why" if complete else ""))
    yield replace(last, cached_tokens=cached)


def failure_of(body: Any, request: Request, status: int | None = None) -> Exception:
    """What a refusal means: ValueError where the request is at fault, RuntimeError where the server is.

    `body`: parsed JSON, or text that is none; `status`: HTTP's, else the code in the body.
    """
    if status is None:
        status = body["error"].get("code")
    message = _message(body)
    if status in (400, 413, 422):
        return ValueError(f"request {request.id}: vLLM refuses it: {message}")
    if status in (401, 403):
        return RuntimeError(f"vLLM wants another API key ({status}): {message}")
    return RuntimeError(f"vLLM has failed ({status}): {message}")


def read_metrics(text: str) -> EngineLoad:
    """Sums over the engines of one server, and the fullest of their caches.

    Raises:
        ValueError: a value of these is no count.
    """
    found: dict[str, list[float]] = {}
    for name, value in _METRIC.findall(text):
        found.setdefault(name, []).append(_count(name, value))
    return EngineLoad(
        running=int(sum(found.get("num_requests_running", ()))),
        waiting=int(sum(found.get("num_requests_waiting", ()))),
        cache_use=max(found.get("kv_cache_usage_perc", ()), default=0.0),
        prefix_queries=int(sum(found.get("prefix_cache_queries_total", ()))),
        prefix_hits=int(sum(found.get("prefix_cache_hits_total", ()))),
        preemptions=int(sum(found.get("num_preemptions_total", ()))),
        histograms=_histograms(text),
    )


def _histograms(text: str) -> dict[str, Histogram]:
    """Of a server's engines together."""
    buckets: dict[str, dict[float, float]] = {}
    totals: dict[str, float] = {}
    for name, kind, end, value in _BUCKET.findall(text):
        if kind == "sum":
            totals[name] = totals.get(name, 0.0) + _count(name, value)
        elif end:
            of_name = buckets.setdefault(name, {})
            of_name[float(end)] = of_name.get(float(end), 0.0) + _count(name, value)
    found = {}
    for name, of_name in buckets.items():
        *bounds, last = sorted(of_name)
        if last != math.inf:
            raise ValueError(f"vLLM's metrics say nothing of {name} beyond {last:g}")
        so_far = [0.0, *(of_name[end] for end in (*bounds, last))]
        counts = [after - before for before, after in pairwise(so_far)]
        found[name] = Histogram(tuple(bounds), counts, totals.get(name, 0.0))
    return found


def _count(name: str, value: str) -> float:
    """Raises ValueError: it is none."""
    number = float(value)
    if not 0 <= number < MOST:
        raise ValueError(f"vLLM's metrics say {name} {value[:40]}")
    return number


def _piece(choice: dict[str, Any], request: Request, vocab_size: int) -> Tokens:
    params = request.params
    ids = tuple(_token(token, vocab_size) for token in choice["token_ids"])
    logprobs, top = tuple(map(_logprob, choice["logprobs"]["token_logprobs"])), ()
    if params.top_logprobs:
        alternatives = choice["logprobs"]["top_logprobs"]
        top = tuple(_best(some, params.top_logprobs, vocab_size) for some in alternatives)
    if len(logprobs) != len(ids) or (params.top_logprobs and len(top) != len(ids)):
        raise LookupError(f"{len(ids)} tokens, {len(logprobs)} log-probabilities")
    reason = choice.get("finish_reason")
    if reason not in (None, "stop", "length"):
        raise RuntimeError(f"vLLM ended the request: {reason}")
    if reason == "stop" and request.mask is not None and ids and ids[-1] not in params.stop_ids:
        # The end of the grammar: the token with which vLLM marks it was not asked for.
        ids, logprobs, top = ids[:-1], logprobs[:-1], top[:-1]
    return Tokens(ids, logprobs, top, reason)


def _best(alternatives: dict[str, float], count: int, vocab_size: int) -> tuple[tuple[int, float], ...]:
    """The sampled token is among them, even where it is not one of the best."""
    ranked = sorted(alternatives.items(), key=lambda item: -_logprob(item[1]))
    return tuple(
        (_token(int(name.removeprefix(TOKEN)), vocab_size), float(logprob)) for name, logprob in ranked[:count]
    )


def _token(value: Any, vocab_size: int) -> int:
    if _whole(value) >= vocab_size:
        raise ValueError(f"a token id outside 0..{vocab_size - 1}: {value}")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"not a whole number: {value!r:.40}")
    return value


def _logprob(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"not a log-probability: {value!r:.40}")
    return float(value)


def _message(body: Any) -> str:
    """Errors come as OpenAI's ({"error": {"message"}}), flat ({"message"}), or as what a proxy likes."""
    inner = body.get("error", body) if isinstance(body, dict) else body
    message = inner.get("message", inner) if isinstance(inner, dict) else inner
    return str(message)[:500]
