"""The other ways to ask: /v1/completions, vLLM's /inference/v1/generate, /tokenize and /detokenize."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from ponder.agents.turn.plan import Piece
from ponder.chat.renderer import Renderer
from ponder.engine.stream import Tokens
from ponder.server.answer.turn import Turn
from ponder.server.replies.chat import DONE, LEAST_LOGPROB, event, logprob_entries
from ponder.server.requests.text import CompletionRequest, GenerateRequest


def prompts_of(request: CompletionRequest) -> list[str | list[int]]:
    prompt = request.prompt
    if isinstance(prompt, str) or isinstance(prompt[0], int):
        return [prompt]
    return list(prompt)


class TextChoices:
    """Makes the choices of /v1/completions. `echo`: the prompt's text stands before each answer."""

    def __init__(self, request: CompletionRequest, turn: Turn, renderer: Renderer):
        self._request, self._turn, self._renderer = request, turn, renderer
        self._offsets = [0] * len(turn.generations)
        self._echoes = [self._echo(generation.plan.prompt.ids) for generation in turn.generations]

    def of(self, choice: int, pieces: Sequence[Piece]) -> dict[str, Any]:
        """What these pieces add to a choice, in the form of a whole or a chunk."""
        echo, self._echoes[choice] = self._echoes[choice], ""
        text = echo + "".join(delta.text for piece in pieces for delta in piece.deltas)
        answer = self._turn.generations[choice].answer
        ended = answer.finish_reason if not (pieces and pieces[-1].tokens.ids) else None
        told = {"index": choice, "text": text, "logprobs": None, "finish_reason": ended}
        told["stop_reason"] = answer.stop_reason if ended else None
        if self._request.logprobs is not None:
            told["logprobs"] = self._logprobs(choice, pieces)
        if self._request.return_token_ids:
            told["token_ids"] = [token for piece in pieces for token in piece.tokens.ids]
        return told

    def _logprobs(self, choice: int, pieces: Sequence[Piece]) -> dict[str, list]:
        """OpenAI's old form: columns."""
        columns: dict[str, list] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for entry in (entry for piece in pieces for entry in logprob_entries(piece.tokens, self._renderer)):
            columns["tokens"].append(entry["token"])
            columns["token_logprobs"].append(entry["logprob"])
            columns["top_logprobs"].append({top["token"]: top["logprob"] for top in entry["top_logprobs"]})
            columns["text_offset"].append(self._offsets[choice])
            self._offsets[choice] += len(entry["token"])
        return columns

    def _echo(self, ids: Sequence[int]) -> str:
        return self._renderer.decode(ids) if self._request.echo else ""


async def text_events(request: CompletionRequest, turn: Turn, renderer: Renderer) -> AsyncIterator[str]:
    choices = TextChoices(request, turn, renderer)
    head = {"id": turn.id, "object": "text_completion", "created": turn.created, "model": request.model}
    with_usage = request.stream_options is not None and request.stream_options.include_usage
    usage = {"usage": None} if with_usage else {}
    async with aclosing(turn.pieces()) as pieces:
        async for choice, piece in pieces:
            yield event(head | {"choices": [choices.of(choice, [piece])]} | usage)
    if with_usage:
        yield event(head | {"choices": [], "usage": turn.usage()})
    yield DONE


def text_response(
    request: CompletionRequest, turn: Turn, pieces: Sequence[Sequence[Piece]], renderer: Renderer
) -> dict[str, Any]:
    choices = TextChoices(request, turn, renderer)
    return {
        "id": turn.id,
        "object": "text_completion",
        "created": turn.created,
        "model": request.model,
        "choices": [choices.of(choice, of_choice) for choice, of_choice in enumerate(pieces)],
        "usage": turn.usage(),
    }


# ---- token ids in, token ids out ----


def generate_choice(request: GenerateRequest, turn: Turn, choice: int, pieces: Sequence[Piece]) -> dict[str, Any]:
    """A choice of /inference/v1/generate; its tokens' log-probabilities are named `token_id:N`, as vLLM does."""
    answer = turn.generations[choice].answer
    told: dict[str, Any] = {
        "index": choice,
        "token_ids": [token for piece in pieces for token in piece.tokens.ids],
        "finish_reason": answer.finish_reason if not (pieces and pieces[-1].tokens.ids) else None,
        "logprobs": None,
    }
    if request.sampling_params.logprobs is not None:
        told["logprobs"] = {"content": [entry for piece in pieces for entry in _entries_by_id(piece.tokens)]}
    return told


async def generate_events(request: GenerateRequest, turn: Turn, request_id: str) -> AsyncIterator[str]:
    async with aclosing(turn.pieces()) as pieces:
        async for choice, piece in pieces:
            body = {"request_id": request_id, "choices": [generate_choice(request, turn, choice, [piece])]}
            yield event(body)
    yield event({"request_id": request_id, "choices": [], "usage": turn.usage()})
    yield DONE


def generate_response(
    request: GenerateRequest, turn: Turn, pieces: Sequence[Sequence[Piece]], request_id: str
) -> dict[str, Any]:
    choices = [generate_choice(request, turn, choice, of_choice) for choice, of_choice in enumerate(pieces)]
    return {
        "request_id": request_id,
        "choices": choices,
        "prompt_logprobs": None,
        "kv_transfer_params": None,
        "usage": turn.usage(),
    }


def _entries_by_id(tokens: Tokens) -> list[dict[str, Any]]:
    tops = tokens.top or ((),) * len(tokens.ids)
    return [
        _by_id(token, logprob) | {"top_logprobs": [_by_id(*alternative) for alternative in top]}
        for token, logprob, top in zip(tokens.ids, tokens.logprobs, tops, strict=True)
    ]


def _by_id(token: int, logprob: float) -> dict[str, Any]:
    return {"token": f"token_id:{token}", "logprob": max(logprob, LEAST_LOGPROB), "bytes": None}


def token_strings(ids: Sequence[int], renderer: Renderer) -> list[str]:
    return [renderer.token_bytes(token).decode("utf-8", "replace") for token in ids]
