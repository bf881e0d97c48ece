"""vLLM as an engine: a server of its own, elsewhere or started by us (`vllm_process`), spoken to in token ids.

It is asked for nothing but ids: its chat templates and its parsers of thinking and tool calls stay out of the way. What
differs from the local engine, as clients see it, is in docs/vllm.md. Above all, log-probabilities are those at temperature
1 whatever the request's temperature (vLLM takes them before everything that a request asks for); a seed gives the same
answer again only as far as vLLM's own numerics do, which may change with what else is in the batch; and
`Request.answered` is not heeded: penalties of presence and frequency see nothing of the prompt, of which a part may be
the answer's beginning. (vLLM also refuses temperatures above 2, and takes those between 0 and 0.01 for 0.01.)
"""

import asyncio
import json
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

import httpx

from ponder.engine.histograms import summed
from ponder.engine.protocol import Request
from ponder.engine.stream import EngineLoad, Tokens
from ponder.engine.vllm_profile import CONNECT_S, VllmProfile
from ponder.engine.vllm_supervisor import SupervisedVllm
from ponder.engine.vllm_wire import completion_body, failure_of, lines_of, read_answer, read_metrics

KEEP_ALIVE_S = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6))
# An answer may be waited for without limit, but not one of a machine that is gone and could not say so: after 30 s of
# silence the kernel asks whether the other end is there, and gives up a minute later.
KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in KEEP_ALIVE_S if hasattr(socket, name)),
)
WATCH_S = 1.0  # between two looks at a server's metrics
LOOK_S = 0.1  # between two looks at whether a server of ours is there again
ENDS_S = 2.0  # from the end of a server's connections to the end of its process
SILENCE_S = 15.0  # a server that answers not even these within this time counts as failed


