"""A small random model, and a server in front of it: what the tests of this room share."""

import json
import socket
import threading

import httpx
import openai
import uvicorn

from ponder.chat.birth import train_tokenizer, write_tokenizer
from ponder.chat.renderer import Renderer
from ponder.engine.local import LocalEngine
from ponder.engine.thread import ThreadedEngine
from ponder.http.serving import http_config
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import build_random
from ponder.model.weights import load_decoder, save_decoder
from ponder.server.answer.gateway import Gateway
from ponder.server.front.app import create_app

CONTEXT = 512
NAME = "tiny"
ASK = [{"role": "user", "content": "1 + 2"}]


def give_birth(directory, context: int = CONTEXT) -> None:
    """A checkpoint of random weights whose tokenizer knows the markers and a few words."""
    texts = ["Calculate 1 + 2.", '{"name": "add", "arguments": {"a": 1, "b": 2}}'] * 4
    write_tokenizer(train_tokenizer(texts, 320), directory, context)
    vocab = -(-Renderer.load(directory).vocab_size // 16) * 16
    rope = RopeConfig()
    config = ModelConfig("qwen2", vocab, 32, 64, 2, 2, 1, 16, True, False, False, True, 1e-6, context, rope)
    save_decoder(build_random(config, 1), directory)
    (directory / "generation_config.json").write_text(json.dumps({"temperature": 1.0, "top_p": 1.0, "top_k": 0}))


def engine_of(directory, **options) -> ThreadedEngine:
    options = {"max_rows": 16, "rope_factors": (1.0, 2.0), "keep_prefixes": True} | options
    return ThreadedEngine(LocalEngine(load_decoder(directory), **options))


class Server:
    """A gateway behind real HTTP, in a thread of its own."""

    def __init__(self, gateway: Gateway, **options):
        self.gateway = gateway
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.server = uvicorn.Server(http_config(create_app(gateway, **options)))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.thread.start()
        self.http = httpx.Client(base_url=self.url, timeout=60.0)

    def close(self) -> None:
        self.http.close()
        self.server.should_exit = True
        self.thread.join()
        self.listener.close()


def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)
