"""A model under several names, and what tells which server it is."""

import pytest

from ponder import __version__
from ponder.server.answer.gateway import Gateway
from tests.shared.born import ASK, NAME, Server, client
from tests.shared.one_turn import think_then
from tests.shared.scripted import Scripted

OTHER = "Qwen/QwQ-32B"


@pytest.fixture
def named(renderer):
    server = Server(Gateway(Scripted(renderer, think_then("It is 3.")), renderer, NAME, other_names=(OTHER, NAME)))
    yield server
    server.close()


@pytest.mark.parametrize("name", [NAME, OTHER])
def test_answers_bear_the_name_that_was_asked(named, name):
    api = client(named)
    told = [api.chat.completions.create(model=name, messages=ASK), api.responses.create(model=name, input="x")]
    told += [
        api.completions.create(model=name, prompt="x"),
        *api.chat.completions.create(model=name, messages=ASK, stream=True),
    ]
    told += api.completions.create(model=name, prompt="x", stream=True)
    assert {one.model for one in told} == {name}
    message = {"model": name, "messages": ASK, "max_tokens": 50}
    assert named.http.post("/v1/messages", json=message).json()["model"] == name
    assert named.http.post("/tokenize", json={"model": name, "prompt": "x"}).status_code == 200


def test_all_names_are_listed(named):
    assert [card.id for card in client(named).models.list()] == [NAME, OTHER]
    assert client(named).models.retrieve(OTHER).id == OTHER
    refused = named.http.post("/v1/chat/completions", json={"model": "gpt-5", "messages": ASK}).json()["error"]
    assert f"`{NAME}`, `{OTHER}`" in refused["message"] and refused["code"] == "model_not_found"


def test_anthropics_fields_of_models(named):
    told = named.http.get("/v1/models").json()
    card = told["data"][1]
    assert (card["type"], card["display_name"], told["has_more"], told["last_id"]) == ("model", OTHER, False, OTHER)
    assert card["created_at"].endswith("Z")


def test_version_and_ping(named):
    assert named.http.get("/version").json() == {"version": __version__}
    assert named.http.get("/ping").json() == named.http.get("/health").json() == {"status": "ok", "failure": None}
    assert named.http.head("/ping").status_code == 200