class VllmEngine:
    """A `StreamEngine` over one vLLM server for each YaRN factor that requests may have.

    A request has an HTTP connection of its own: closing it makes vLLM drop the request at once, and a connection that
    was kept could turn out to be dead when the next request is sent, which must not be sent twice.

    Args:
        profiles: one for each factor; all serve the same weights
        vocab_size: of the model
        servers: those of them that are ours, and end with the engine. While one is being started again, requests for it wait
    """

    exact, about = False, None

    def __init__(self, profiles: Sequence[VllmProfile], vocab_size: int, servers: Sequence[SupervisedVllm] = ()):
        self.profiles = {profile.rope_factor: profile for profile in sorted(profiles, key=lambda p: p.rope_factor)}
        if not profiles or len(self.profiles) != len(profiles):
            raise ValueError("a vLLM engine needs one profile for each rope_factor, and one at least")
        self.rope_factors = tuple(self.profiles)
        self.context = min(int(profile.context / factor) for factor, profile in self.profiles.items())
        self.longest = int(self.context * self.rope_factors[-1])
        self.vocab_size, self.servers = vocab_size, tuple(servers)
        self._ssl = ssl.create_default_context()  # making one takes longer than a request
        self._open: dict[httpx.AsyncClient, asyncio.AbstractEventLoop] = {}
        self._seen: dict[float, EngineLoad] = {}  # by rope_factor
        self._unread: set[float] = set()  # rope_factors of servers whose metrics could not be read
        self._watcher: asyncio.Task | None = None
        self._closed = False

    def check(self, request: Request) -> None:
        completion_body(request, self._admit(request).model)

    async def stream(self, request: Request) -> AsyncIterator[Tokens]:
        self._admit(request)
        self._require_open()
        self._watch()
        while True:
            profile = await self._reachable(request.rope_factor)
            try:
                async with aclosing(self._answer(profile, request)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:  # so nothing has been sent
                self._require_open()
                if not await self._is_ending(request.rope_factor):
                    raise RuntimeError(self._loss(profile, error)) from error
            except httpx.HTTPError as error:
                self._require_open()
                await self._is_ending(request.rope_factor)
                raise RuntimeError(self._loss(profile, error)) from error

    async def _answer(self, profile: VllmProfile, request: Request) -> AsyncIterator[Tokens]:
        body = completion_body(request, profile.model)
        # An answer may wait in vLLM's queue for as long as it takes: only connecting has a limit.
        client = self._client(profile, httpx.Timeout(None, connect=CONNECT_S))
        self._open[client] = asyncio.get_running_loop()
        try:
            async with client, client.stream("POST", "/v1/completions", json=body) as response:
                if response.status_code != 200:
                    raise failure_of(_json_or_text(await response.aread()), request, response.status_code)
                self._require_open()
                async with (
                    aclosing(response.aiter_bytes()) as blocks,
                    aclosing(lines_of(blocks)) as lines,
                    aclosing(read_answer(lines, request, self.vocab_size)) as pieces,
                ):
                    async for piece in pieces:
                        self._require_open()
                        yield piece
        finally:
            del self._open[client]

    def load(self) -> EngineLoad:
        """As vLLM's metrics showed it up to a second ago; nothing, before the first look."""
        with suppress(RuntimeError):  # called outside an event loop there is nobody to look
            self._watch()
        seen = self._seen.values()
        failures = [server.failure() for server in self.servers] + [load.failure for load in seen]
        return EngineLoad(
            running=sum(load.running for load in seen),
            waiting=sum(load.waiting for load in seen),
            cache_use=max((load.cache_use for load in seen), default=0.0),
            prefix_queries=sum(load.prefix_queries for load in seen),
            prefix_hits=sum(load.prefix_hits for load in seen),
            preemptions=sum(load.preemptions for load in seen),
            histograms=summed(load.histograms for load in seen),
            failure="the engine is closed" if self._closed else next(filter(None, failures), None),
        )

    async def close(self) -> None:
        self._closed = True
        here = asyncio.get_running_loop()
        if self._watcher and not self._watcher.get_loop().is_closed():
            self._watcher.get_loop().call_soon_threadsafe(self._watcher.cancel)
        for client, loop in list(self._open.items()):
            if loop is here:
                await client.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(client.aclose(), loop))
        for server in self.servers:
            await asyncio.to_thread(server.close)

    def _admit(self, request: Request) -> VllmProfile:
        """The server for it. Raises ValueError for a request that can never run."""
        profile, prompt, most = self.profiles.get(request.rope_factor), request.prompt, request.params.max_tokens
        if profile is None:
            offered = ", ".join(f"{factor:g}" for factor in self.rope_factors)
            raise ValueError(
                f"request {request.id}: rope_factor {request.rope_factor:g} is not offered; there are: {offered}"
            )
        if not prompt:
            raise ValueError(f"request {request.id}: the prompt is empty")
        if len(prompt) >= profile.context:
            raise ValueError(
                f"request {request.id}: the prompt has {len(prompt)} tokens, the model's context is {profile.context}; "
                "shorten the prompt"
            )
        if len(prompt) + most > profile.context:
            raise ValueError(
                f"request {request.id}: prompt ({len(prompt)}) + max_tokens ({most}) exceeds the model's context of "
                f"{profile.context}; set max_tokens to {profile.context - len(prompt)} or less"
            )
        tokens = (*prompt, *(token for token, _ in request.params.logit_bias))
        if max(tokens) >= self.vocab_size or min(tokens) < 0:
            raise ValueError(f"request {request.id}: a token id outside 0..{self.vocab_size - 1}")
        return profile

    def _client(self, profile: VllmProfile, timeout: httpx.Timeout) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(verify=self._ssl, trust_env=False, socket_options=KEEP_ALIVE)
        return httpx.AsyncClient(
            base_url=profile.url, headers=profile.headers, transport=transport, timeout=timeout, trust_env=False
        )

    def _own(self, factor: float) -> SupervisedVllm | None:
        return next((server for server in self.servers if server.profile.rope_factor == factor), None)

    def _now(self, factor: float) -> VllmProfile:
        """Of the server for a factor; one that is started again has another address."""
        own = self._own(factor)
        return self.profiles[factor] if own is None else own.profile

    async def _reachable(self, factor: float) -> VllmProfile:
        """As `_now`, when it is not being started again."""
        while (own := self._own(factor)) is not None and own.starts_again:
            await asyncio.sleep(LOOK_S)
            self._require_open()
        return self._now(factor)

    async def _is_ending(self, factor: float) -> bool:
        """Whether a server is ours and comes to its end: its connections break a moment before its process is gone."""
        own, end = self._own(factor), time.monotonic() + ENDS_S
        while own is not None and not own.starts_again and own.failure() is None and time.monotonic() < end:
            await asyncio.sleep(LOOK_S)
        return own is not None and own.starts_again

    def _require_open(self) -> None:
        if self._closed:
            raise RuntimeError("the engine is closed")

    def _loss(self, profile: VllmProfile, error: httpx.HTTPError) -> str:
        """Why a connection failed: the end of the server, where it is ours and has ended."""
        own = self._own(profile.rope_factor)
        if own is not None and (ended := own.failure()):
            return ended
        what = "cannot be reached" if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)) else "broke off"
        return f"vLLM {what}: {str(error) or type(error).__name__}"

    # ---- how busy the servers are ----

    def _watch(self) -> None:
        """Keep looking, in the event loop of whoever was first to ask. Raises RuntimeError outside of one."""
        loop = asyncio.get_running_loop()
        if not self._closed and (self._watcher is None or self._watcher.done() or self._watcher.get_loop().is_closed()):
            self._watcher = loop.create_task(self._look_again_and_again())

    async def _look_again_and_again(self) -> None:
        while True:
            for factor in self.profiles:
                self._seen[factor] = await self._look(factor, self._seen.get(factor, EngineLoad()))
            await asyncio.sleep(WATCH_S)

    async def _look(self, factor: float, before: EngineLoad) -> EngineLoad:
        profile = self._now(factor)
        try:
            async with self._client(profile, httpx.Timeout(SILENCE_S)) as client:
                response = await client.get("/metrics")
                response.raise_for_status()
                load = read_metrics(response.text)
                self._unread.discard(factor)
                return load
        except httpx.HTTPError as error:
            return replace(before, running=0, waiting=0, cache_use=0.0, failure=self._loss(profile, error))
        except ValueError as error:
            # The server answers, and requests do not need its metrics.
            if factor not in self._unread:
                self._unread.add(factor)
                message = "%s; of how busy the server at %s is, the last that could be read stays"
                logging.getLogger(__name__).warning(message, error, profile.url)
            return replace(before, failure=None)


def _json_or_text(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
