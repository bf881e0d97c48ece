"""A vLLM server as a process of ours, run by the interpreter of vLLM's own environment; nothing of it is imported here.

It listens on a port of this machine alone, and answers to a key that only we know. (Over a Unix socket, which would need
neither, a cancelled read now and then makes anyio 4.16 log an InvalidStateError.)
"""

import json
import logging
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import httpx

from ponder.engine.vllm_log import root_cause
from ponder.engine.vllm_profile import VllmProfile, blocking_client, connect_vllm
from ponder.model.config import RopeConfig, load_config

KEEPER = Path(__file__).with_name("vllm_keeper.py")
NAME = "ponder"
POLL_S = 0.2
GRACE_S = 10.0  # a server that is told to end may take so long
TAIL_LINES, TAIL_BYTES = 20, 65_536
LOG_BYTES = 4 * 2**20  # in which the cause of a failed start is looked for
# At the end of a Python that has loaded Triton's bindings, many lines that hide what it had to say.
NOISE = re.compile(r"nanobind: |See https://nanobind| - (leaked (instance|type|function|keep_alive)|\.\.\. skipped)")
ARGUMENTS = (
    # A request says all; generation_config.json would add stop ids and cap max_tokens.
    *("--generation-config", "vllm"),
    # Grammars are llguidance's there as here.
    *("--structured-outputs-config", '{"backend": "guidance"}'),
    "--enable-prompt-tokens-details",
    "--disable-uvicorn-access-log",
)


class VllmServer:
    """A process that is, or will be, a server. `profile`: how to reach it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], directory: Path, profile: VllmProfile):
        self.directory, self.profile = directory, profile
        with self._log.open("wb") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", str(KEEPER), str(GRACE_S), str(directory), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(environment),
                start_new_session=True,  # Ctrl+C is ours to answer
            )
        self._closed = False

    def ended(self) -> str | None:
        """That it has come to its end, unless we ended it."""
        code = self._keeper.poll()
        return None if code is None or self._closed else f"vLLM ended with exit code {code}"

    def wait(self) -> None:
        """Until it has come to its end, whoever ended it."""
        self._keeper.wait()

    def tell_end(self, then: str) -> None:
        """That it has ended goes to our log, with what it said last and what comes `then`."""
        message = "%s; %s; it said last:\n%s"
        logging.getLogger(__name__).error(message, self.ended(), then, self.last_words())

    def last_words(self, lines: int = TAIL_LINES) -> str:
        """The end of its log."""
        said = self.log_text(TAIL_BYTES).splitlines()
        return "\n".join([line for line in said if line.strip() and not NOISE.match(line)][-lines:])

    def log_text(self, most_bytes: int = LOG_BYTES) -> str:
        """Its log, without the beginning where it is longer."""
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - most_bytes))
            return log.read(most_bytes).decode(errors="replace")

    def close(self) -> None:
        """Ends the server and all that it has started, and waits for it. Where the wait is interrupted (Ctrl+C again) the
        keeper goes on alone.

        Raises:
            subprocess.TimeoutExpired: something of it does not end even when it is killed.
        """
        if self._closed:
            return
        self._closed = True
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(2 * GRACE_S)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _log(self) -> Path:
        return self.directory / "log"


def start_vllm(
    model: Path,
    python: Path,
    *,
    rope_factor: float = 1.0,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 1800.0,
    progress: Callable[[float, str], None] = lambda seconds, line: None,
) -> VllmServer:
    """Starts a server and waits until it answers; blocks. It ends with `close`, or with this process, however that ends.

    Args:
        model: a checkpoint
        python: the interpreter of the environment that vLLM is installed in
        rope_factor: YaRN's, for all of its requests; the context grows by it
        arguments: more of vLLM's own, such as "--dtype", "float32"
        environment: variables beside ours, such as VLLM_CPU_KVCACHE_SPACE
        timeout_s: reading the weights of a large model takes minutes
        progress: told about twice a second the seconds so far and the newest line of the server's log
    Raises:
        ValueError: no such interpreter, or a model that has a scaling of its own already.
        RuntimeError: the server ended, or did not answer in time; with the end of its log.
    """
    if not python.is_file():
        raise ValueError(f"{python} is no file: give the Python of the environment that vLLM is installed in")
    scaling = yarn_arguments(model, rope_factor)
    directory, key = Path(tempfile.mkdtemp(prefix="ponder-vllm-")), secrets.token_urlsafe(32)
    with _reserved_port() as reserved:
        host, port = reserved.getsockname()
        command = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
        command += ["--host", host, "--port", str(port), "--served-model-name", NAME]
        server = VllmServer(
            [*command, *ARGUMENTS, *scaling, *arguments],
            # Arguments would show the key to everybody on the machine.
            _environment(environment or {}) | {"VLLM_API_KEY": key},
            directory,
            VllmProfile(f"http://{host}:{port}", api_key=key),
        )
        try:
            _wait(server, timeout_s, progress)
            server.profile = connect_vllm(server.profile.url, rope_factor, key)
        except BaseException:  # Ctrl+C too
            server.close()
            raise
    return server


def yarn_arguments(model: Path, rope_factor: float) -> list[str]:
    """What makes a server of a model without scaling one with YaRN of this factor."""
    if rope_factor == 1:
        return []
    config = load_config(model)
    if config.rope.kind != "default":
        raise ValueError(f"{model} has a RoPE scaling of its own ({config.rope.kind}); it takes no other")
    trained, longest = config.max_positions, int(config.max_positions * rope_factor)
    rope = RopeConfig(config.rope.theta, "yarn", rope_factor, trained)
    overrides = {
        "max_position_embeddings": longest,
        "rope_parameters": replace(config, rope=rope).to_hf()["rope_parameters"],
    }
    return ["--hf-overrides", json.dumps(overrides), "--max-model-len", str(longest)]


def _wait(server: VllmServer, timeout_s: float, progress: Callable[[float, str], None]) -> None:
    begun = time.monotonic()
    with blocking_client(server.profile) as client:
        while (seconds := time.monotonic() - begun) < timeout_s:
            if ended := server.ended():
                cause = root_cause(server.log_text())
                said = f"because of\n{cause}" if cause else f"it said last:\n{server.last_words()}"
                raise RuntimeError(f"{ended} before it was ready; {said}")
            try:
                if client.get("/health").status_code == 200:
                    return
            except httpx.HTTPError:
                progress(seconds, server.last_words(lines=1))
            time.sleep(POLL_S)
    raise RuntimeError(f"vLLM was not ready after {timeout_s:g} s; it said last:\n{server.last_words()}")


def _reserved_port() -> socket.socket:
    """A free port that nobody is given while this socket is open, except a server that names it: Linux lets two sockets
    have one port where both allow it (SO_REUSEADDR, as vLLM does) and only one of them listens."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    # Our own paths are not for the packages of another environment.
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return inherited | {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"} | dict(more)
