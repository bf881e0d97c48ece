"""Fixtures that the rooms around the API share; the conftest.py of each names those that it needs."""

import asyncio

import pytest

from ponder.chat.birth import train_tokenizer, write_tokenizer
from ponder.chat.renderer import Renderer
from ponder.engine.model_defaults import sampling_defaults
from ponder.server.answer.gateway import Gateway
from tests.shared.born import NAME, Server, engine_of, give_birth
from tests.shared.scripted import Scripted


@pytest.fixture(scope="session")
def renderer(tmp_path_factory) -> Renderer:
    """A tokenizer with the markers, for engines that write what a test says."""
    directory = tmp_path_factory.mktemp("tokenizer")
    texts = ['<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>', "The sum of 1 and 2 is 3."] * 4
    write_tokenizer(train_tokenizer(texts, 340), directory, 4096)
    return Renderer.load(directory)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A small random model."""
    directory = tmp_path_factory.mktemp("born") / "tiny"
    directory.mkdir()
    give_birth(directory)
    return directory


@pytest.fixture(scope="session")
def born(checkpoint):
    """The random model behind a server, sampled as its generation_config says."""
    defaults = sampling_defaults(checkpoint)
    server = Server(Gateway(engine_of(checkpoint), Renderer.load(checkpoint), NAME, defaults))
    yield server
    server.close()
    asyncio.run(server.gateway.engine.close())


@pytest.fixture
def says(renderer):
    """Starts a server whose model writes what is given."""
    servers = []

    def start(reply, piece: int = 1, context: int = 4096, **options) -> Server:
        servers.append(Server(Gateway(Scripted(renderer, reply, piece, context), renderer, NAME), **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
