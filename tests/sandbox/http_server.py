"""The HTTP server as a process of its own, and what several tests send to it."""

import base64
import os
import pickle
import signal
import subprocess
import sys
import zlib

import httpx
import pytest

ECHO = {"source": "print(input())", "tests": [{"stdin": "é", "stdout": "é"}]}
SLEEP = {"source": "import time\ntime.sleep(60)", "tests": [{"stdin": "", "stdout": ""}]}


class Server:
    """`ponder sandbox serve` on a free port."""

    def __init__(self, *options: str, **environment: str):
        command = [sys.executable, "-m", "ponder.cli.main", "sandbox", "serve", "--port", "0", *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | environment
        )
        self.greeting = self.process.stdout.readline()
        if "this machine does not give" in self.greeting:
            pytest.skip(self.greeting)
        self.url = self.greeting.split()[3]
        self.http = httpx.Client(base_url=self.url, timeout=60.0)

    def health(self) -> dict:
        return self.http.get("/health").json()

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        output = self.process.communicate(timeout=60)[0]
        self.http.close()
        assert "Traceback" not in output, output
        return self.process.returncode


def packed(tests: object) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(tests))).decode()


ADD = "def add(a, b):\n    return a + b\n"
