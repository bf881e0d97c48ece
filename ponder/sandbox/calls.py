"""A program whose functions are called from outside, one at a time: requests, answers, and the JSON of results."""

import json
import secrets
from collections import deque
from collections.abc import AsyncGenerator
from decimal import Decimal, localcontext

from ponder.sandbox.jail.wire import MAX_DIGITS, NUMBER
from ponder.sandbox.job import Limits, Outcome
from ponder.sandbox.process import ChannelClosed, Forged, TooLarge, Worker, WorkerLost
from ponder.sandbox.runs import STDERR_KEPT, Failed, decode, header, judge_end, wait_for_start

FORGED = "the program wrote into the judge's channel"
MAX_MESSAGE = 32 << 20  # bytes that a program may return to test code
MAX_DESCRIPTION = 64 << 10  # bytes of an exception's description
PLAUSIBLE_MESSAGE = 1 << 28
AHEAD, AHEAD_BYTES = 8, 32 << 10  # calls that travel ahead of their answers: less than a socket holds


class Calls:
    """A program whose functions are called one at a time, each with its own time limit."""

    def __init__(self, worker: Worker, limits: Limits, sets_as_lists: bool = False, preamble: str = ""):
        self._worker, self._limits, self._sets_as_lists = worker, limits, sets_as_lists
        self._preamble = preamble

    async def load(self, source: bytes) -> None:
        """Compiles and runs the module. Raises Failed, WorkerLost."""
        worker = self._worker
        worker.stdout.keep = 0  # what functions print has no bearing
        worker.stdout.limit = worker.stderr.limit = self._limits.output_bytes
        worker.stdout.on_flood = worker.stderr.on_flood = lambda: worker.kill("output_limit")
        worker.stderr.keep = STDERR_KEPT
        worker.set_timer(self._limits.timeout_s)
        more = {"sets_as_lists": self._sets_as_lists, "preamble": self._preamble}
        head = header(worker, "calls", self._limits, **more)
        await worker.send(head, source, b"")
        await wait_for_start(worker, self._limits)
        self._result(await self._answer(b"loading.", 1 << 16), "while it was loaded")

    async def call_each(self, calls: list[tuple[str, list, dict]], most: list[int]) -> AsyncGenerator[bytes, None]:
        """The results of (function, args, kwargs) in order, as JSON that nobody has read yet, each with the whole time
        limit and of at most so many bytes. Raises Failed, WorkerLost.

        A few requests travel ahead of the answers, so that neither side waits for the other; what a program could read
        there are arguments that it is about to be given anyway.
        """
        coded = (secrets.token_bytes(NUMBER) + _encode({"function": f, "args": a, "kwargs": k}) for f, a, k in calls)
        following = next(coded, None)
        ahead: deque[tuple[bytes, int]] = deque()  # (number, bytes) of requests that are not answered yet
        for (function, _, _), limit in zip(calls, most, strict=True):
            while following is not None and self._may_travel(len(following), ahead):
                ahead.append((following[:NUMBER], len(following)))
                await self._worker.send(following)
                following = next(coded, None)
            self._worker.set_timer(self._limits.timeout_s)
            answer = await self._answer(ahead.popleft()[0], limit)
            if not ahead:
                self._check_silence()
            yield self._result(answer, f"in {function}")

    @staticmethod
    def _may_travel(size: int, ahead: deque[tuple[bytes, int]]) -> bool:
        return not ahead or (len(ahead) < AHEAD and size + sum(s for _, s in ahead) <= AHEAD_BYTES)

    async def check(self, given: object, got: str, expected: object) -> object:
        """What the checker says of an output; `got` is JSON text, which only the checker's worker reads."""
        return json.loads(
            self._result(await self.relay(_encode({"check": [given, got, expected]}), 1 << 16), "in check")
        )

    async def relay(self, request: bytes, most: int) -> bytes:
        """A request as it is, and the program's answer as it is. Raises Failed, WorkerLost."""
        self._check_silence()
        number = secrets.token_bytes(NUMBER)
        self._worker.set_timer(self._limits.timeout_s)
        await self._worker.send(number + request)
        answer = await self._answer(number, most)
        self._check_silence()
        return answer

    def _check_silence(self) -> None:
        try:
            self._worker.nothing_unasked()
        except Forged as forgery:
            raise Failed("wrong_answer", str(forgery)) from None

    async def _answer(self, number: bytes, most: int) -> bytes:
        """The next answer, which must carry the number of its request. Raises Failed, WorkerLost."""
        try:
            answer = await self._worker.receive(most + NUMBER + 1)
        except TooLarge as large:
            if large.size > PLAUSIBLE_MESSAGE:  # no answer has such a length: other bytes stand in its place
                raise Failed("wrong_answer", FORGED) from None
            raise Failed("output_limit", f"the program returned {large}, more than {most:,}") from None
        except ChannelClosed:
            raise await self._ended() from None
        self._worker.stop_timer()
        if answer[:NUMBER] != number:
            raise Failed("wrong_answer", FORGED)
        return answer[NUMBER:]

    def _result(self, answer: bytes, where: str) -> bytes:
        """The JSON of a result. Raises Failed for an answer that is none."""
        kind, content = answer[:1], answer[1:]
        if kind == b"r":
            return content
        if kind not in (b"e", b"n") or len(content) > MAX_DESCRIPTION:
            raise Failed("wrong_answer", FORGED)
        try:
            told = json.loads(content)
        except (ValueError, RecursionError):
            raise Failed("wrong_answer", FORGED) from None
        if kind == b"n":
            raise Failed("wrong_answer", f"the result cannot be compared: {str(told)[:200]}")
        raise _raised(told, where)

    async def _ended(self) -> Failed:
        worker = self._worker
        if worker.killed_for is None and not worker.ended.done():
            # The program closed the channel, or is just ending; either way there will be no answer.
            worker.set_timer(0.2, "wrong_answer")
        end = await worker.end()
        stderr = decode(worker.stderr.take())
        outcome, reason = judge_end(worker, end, self._limits, stderr)
        if outcome in ("passed", "wrong_answer"):
            outcome, reason = "runtime_error", "the program ended before it had answered"
        return Failed(outcome, reason, stderr)


