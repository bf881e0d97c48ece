"""Clients that hang up, read slowly or want an answer now; many at once; a server that ends. Waiting is for events."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from ponder.chat.renderer import Renderer
from ponder.server.answer.gateway import Gateway
from ponder.server.start.memory import plan_memory
from tests.sandbox.waiting import wait_until
from tests.shared.born import ASK, CONTEXT, NAME, Server, client, engine_of, give_birth
from tests.shared.one_turn import THOUGHT, think_then
from tests.shared.scripted import Scripted

CHAT = "/v1/chat/completions"
LONG = {"model": NAME, "messages": ASK, "max_tokens": 900, "ignore_eos": True, "answer_reserve": 0}


@pytest.fixture(scope="module")
def endless(checkpoint):
    """A random model. Where it cannot end its turn, what runs, runs until it is stopped."""
    server = Server(Gateway(engine_of(checkpoint), Renderer.load(checkpoint), NAME))
    yield server
    server.close()
    asyncio.run(server.gateway.engine.close())


def load(server: Server):
    return server.gateway.engine.load()


def free(server: Server) -> None:
    wait_until(lambda: (load(server).running, load(server).waiting) == (0, 0))


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/inference/v1/generate", "/v1/responses"])
@pytest.mark.parametrize("stream", [True, False])
def test_hanging_up_frees_the_rows(endless, path, stream):
    body = {
        CHAT: LONG | {"n": 3},
        "/v1/completions": {"model": NAME, "prompt": "1 + 2", "max_tokens": 900, "ignore_eos": True},
        "/inference/v1/generate": {"token_ids": [1, 2], "sampling_params": {"max_tokens": 900, "ignore_eos": True}},
        "/v1/responses": {"model": NAME, "input": "1 + 2", "max_output_tokens": 900},
    }[path]
    text = json.dumps(body | {"stream": stream})
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
    step, started, gate = endless.gateway.engine.engine.step, threading.Event(), threading.Event()

    def slow():
        started.set()
        gate.wait(60)
        return step()

    endless.gateway.engine.engine.step = slow
    try:
        with socket.create_connection(endless.listener.getsockname()) as raw:
            raw.sendall((head + text).encode())
            assert started.wait(60)
        # The engine stands still until the server has noticed; it would be done with 900 tokens before a busy one has.
        wait_until(lambda: endless.gateway.engine.dropped)
    finally:
        endless.gateway.engine.engine.step = step
        gate.set()
    free(endless)
    aborted = 'ponder:request_success_total{finished_reason="abort",model_name="tiny"}'
    wait_until(lambda: aborted in endless.http.get("/metrics").text)


def test_a_slow_reader_is_nobody_elses_business(endless):
    """It takes one byte and then none; others are answered meanwhile, and its row is free once all is sampled."""
    text = json.dumps(LONG | {"stream": True, "n": 4, "logprobs": True, "top_logprobs": 20})
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    with raw:
        raw.connect(endless.listener.getsockname())
        raw.sendall((head + text).encode())
        assert raw.recv(1)
        answers = [client(endless).chat.completions.create(model=NAME, messages=ASK, max_tokens=5) for _ in range(5)]
        assert all(answer.choices for answer in answers)
    free(endless)


def test_many_at_once_and_half_of_them_go(endless):
    """Everybody who stays gets what the same request alone gets."""
    rng = random.Random(1)
    plans = [(seed, rng.random() < 0.5, rng.randint(1, 30)) for seed in range(40)]

    def ask(plan):
        seed, stays, pieces = plan
        body = LONG | {"max_tokens": 60, "seed": seed, "stream": True, "n": 1 + seed % 3}
        told = ""
        with httpx.stream("POST", endless.url + CHAT, json=body, timeout=300) as response:
            for number, line in enumerate(response.iter_lines()):
                if not stays and number > pieces:
                    return None
                told += line + "\n"
        assert told.rstrip().endswith("data: [DONE]")
        return text_of(told)

    with ThreadPoolExecutor(20) as pool:
        together = list(pool.map(ask, plans))
    free(endless)
    for plan, text in zip(plans, together, strict=True):
        if text is not None and plan[0] % 5 == 0:
            assert ask(plan) == text


def text_of(stream: str) -> list[str]:
    texts: dict[int, str] = {}
    for line in stream.splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:])["choices"]:
                delta = choice["delta"]
                part = (delta.get("reasoning_content") or "") + (delta.get("content") or "")
                texts[choice["index"]] = texts.get(choice["index"], "") + part
    return [texts[index] for index in sorted(texts)]


def test_answer_now(renderer):
    """Over HTTP, while the model thinks: the thought ends after the next token and the answer comes."""
    engine = Scripted(renderer, think_then("It is 3."))
    gate = threading.Semaphore(0)

    async def held():
        await asyncio.to_thread(gate.acquire)

    engine.pause = held
    server = Server(Gateway(engine, renderer, NAME))
    try:
        reasoning, content, name = "", "", None
        for chunk in client(server).chat.completions.create(model=NAME, messages=ASK, stream=True):
            delta = chunk.choices[0].delta
            reasoning += getattr(delta, "reasoning_content", None) or ""
            content += delta.content or ""
            if name is None:
                name = chunk.id
                for other in ("chatcmpl-other", name):
                    body = {"id": other, "action": "reasoning_end"}
                    told = server.http.post(f"{CHAT}/control", json=body)
                    assert told.status_code == (200 if other == name else 404)
                assert told.json() == {"id": name, "success": True}
            gate.release()
        for _ in range(100):
            gate.release()
        assert chunk.choices[0].reasoning_stop_reason == "user" and content == "It is 3."
        assert THOUGHT not in reasoning and "limited time" in reasoning
    finally:
        server.close()


def test_a_quiet_stream_is_kept_alive(renderer, monkeypatch):
    monkeypatch.setattr("ponder.server.front.event_stream.KEEP_ALIVE_S", 0.01)
    engine, pinged = Scripted(renderer, think_then("It is 3."), piece=1000), threading.Event()

    async def held():
        await asyncio.to_thread(pinged.wait)

    engine.pause = held
    server = Server(Gateway(engine, renderer, NAME))
    try:
        with server.http.stream("POST", CHAT, json={"model": NAME, "messages": ASK, "stream": True}) as response:
            for line in response.iter_lines():
                if line == ": ping":
                    pinged.set()
        assert pinged.is_set() and line in ("data: [DONE]", "")
    finally:
        pinged.set()
        server.close()


# ---- as a process ----


class Process:
    """`ponder serve` on a free port. `before`: Python that runs first, to make a test's bounds small."""

    def __init__(self, model, *options: str, before: str = ""):
        program = f"import sys\n{before}\nfrom ponder.cli.main import main\nsys.exit(main())"
        command = [sys.executable, "-c", program, "serve", str(model), "--port", "0", *options]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.greeting = self.process.stdout.readline()
        assert "Ponder serves" in self.greeting, self.process.communicate()[1]
        self.url = next(word for word in self.greeting.split() if word.startswith("http"))
        self.http = httpx.Client(base_url=self.url.removesuffix("/v1"), timeout=60.0)

    def stop(self) -> str:
        """Ends it and returns what it said on standard error."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate(timeout=120)[1]
        self.http.close()
        assert self.process.returncode == 0 and "Traceback" not in said, said
        return said


def test_a_server_ends_in_order(checkpoint):
    """SIGTERM: what runs is finished, what is new is refused, and the log tells both, without a word of the prompt."""
    server = Process(checkpoint, "--name", "mine")
    refused = None
    body = {"model": "mine", "messages": [{"role": "user", "content": "a secret"}], "max_tokens": 400, "stream": True}
    with server.http.stream("POST", CHAT, json=body) as response:
        lines = response.iter_lines()
        next(lines)
        server.process.send_signal(signal.SIGTERM)
        with httpx.Client(base_url=server.http.base_url) as other:
            refused = other.get("/ready")
        told = list(lines)
    assert told[-2:] == ["data: [DONE]", ""]
    assert refused.status_code in (200, 503)  # the signal may come a moment after
    said = server.stop()
    logged = [json.loads(line) for line in said.splitlines()]
    (turn,) = [line for line in logged if line["path"] == CHAT]
    assert turn["status"] == 200 and turn["completion_tokens"] > 0 and turn["request_id"]
    assert "secret" not in said


def test_what_does_not_end_in_time_is_told_so(tmp_path):
    give_birth(tmp_path, context=32_768)
    server = Process(tmp_path, "--name", NAME, before="import ponder.server.start.serve as serve; serve.DRAIN_S = 0.1")
    body = LONG | {"max_tokens": 30_000, "stream": True}
    with server.http.stream("POST", CHAT, json=body) as response:
        lines = response.iter_lines()
        next(lines)
        server.process.send_signal(signal.SIGTERM)
        told = [line for line in lines if line.startswith("data: {")]
    error = json.loads(told[-1].removeprefix("data: "))["error"]
    assert error["type"] == "server_error" and "closed" in error["message"]
    server.stop()


def test_nobody_chooses_an_address(checkpoint):
    """Without keys, callers are told apart by address: theirs, not what they write into a header."""
    server = Process(checkpoint, "--name", NAME, "--requests-per-minute", "1")
    body = {"model": NAME, "messages": ASK, "max_tokens": 1}
    answers = [server.http.post(CHAT, json=body, headers={"x-forwarded-for": f"9.9.9.{n}"}) for n in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    said = server.stop()
    assert {json.loads(line)["caller"] for line in said.splitlines()} == {"127.0.0.1"}


def run(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "ponder.cli.main", "serve", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_messages_at_the_start(checkpoint, tmp_path):
    taken = socket.create_server(("127.0.0.1", 0))
    with taken:
        done = run(checkpoint, "--port", taken.getsockname()[1])
    assert done.returncode == 2 and "is taken: choose another with --port" in done.stderr
    done = run(tmp_path / "nothing")
    assert done.returncode == 2 and "neither a checkpoint" in done.stderr
    empty = tmp_path / "keys"
    empty.write_text("")
    done = run(checkpoint, "--api-key-file", empty)
    assert done.returncode == 2 and "holds no key" in done.stderr
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    done = run(tmp_path / "broken")
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_a_model_that_does_not_fit(checkpoint):
    with pytest.raises(ValueError, match=r"does not fit: its weights take .* GiB are free"):
        plan_memory(checkpoint, free_bytes=100_000)
    small, large = plan_memory(checkpoint, 10 << 20), plan_memory(checkpoint, 10 << 30)
    assert CONTEXT <= small.cache_tokens < large.cache_tokens


def test_a_huge_model_is_refused_before_it_is_read(tmp_path):
    give_birth(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {
        "hidden_size": 16_384,
        "intermediate_size": 262_144,
        "num_hidden_layers": 500,
        "num_attention_heads": 128,
    }
    config |= {"num_key_value_heads": 128, "head_dim": 128}
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = run(tmp_path)
    assert done.returncode == 2 and "does not fit" in done.stderr and "GiB are free" in done.stderr
