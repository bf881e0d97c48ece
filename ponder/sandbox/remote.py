"""A pool elsewhere: the interface of `Pool` over HTTP, to one server or to several."""

import asyncio
import base64
import json
import secrets
from collections import Counter
from typing import Any

import httpx
from pydantic import TypeAdapter

from ponder.sandbox.job import Cell, Execution, ExecutionResult, Job, Limits, Refused, Report, TestResult
from ponder.sandbox.slots import QueueFull

TRIES = 6  # of one request, over all servers
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 10.0
JSON = {"content-type": "application/json"}
TRY_AGAIN = (429, 502, 503, 504)


class ServerUnavailable(Exception):
    """No server has answered, however often it was tried."""


class RemotePool:
    """Jobs go to the server that has the fewest of ours; one that is away, full or stopping is left for another.

    Raises ValueError for an address that is none.
    """

    def __init__(self, urls: list[str], token: str | None):
        for url in urls:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"{url!r} is no address of a sandbox: write http://HOST:PORT")
        headers: dict[str, str | bytes] = {"x-client-id": secrets.token_hex(8)}
        if token:
            headers["authorization"] = f"Bearer {token}".encode()
        self._urls = [url.rstrip("/") for url in urls]
        self._busy: Counter[str] = Counter()
        self._resting_until: dict[str, float] = {}
        # A job may wait long for its turn, so that only connecting has a time limit.
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(None, connect=10.0),
            limits=httpx.Limits(max_connections=512, max_keepalive_connections=64),
            trust_env=False,
        )

    async def run(self, job: Job, client: str = "") -> Report:
        """A server that cannot be had is an infrastructure error of the job's."""
        try:
            answer = await self._ask("POST", "/run", job.model_dump())
        except ServerUnavailable as away:
            return Report("infrastructure_error", str(away), 0, len(job.tests))
        report = answer.json()
        return Report(**{**report, "results": [TestResult(**result) for result in report["results"]]})

    async def execute(self, execution: Execution, client: str = "") -> ExecutionResult:
        try:
            answer = await self._ask("POST", "/execute", _execution(execution))
        except ServerUnavailable as away:
            return ExecutionResult("infrastructure_error", str(away), b"", b"", None, 0.0)
        return _EXECUTION_RESULT.validate_json(answer.content)

    async def open_session(self, limits: Limits) -> str:
        """Raises QueueFull, ServerUnavailable."""
        for_one = sorted(self._urls, key=self._busy.__getitem__)[0]
        answer = await self._ask("POST", "/sessions", {"limits": limits.model_dump(mode="json")}, [for_one])
        return f"{self._urls.index(for_one)}-{answer.json()['id']}"

    async def run_cell(self, session_id: str, code: str, timeout_s: float | None = None) -> Cell:
        """Not tried again: the cell may have run. Raises KeyError, ServerUnavailable."""
        url, path = self._place(session_id)
        request = {"code": code, "timeout_s": timeout_s}
        return Cell(**(await self._ask("POST", f"{path}/cells", request, [url], tries=1)).json())

    async def interrupt(self, session_id: str) -> None:
        url, path = self._place(session_id)
        await self._ask("POST", f"{path}/interrupt", None, [url])

    async def close_session(self, session_id: str) -> None:
        url, path = self._place(session_id)
        await self._ask("DELETE", path, None, [url])

    async def describe(self) -> dict:
        return (await self._ask("GET", "/health", None)).json()

    async def close(self) -> None:
        await self._http.aclose()

    def _place(self, session_id: str) -> tuple[str, str]:
        number, _, name = session_id.partition("-")
        return self._urls[int(number)], f"/sessions/{name}"

    async def _ask(
        self, method: str, path: str, content: Any, urls: list[str] | None = None, tries: int = TRIES
    ) -> httpx.Response:
        """The first good answer. Raises Refused, KeyError (no such session), QueueFull, ServerUnavailable.

        A server that is away, full or stopping rests for a while: others are asked at once, itself after its rest.
        """
        # As Python writes it: with Infinity and NaN, and lone surrogates escaped.
        body = None if content is None else json.dumps(content).encode()
        urls, loop = urls or self._urls, asyncio.get_running_loop()
        pause, trouble, refusal = FIRST_PAUSE_S, "", None
        for _ in range(tries):
            url = min(urls, key=lambda url: (self._resting_until.get(url, 0.0) > loop.time(), self._busy[url]))
            await asyncio.sleep(min(self._resting_until.get(url, 0.0) - loop.time(), LONGEST_PAUSE_S))
            self._busy[url] += 1
            try:
                answer = await self._http.request(method, url + path, content=body, headers=JSON)
            except httpx.TransportError as error:
                answer, trouble = None, f"{url} cannot be reached: {error or type(error).__name__}"
            finally:
                self._busy[url] -= 1
            if answer is not None and answer.is_success:
                return answer
            if answer is not None and answer.status_code not in TRY_AGAIN:
                raise _problem(answer)
            advised = 0.0
            if answer is not None:
                trouble, refusal = f"{url}: {_said(answer)}", answer
                advised = float(answer.headers.get("retry-after", "0"))
            self._resting_until[url] = loop.time() + min(max(pause, advised), LONGEST_PAUSE_S)
            pause *= 2
        if refusal is not None and refusal.status_code == 429:
            full = QueueFull(0, float(refusal.headers.get("retry-after", "1")))
            full.args = (trouble,)
            raise full
        raise ServerUnavailable(f"no sandbox has answered in {tries} tries; the last: {trouble}")


def _execution(execution: Execution) -> dict:
    files = {name: base64.b64encode(data).decode() for name, data in execution.files.items()}
    return execution.model_dump() | {"files": files}


def _problem(answer: httpx.Response) -> Exception:
    match answer.status_code:
        case 404:
            return KeyError(_said(answer))
        case 401:
            return Refused(f"{answer.url.host}: {_said(answer)}; put it into the environment as PONDER_SANDBOX_TOKEN")
        case 413 | 422:
            return Refused(_said(answer))
    return ServerUnavailable(f"{answer.url} answers {answer.status_code}: {_said(answer)}")


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


_EXECUTION_RESULT = TypeAdapter(ExecutionResult)
