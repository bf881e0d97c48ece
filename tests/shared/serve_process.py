"""`ponder serve` as a process that does not outlive its test."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import IO

import httpx


class ServeProcess:
    """Starts it on a free port. As a context it is killed at the end, where it still runs."""

    def __init__(self, model, *options: object, environment: Mapping[str, str] | None = None):
        command = [sys.executable, "-m", "ponder.cli.main", "serve", model, "--port", "0", *options]
        # A pipe that nobody reads would fill, and stop the server.
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (open as long as the process runs)
        self.process = subprocess.Popen(
            list(map(str, command)),
            env=os.environ | {"OMP_NUM_THREADS": "1"} | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.said: list[str] = []  # on standard output, up to the greeting
        self._http: httpx.Client | None = None

    def __enter__(self) -> "ServeProcess":
        return self

    def __exit__(self, *_) -> None:
        if self._http:
            self._http.close()
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self._log.close()

    @property
    def url(self) -> str:
        """Waits for the greeting."""
        output: IO[str] | None = self.process.stdout
        assert output is not None
        while not (self.said and "Ponder serves" in self.said[-1]):
            line = output.readline()
            assert line, f"it has ended: {self.ended()}"
            self.said.append(line)
        return next(word for word in self.said[-1].split() if word.startswith("http"))

    @property
    def http(self) -> httpx.Client:
        if self._http is None:
            self._http = httpx.Client(base_url=self.url.removesuffix("/v1"), timeout=120.0)
        return self._http

    def stop(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Returns what it said on standard error; it must have ended in order."""
        self.process.send_signal(number)
        said = self.ended()
        assert self.process.returncode == 0 and "Traceback" not in said, said
        return said

    def ended(self) -> str:
        """Waits for its end; what it said on standard error."""
        self.process.wait(timeout=120)
        self._log.seek(0)
        return self._log.read()