def _raised(error: object, where: str) -> Failed:
    if not isinstance(error, dict) or not all(isinstance(error.get(k), str) for k in ("type", "message", "traceback")):
        return Failed("wrong_answer", FORGED)
    outcome: Outcome = "memory" if error["type"] == "MemoryError" else "runtime_error"
    message = f": {error['message'][:300]}" if error["message"] else ""
    return Failed(outcome, f"{error['type'][:100]}{message} ({where})", error["traceback"][:8000])


def _encode(request: dict) -> bytes:
    """Raises WorkerLost for what the task itself gives and cannot be sent."""
    try:
        return json.dumps(request).encode()
    except (ValueError, RecursionError) as error:
        raise WorkerLost(f"the test's own arguments cannot be sent: {error}") from None


def read_result(result: bytes, longest_int: int) -> object:
    """A result of at most `longest_int` digits in its integers. Raises Failed for what is not JSON."""
    try:
        return json.loads(result, parse_int=lambda digits: parse_int(digits, longest_int))
    except (ValueError, RecursionError) as error:
        raise Failed("wrong_answer", f"what came back is not JSON: {str(error)[:200]}") from None


def parse_int(digits: str, longest: int = MAX_DIGITS) -> int:
    """An integer of up to `longest` digits; Python's own limit for text is lower, since its way takes square time."""
    if len(digits) <= 4_000:
        return int(digits)
    if len(digits) > longest + 1:  # a sign
        raise ValueError(f"an integer of {len(digits):,} digits")
    with localcontext(prec=MAX_DIGITS):
        return int(Decimal(digits))
