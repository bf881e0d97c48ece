"""Starts a vLLM server of ours again when it comes to its end by itself."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from ponder.engine.vllm_process import VllmServer
from ponder.engine.vllm_profile import VllmProfile

Progress = Callable[[float, str], None]
WAITS_S = (0.0, 2.0, 10.0, 30.0, 60.0)  # before each further start, where the one before it came to nothing
LASTS_S = 60.0  # a server that lived so long did not end because of its start


class Start(Protocol):
    def __call__(self, *, progress: Progress) -> VllmServer: ...


class SupervisedVllm:
    """A server and its successors. `start`: makes one; blocks.

    A server that ends before LASTS_S, or does not start, counts as a start that came to nothing; after as many of them in a row
    as there are WAITS_S nothing is started any more.

    Raises:
        what `start` raises, where the first server does not start.
    """

    def __init__(self, start: Start, progress: Progress = lambda seconds, line: None):
        self._start = start
        self._server = start(progress=progress)
        self._given_up: str | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ponder-vllm-supervisor", daemon=True)
        self._thread.start()

    @property
    def profile(self) -> VllmProfile:
        """How to reach the newest server, which may be at its end."""
        return self._server.profile

    @property
    def starts_again(self) -> bool:
        """Whether there is no server, and soon will be one."""
        return self._given_up is None and not self._closing.is_set() and self._server.ended() is not None

    def failure(self) -> str | None:
        """Why nothing can be sampled now."""
        if self._given_up:
            return self._given_up
        ended = self._server.ended()
        return f"{ended}; it is being started again" if ended else None

    def close(self) -> None:
        """As `VllmServer.close`, also while one starts."""
        self._closing.set()
        self._server.close()
        self._thread.join()
        self._server.close()  # one that was just there when it was told to end

    def _watch(self) -> None:
        in_vain, began = 0, time.monotonic()
        while True:
            self._server.wait()
            if self._closing.is_set():
                return
            self._server.tell_end("it is started again")
            in_vain = in_vain + 1 if time.monotonic() - began < LASTS_S else 1
            while not self._begin(in_vain):
                if self._given_up or self._closing.is_set():
                    return
                in_vain += 1
            began = time.monotonic()

    def _begin(self, in_vain: int) -> bool:
        """A further server, after a wait; whether there is one now."""
        log = logging.getLogger(__name__)
        if in_vain > len(WAITS_S):
            self._given_up = f"vLLM ended, or did not start, {in_vain} times in a row: see why, and restart Ponder"
            log.error(self._given_up)
            return False
        if self._closing.wait(WAITS_S[in_vain - 1]):
            return False
        before = self._server
        try:
            self._server = self._start(progress=self._progress)
        except (RuntimeError, ValueError, OSError) as error:
            if not self._closing.is_set():
                log.error("vLLM did not start again. %s", error)
            return False
        before.close()
        log.warning("vLLM answers again")
        return True

    def _progress(self, seconds: float, line: str) -> None:
        if self._closing.is_set():
            raise RuntimeError("told to end while it started")
