"""Servers with OpenAI's API that take and return token ids (vLLM, Ponder's own), as an `Engine`.

Only the ids are looked at. What the log-probabilities are of is the server's to say: Ponder's are at the sampling
temperature, vLLM's at temperature 1. A server that tells text alone is refused at its first answer.
"""

import asyncio
import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from typing import Any

from ponder.engine.openai import TEXT
from ponder.engine.openai_http import OpenAiFailure, OpenAiHttp, broken
from ponder.engine.openai_profile import OpenAiProfile, Patience
from ponder.engine.openai_wire import AnswerReader
from ponder.engine.protocol import Completion, Request
from ponder.engine.vllm_wire import completion_body

NOT_SAID = ("stream", "stream_options", "return_tokens_as_token_ids")  # Ponder's server does not know the last
DONE = object()


class OpenAiTokenEngine:
    """An `Engine`: it may be called from any thread, and blocks. Requests with masks are not taken, nor top_logprobs, for
    which OpenAI's form has no ids; penalties of presence and frequency do not see `Request.answered`.

    Args:
        concurrent: most requests at a time
    """

    def __init__(self, profile: OpenAiProfile, *, concurrent: int = 64, patience: Patience = Patience()):  # noqa: B008
        self.profile, self.concurrent, self.patience = profile, concurrent, patience
        self._closed = False

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """As `Engine.generate`; what is left open is not sampled further once the iterator is closed.

        Raises:
            ValueError: a request that cannot be asked so, before anything is sampled; one that the server refuses (a
                context that it exceeds), when that is known.
            OpenAiFailure: the server failed, or tells no token ids.
        """
        if self._closed:
            raise OpenAiFailure("the engine is closed")
        bodies = [(request, _body(request, self.profile.model)) for request in requests]
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        loop = asyncio.new_event_loop()
        asking = loop.create_task(self._ask_all(bodies, told))
        thread = threading.Thread(target=_run, args=(loop, asking, told), name="openai", daemon=True)
        thread.start()
        try:
            while (one := told.get()) is not DONE:
                if isinstance(one, BaseException):
                    raise one
                yield one
        finally:
            loop.call_soon_threadsafe(asking.cancel)
            thread.join()
            loop.close()

    def close(self) -> None:
        self._closed = True

    async def _ask_all(self, bodies: list[tuple[Request, dict[str, Any]]], told: queue.SimpleQueue) -> None:
        http = OpenAiHttp(self.profile, self.patience, self.concurrent)
        waiting = iter(bodies)

        async def work() -> None:
            for request, body in waiting:
                told.put(await _ask(http, request, body, self.profile.url + TEXT))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.concurrent, len(bodies))):
                    group.create_task(work())
        except* (ValueError, OpenAiFailure) as group_of:
            raise group_of.exceptions[0] from None
        finally:
            await http.close()


def _run(loop: asyncio.AbstractEventLoop, asking: asyncio.Task, told: queue.SimpleQueue) -> None:
    try:
        loop.run_until_complete(asking)
    except asyncio.CancelledError:
        return  # nobody reads any more
    except BaseException as error:
        told.put(error)
    told.put(DONE)


def _body(request: Request, model: str) -> dict[str, Any]:
    if request.mask is not None:
        raise ValueError(f"request {request.id}: a mask cannot be sent to a server of OpenAI's API")
    if request.params.top_logprobs:
        raise ValueError(f"request {request.id}: top_logprobs must be 0: OpenAI's API names tokens there by their text")
    if not request.prompt:
        raise ValueError(f"request {request.id}: the prompt is empty")
    said = {name: value for name, value in completion_body(request, model).items() if name not in NOT_SAID}
    # vLLM has one factor for all of its requests, and no such field.
    return said if request.rope_factor == 1 else said | {"rope_factor": request.rope_factor}


async def _ask(http: OpenAiHttp, request: Request, body: dict[str, Any], url: str) -> Completion:
    reader = AnswerReader()
    async with aclosing(http.ask("POST", TEXT, body)) as chunks:
        async for chunk in chunks:
            try:
                reader.read(chunk)
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                raise broken(url, str(error)) from error
    answer = reader.answer()
    if answer.token_ids is None or answer.logprobs is None:
        what = "token ids" if answer.token_ids is None else "log-probabilities"
        raise OpenAiFailure(
            f"{url} tells no {what}: it can be asked for text (OpenAiEngine), not be an engine of tokens"
        )
    if len(answer.logprobs) != len(answer.token_ids):
        raise broken(url, f"{len(answer.token_ids)} tokens have {len(answer.logprobs)} log-probabilities")
    stopped = answer.finish_reason == "stop" and answer.token_ids and answer.token_ids[-1] in request.params.stop_ids
    if not stopped and answer.finish_reason != "length":
        raise OpenAiFailure(f"{url} ended request {request.id} for a reason of its own: {answer.finish_reason[:40]!r}")
    return Completion(
        request,
        list(answer.token_ids),
        [entry.logprob for entry in answer.logprobs],
        "stop" if stopped else "length",
        cached_tokens=answer.usage.cached or 0,
    )
