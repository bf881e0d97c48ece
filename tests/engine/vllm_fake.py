"""What stands in for vLLM where there is none: a server that speaks as vLLM 0.32 does and writes what a test says, and
an "interpreter" that runs such a server as a process."""

import asyncio
import contextlib
import json
import socket
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

VOCAB = 160
Body = dict
Script = Callable[[Body], AsyncIterator[bytes]]


def event(ids=(), reason=None, logprob=-0.5, top=None, text="") -> bytes:
    """One piece, in the bytes that vLLM sends."""
    logprobs = {
        "tokens": [f"token_id:{token}" for token in ids],
        "token_logprobs": [logprob] * len(ids),
        "top_logprobs": top if top is not None else [{f"token_id:{token}": logprob} for token in ids],
        "text_offset": [0] * len(ids),
    }
    choice = {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": reason, "token_ids": list(ids)}
    return data({"id": "cmpl-1", "object": "text_completion", "choices": [choice]})


def usage(cached: int | None) -> bytes:
    details = None if cached is None else {"cached_tokens": cached}
    return data({"choices": [], "usage": {"prompt_tokens": 9, "prompt_tokens_details": details}})


def data(content: dict) -> bytes:
    return b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def token_at(body: Body, place: int) -> int:
    """What the fake model writes."""
    return (7 * sum(body["prompt"]) + body["seed"] + 13 * place) % VOCAB


async def counted(body: Body) -> AsyncIterator[bytes]:
    for place in range(body["max_tokens"]):
        yield event([token_at(body, place)], "length" if place + 1 == body["max_tokens"] else None)
    yield usage(4)
    yield DONE


def said(*blocks: bytes) -> Script:
    async def script(body):
        for block in blocks:
            yield block

    return script


class FakeVllm:
    """The server, in a thread. `script` writes the answers; `held`, while it is clear, holds one before its end."""

    def __init__(self, script: Script = counted, context: int = 512, reads_grammars: bool = True):
        self.script, self.context, self.reads_grammars = script, context, reads_grammars
        self.refusal: tuple[int, object] | None = None
        self.bodies: list[Body] = []
        self.keys: list[str | None] = []
        self.begun = threading.Semaphore(0)  # one for each answer that has begun
        self.left = threading.Semaphore(0)  # one for each answer whose reader has gone away before its end
        self.metrics = ""
        routes = [
            Route("/v1/models", self._models),
            Route("/v1/completions", self._complete, methods=["POST"]),
            Route("/metrics", lambda request: PlainTextResponse(self.metrics)),
        ]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical", lifespan="off"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.thread.start()

    async def _models(self, request: Request) -> JSONResponse:
        return JSONResponse({"data": [{"id": "ponder", "max_model_len": self.context}]})

    async def _complete(self, request: Request):
        body = await request.json()
        if not body.get("stream"):
            return self._answer_at_once(body)
        self.bodies.append(body)
        self.keys.append(request.headers.get("authorization"))
        if self.refusal:
            status, content = self.refusal
            kind = PlainTextResponse if isinstance(content, str) else JSONResponse
            return kind(content, status)
        return StreamingResponse(self._stream(body), media_type="text/event-stream")

    def _answer_at_once(self, body: Body) -> JSONResponse:
        """Not how an engine asks: the single token that a grammar wants, by a server that reads grammars."""
        if not self.reads_grammars:
            return JSONResponse({"error": {"message": "Invalid grammar", "code": 400}}, 400)
        token = int(body["structured_outputs"]["grammar"].partition("<[")[2].partition("]>")[0])
        return JSONResponse({"choices": [{"token_ids": [token]}]})

    async def _stream(self, body: Body) -> AsyncIterator[bytes]:
        self.begun.release()
        try:
            async with contextlib.aclosing(self.script(body)) as blocks:
                async for block in blocks:
                    yield block
        except asyncio.CancelledError:
            self.left.release()
            raise

    def close(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join()
        self.listener.close()
        # The event loop is gone, and with it whoever would have closed what was still being answered.
        for connection in list(self.server.server_state.connections):
            with contextlib.suppress(OSError):
                connection.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


async def endless(body: Body) -> AsyncIterator[bytes]:
    """One piece, and then nothing."""
    yield event([token_at(body, 0)])
    await asyncio.Event().wait()


def one_token_and_then_nothing(token: int) -> Script:
    """What of it is shown depends on the token: a client that waits for text must know which one it is."""

    async def script(body):
        yield event([token])
        await asyncio.Event().wait()

    return script


async def silent(body: Body) -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


INTERPRETER = '''\
#!{python}
"""Called as vLLM is; what it does is in the environment variable FAKE."""
import http.server, json, os, signal, socketserver, subprocess, sys, time

assert sys.argv[1:3] == ["-m", "vllm.entrypoints.openai.api_server"], sys.argv
host, port = (sys.argv[sys.argv.index(name) + 1] for name in ("--host", "--port"))
does = os.environ["FAKE"].split()
helper = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('helping', flush=True); time.sleep(999)"
child = subprocess.Popen([sys.executable, "-c", helper], stdout=subprocess.PIPE)
child.stdout.readline()
print("loading", *sys.argv[3:], flush=True)
if "dies" in does:
    print("RuntimeError: no such model\\nnanobind: leaked 514 functions!\\n - leaked function \\"f\\"\\n - ... skipped remainder")
    sys.exit(1)
if "fails" in does:
    print(open(os.environ["LOG"]).read())
    sys.exit(1)
if "unscaled" in does and "--hf-overrides" in sys.argv:
    sys.exit("no scaling here")
if "stubborn" in does:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "tidy" in does:
    goodbye = os.path.join(os.path.dirname(sys.argv[0]), "goodbye")
    signal.signal(signal.SIGTERM, lambda *_: (open(goodbye, "w").close(), os._exit(0)))
while os.path.exists(os.path.join(os.path.dirname(sys.argv[0]), "wait")):
    time.sleep(0.05)
if "hangs" in does:
    time.sleep(999)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/health" and self.headers["Authorization"] != "Bearer " + os.environ["VLLM_API_KEY"]:
            return self.send_error(401)
        body = json.dumps({{"data": [{{"id": "ponder", "max_model_len": 512}}]}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path == "/v1/models" and "once" in does:
            os._exit(3)

    def do_POST(self):
        """One token, and another after it, unless a file says to hold it back."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", "999999")  # so that an end before DONE is a connection that broke
        self.end_headers()
        for reason in (None, "length"):
            token = {{"index": 0, "text": "", "token_ids": [40], "finish_reason": reason}}
            token["logprobs"] = {{"token_logprobs": [-0.5], "top_logprobs": [{{"token_id:40": -0.5}}]}}
            self.wfile.write(b"data: " + json.dumps({{"choices": [token]}}).encode() + b"\\n\\n")
            self.wfile.flush()
            while os.path.exists(os.path.join(os.path.dirname(sys.argv[0]), "hold")):
                time.sleep(0.05)
        self.wfile.write(b"data: [DONE]\\n\\n")

    def log_message(self, *said): ...


socketserver.ThreadingTCPServer.allow_reuse_address = True  # as vLLM does
socketserver.ThreadingTCPServer((host, int(port)), Handler).serve_forever()
'''


def fake_interpreter(directory: Path) -> Path:
    path = directory / "python"
    path.write_text(textwrap.dedent(INTERPRETER).format(python=sys.executable))
    path.chmod(0o755)
    return path
