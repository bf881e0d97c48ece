"""Structured output: whatever a random model samples satisfies what was asked, and a mask is exactly its grammar."""

import asyncio
import json
import random
import re
from dataclasses import replace
from typing import Literal

import pytest
import torch
from pydantic import BaseModel, ConfigDict, Field

from ponder.chat.token_bytes import token_bytes
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import build_random
from tests.engine.conftest import GRAMMAR_VOCAB as VOCAB
from tests.engine.test_thread import collect, with_engine


@pytest.fixture(scope="module")
def decoder():
    shape = ModelConfig("qwen2", VOCAB, 32, 64, 2, 4, 2, 8, True, False, False, True, 1e-6, 1024, RopeConfig())
    return build_random(shape, seed=0).eval().requires_grad_(False)


def answers(decoder, compiler, tokenizer, stops, kind, spec, count=24, **settings) -> list[str]:
    """Texts of whole answers at several temperatures; every one must have ended by itself."""
    make = compiler.compile(kind, spec)
    params = SamplingParams(top_k=0, top_p=1.0, max_tokens=900, stop_ids=stops, **settings)
    wanted = [
        Request(i, (1, 2, 3 + i), replace(params, temperature=(0.0, 0.7, 1.0, 1.5)[i % 4]), seed=i, mask=make())
        for i in range(count)
    ]
    spelled, texts = token_bytes(tokenizer), []
    for completion in LocalEngine(decoder).generate(wanted):
        assert completion.finish_reason == "stop" and completion.ids[-1] in stops, completion.error
        assert not set(completion.ids[:-1]) & set(tokenizer.get_added_tokens_decoder()), "tags are no text"
        texts.append(b"".join(map(spelled, completion.ids[:-1])).decode())
    return texts


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=12)
    size: int = Field(ge=-20, le=3000)


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["bolt", "nut", "M\u00fctze"]
    parts: list[Part] = Field(min_length=1, max_length=3)
    good: bool
    note: str | None = Field(max_length=8)


def test_json_of_a_schema(decoder, compiler, tokenizer, stops):
    """Nested objects, references, enumerations, bounds, alternatives: pydantic made the schema, and checks the answers."""
    texts = answers(decoder, compiler, tokenizer, stops, "json_schema", Thing.model_json_schema())
    things = [Thing.model_validate_json(text) for text in texts]
    assert len({thing.model_dump_json() for thing in things}) > 12


def test_regex_choice_and_grammars(decoder, compiler, tokenizer, stops):
    ask = (decoder, compiler, tokenizer, stops)
    assert all(re.fullmatch(r"[ab]{2,5}-\d{3}", text) for text in answers(*ask, "regex", r"[ab]{2,5}-[0-9]{3}"))
    options = ["yes", "no", 'may "be"\n', "Z\u00fcrich", "<think>"]
    found = answers(*ask, "choice", options)
    assert set(found) <= set(options) and len(set(found)) >= 3
    lark = 'start: sum\nsum: NUMBER "+" NUMBER ("+" NUMBER)~0..2\nNUMBER: /[1-9][0-9]{0,2}/'
    gbnf = 'root ::= number "+" number\nnumber ::= [1-9] [0-9]?'
    for grammar in (lark, gbnf):
        assert all(
            re.fullmatch(r"[1-9]\d{0,2}(\+[1-9]\d{0,2}){1,3}", text) for text in answers(*ask, "grammar", grammar)
        )


def test_any_object_stays_json_and_white_space_is_bounded(decoder, compiler, tokenizer, stops):
    """Biased towards blanks as strongly as can be; a bias does not get past the grammar."""
    blanks = tuple(
        (token, 100.0) for token in range(VOCAB) if (tokenizer.id_to_token(token) or "x").strip("\u0120\u010a") == ""
    )
    make = compiler.compile("json_object")
    params = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, max_tokens=200, stop_ids=stops, logit_bias=blanks)
    spelled = token_bytes(tokenizer)
    for completion in LocalEngine(decoder).generate([Request(i, (i,), params, seed=i, mask=make()) for i in range(8)]):
        text = b"".join(spelled(token) for token in completion.ids if token not in stops).decode(errors="ignore")
        assert text.startswith("{") and completion.error is None
        outside = re.sub(r'"(\\.|[^"\\])*("|$)', "s", text)
        assert all(re.fullmatch(r" |\n[ \t]{0,20}", gap) for gap in re.findall(r"\s+", outside)), text
        if completion.finish_reason == "stop":
            assert isinstance(json.loads(text), dict)


def test_the_mask_lets_through_exactly_what_the_grammar_does(compiler, tokenizer, stops):
    """Random walks through a finite language: a token is allowed exactly where some word goes on with its bytes, and
    the stop ids exactly at the end of a word."""
    words = ["a", "ab", "abc", "name", "names", "no", "maybe yes"]
    spelled, added = token_bytes(tokenizer), set(tokenizer.get_added_tokens_decoder())
    make = compiler.compile("regex", "|".join(words))
    rng = random.Random(0)
    for _ in range(40):
        mask, said = make(), b""
        while not mask.finished:
            allowed = set(mask.allowed().nonzero().flatten().tolist())
            assert mask.allowed().shape == (VOCAB,) and mask.allowed().dtype == torch.bool
            assert (allowed & stops == stops) == (said.decode() in words)
            for token in range(VOCAB):
                goes_on = any(word.encode().startswith(said + spelled(token)) for word in words)
                if token not in added and token in allowed:
                    assert goes_on and spelled(token)
            tokens = sorted(allowed - added)
            assert tokens, "something may come until it is finished"
            token = rng.choice(tokens)
            said += spelled(token)
            mask.advance(token)
        assert said.decode() in words


def test_masks_of_one_grammar_do_not_share_their_state(compiler, tokenizer):
    make = compiler.compile("choice", ["yes", "no"])
    one, other = make(), make()
    before = other.allowed()
    one.advance(tokenizer.token_to_id("y"))
    assert torch.equal(other.allowed(), before) and not torch.equal(one.allowed(), before)
    with pytest.raises(ValueError, match="doesn't satisfy the grammar"):
        one.advance(tokenizer.token_to_id("n"))


def test_streams_with_grammars_beside_streams_without(decoder, compiler, tokenizer, stops):
    """Masks are made on the event loop while the engine's thread works with others of the same grammar."""
    params = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, max_tokens=60, stop_ids=stops)
    make = compiler.compile("regex", "[a-z]{3,8}")
    spelled = token_bytes(tokenizer)

    async def body(engine):
        asks = [Request(i, (i, 5), params, seed=i, mask=make() if i % 2 else None) for i in range(40)]
        return await asyncio.gather(*(collect(engine, request) for request in asks))

    for index, (ids, _, reason) in enumerate(with_engine(LocalEngine(decoder, max_rows=12), body)):
        if index % 2:
            text = b"".join(map(spelled, ids[:-1])).decode()
            assert reason == "stop" and re.fullmatch("[a-z]{3,8}", text)
        else:
            free = next(LocalEngine(decoder).generate([Request(index, (index, 5), params, seed=index)]))
            assert (ids, reason) == (free.ids, free.finish_reason)
