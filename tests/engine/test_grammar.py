"""Structured output: whatever a random model samples satisfies what was asked; specifications that cannot work say why."""

import asyncio
import json
import random
import re
from dataclasses import replace
from typing import Literal

import pytest
import torch
from llguidance import LLMatcher, grammar_from
from llguidance.hf import from_tokenizer
from pydantic import BaseModel, ConfigDict, Field
from transformers import PreTrainedTokenizerFast

from ponder.chat.birth import train_tokenizer
from ponder.chat.token_bytes import token_bytes
from ponder.engine.grammar import GrammarCompiler, GrammarMask, or_tokens
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.engine.vllm_wire import AS_TEXT
from ponder.model.config import ModelConfig, RopeConfig
from ponder.model.decoder import build_random
from tests.engine.test_thread import collect, with_engine

VOCAB = 400  # the tokenizer has fewer: as in many checkpoints, the last rows stand for nothing


@pytest.fixture(scope="module")
def tokenizer():
    texts = [f'{{"name": "Z\\u00fcrich {n}", "tags": ["a", "b"], "size": {n}.5}} yes no maybe' for n in range(50)]
    return train_tokenizer(texts, 380)


@pytest.fixture(scope="module")
def stops(tokenizer):
    return frozenset({tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")})


@pytest.fixture(scope="module")
def compiler(tokenizer, stops):
    return GrammarCompiler(tokenizer, stops, VOCAB)


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
        assert not re.search(r"\s{21}", outside), text
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


# ---- written down, for an engine that is another process ----


def some_schema(rng: random.Random, depth: int = 2) -> dict:
    kinds = ["string", "integer", "boolean", "enum", "pattern", "array", "object", "any"]
    kind = rng.choice(kinds if depth else kinds[:5])
    if kind == "enum":
        return {"enum": rng.sample(["a", 'q"\n', "Z\u00fcrich", 1, -2.5, None, {"start:": "}"}], 3)}
    if kind == "pattern":
        return {"type": "string", "pattern": rng.choice([r"^[a-c]{1,4}$", r'^\d+/"x"$', r"^(}|\{)+$"])}
    if kind == "array":
        return {"type": "array", "items": some_schema(rng, depth - 1), "minItems": rng.randrange(2), "maxItems": 3}
    if kind == "object":
        fields = {name: some_schema(rng, depth - 1) for name in rng.sample(["name", "t\u00e4g", "a b", 'k"'], 2)}
        bound = {"additionalProperties": False} if rng.random() < 0.7 else {}
        return {"type": "object", "properties": fields, "required": [next(iter(fields))]} | bound
    if kind == "any":
        return {"anyOf": [some_schema(rng, depth - 1), some_schema(rng, depth - 1)]}
    return {"type": kind} | ({"maxLength": rng.randrange(1, 9)} if kind == "string" else {})


def some_specification(rng: random.Random) -> tuple[str, object]:
    words = ["yes", "no", "maybe not", 'a "b"\n', "/x/", "Z\u00fcrich", "start: x"]
    number = rng.randrange(1, 5)
    grammars = [
        f'start: word (", " word)~0..{number}\nword: "yes" | /[a-f]{{1,{number}}}/ // a }} here\n',
        f'%llguidance {{}}\nstart: /[0-9]{{{number}}}/ | "{{" start "}}"\n',
        f'root ::= "(" root ")" | [x-z]{{1,{number}}}',
    ]
    return rng.choice(
        [
            ("json_object", None),
            ("json_schema", some_schema(rng)),
            ("json_schema", some_schema(rng) | {"x-guidance": {"item_separator": ","}}),
            ("regex", rng.choice([rf"[ab]{{1,{number}}}/\d+", rf'("x"|\n|\\){{{number}}}', r"(?i)abc.*\.\w+"])),
            ("choice", rng.sample(words, number)),
            ("grammar", rng.choice(grammars)),
        ]
    )


@pytest.fixture(scope="module")
def theirs(tokenizer):
    """The tokenizer as vLLM makes it for its grammars: it knows one stop id, and our added tokens only by their form."""
    return from_tokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>"), VOCAB)


@pytest.mark.parametrize("seed", range(60))
def test_what_is_written_down_is_the_grammar(compiler, theirs, tokenizer, stops, seed):
    """Random walks: at every place the grammar read from its words lets through what the mask does."""
    rng = random.Random(seed)
    kind, spec = some_specification(rng)
    mask, eos = compiler.compile(kind, spec)(), tokenizer.token_to_id("<|im_end|>")
    text = grammar_from("grammar", mask.lark)
    read = [GrammarMask(LLMatcher(other, text, log_level=0), VOCAB, "") for other in (compiler.tokenizer, theirs)]
    for _ in range(60):
        allowed, same, remote = (set(one.allowed().nonzero().flatten().tolist()) for one in (mask, *read))
        assert allowed == same
        assert remote - {eos} == allowed - stops and (eos in remote) == (stops <= allowed), (kind, spec)
        if mask.finished or not allowed - stops:
            break
        token = rng.choice(sorted(allowed - stops))
        for one in (mask, *read):
            one.advance(token)
    assert mask.finished == read[0].finished


def test_the_bound_on_white_space_is_written_down(compiler, tokenizer):
    mask, blank = compiler.compile("json_object")(), tokenizer.token_to_id("\u0120")
    read = GrammarMask(LLMatcher(compiler.tokenizer, grammar_from("grammar", mask.lark), log_level=0), VOCAB, "")
    for token in [tokenizer.token_to_id("{"), *[blank] * 20]:
        for one in (mask, read):
            assert one.allowed()[token]
            one.advance(token)
    assert not mask.allowed()[blank] and torch.equal(read.allowed(), mask.allowed())


@pytest.mark.parametrize(
    "spec", ["start: answer | thought\nanswer: /[0-9]{2}/\nthought: answer", 'start: "<think>" /a+/']
)
def test_tokens_that_may_come_instead_are_written_down(compiler, theirs, tokenizer, stops, spec):
    mask = compiler.compile("grammar", spec)()
    assert or_tokens(mask.lark, ()) == mask.lark
    call = tokenizer.token_to_id("<tool_call>")
    text = grammar_from("grammar", or_tokens(mask.lark, stops | {call}))
    for other in (compiler.tokenizer, theirs):
        read = GrammarMask(LLMatcher(other, text, log_level=0), VOCAB, "")
        first = set(read.allowed().nonzero().flatten().tolist())
        assert first == set(mask.allowed().nonzero().flatten().tolist()) | stops | {call}
        begun = GrammarMask(read.matcher.deep_copy(), VOCAB, "")
        token = min(first - stops - {call})
        begun.advance(token)
        fresh = compiler.compile("grammar", spec)()
        fresh.advance(token)
        assert set(begun.allowed().nonzero().flatten().tolist()) - stops == set(
            fresh.allowed().nonzero().flatten().tolist()
        )
        read.advance(call)
        assert read.finished


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        ("json_schema", [1, 2], "must be an object"),
        ("json_schema", '{"type": "object"}', "must be an object"),
        ("json_schema", {"type": "strin"}, "Invalid type: strin"),
        ("json_schema", {"properties": 3, "type": "object"}, "properties must be an object"),
        ("json_schema", {"not": {"type": "string"}}, 'Unimplemented keys: \\["not"\\]'),
        ("json_schema", {"type": "integer", "minimum": 5, "maximum": 3}, "Unsatisfiable"),
        ("json_schema", {"$ref": "https://example.org/schema"}, "does not fetch"),
        ("json_schema", {"type": "string", "pattern": "("}, "unclosed group"),
        ("json_schema", {"minimum": float("inf")}, "is not JSON"),
        ("json_schema", {"enum": [object()]}, "is not JSON"),
        ("json_schema", False, "must be an object"),
        ("regex", "(?=a)b", "look-around"),
        ("regex", 7, "must be a string"),
        ("regex", "", "not empty"),
        ("choice", [], "one or more strings"),
        ("choice", ["a", 3], "one or more strings"),
        ("grammar", "start: (((", "grammar cannot be used"),
        ("grammar", "start: %json {}", "send the schema as json_schema"),
        ("grammar", "root ::= (", "neither Lark nor GBNF"),
        ("guided_json", {}, "no kind of grammar is named 'guided_json'"),
    ],
)
def test_specifications_that_cannot_work_say_why(compiler, kind, spec, message):
    with pytest.raises(ValueError, match=message):
        compiler.compile(kind, spec)


ANY = "/(?s:.){1,30}/"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("start: <[5]>", "line 1: tokens .* cannot be asked for"),
        ("start: <tool_call>", "line 1: tokens"),
        ("start: <[*]>", "line 1: tokens"),
        ("start: <[^5]>", "line 1: tokens"),
        ('start: "<"\n  | a\na: "a"<think>', "line 3: tokens"),
        ('start: "a"i<[5]>', "line 1: tokens"),
        ("start: /a\\/</<[5]>", "line 1: tokens"),
        ('start: "\\"" <[5]> "\\""', "line 1: tokens"),
        ('start: "a" // "\n  | <[5]> // "', "line 2: tokens"),
        ('start: "a" # /\n  | <[5]> # /', "line 2: tokens"),
        ('start: "a\u2028b" | <[5]>', "line 1: tokens"),
        ('start: %regex {"substring_words": "< > \\""} <[5]>', "line 1: tokens"),
        ("start: a\na: %lark {\nstart: b\nb: %lark {\nstart: <[5]>\n}\n}", "line 5: tokens"),
        ("start: %lark { start: %json {} }", "send the schema as json_schema"),
        ("start: A\nA: ~/a/", "line 2: ~ .* must stand behind &"),
        ("start: A\nA: ~ A\nB: ~2", "line 2: ~"),
        (f"start: A\nA: {ANY} & (~/a/)", "line 2: ~"),
        (f'%llguidance {{"allow_invalid_utf8": true}}\nstart: {ANY}', "line 1: allow_invalid_utf8"),
        (f'%llguidance\n {{"allow\\u005finvalid_utf8": true}}\nstart: {ANY}', "line 1: allow_invalid_utf8"),
        (
            f'start: %lark {{\n%llguidance {{"allow_invalid_utf8": true}}\nstart: {ANY}\n}}',
            "line 2: allow_invalid_utf8",
        ),
        ("%llguidance 7\nstart: /a/", "line 1: %llguidance must be followed by a JSON object"),
        ("%llguidance " + '{"a": ' * 10_000 + "\nstart: /a/", "must be followed by a JSON object"),
        ('start: "a', 'line 1: " begins a string'),
    ],
)
def test_a_clients_grammar_cannot_ask_for_tokens(compiler, spec, message):
    """By name or number, and by way of bytes that are no UTF-8: added tokens never occur in structured output."""
    with pytest.raises(ValueError, match=message):
        compiler.compile("grammar", spec)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ('start: "<[5]>" "<think>" "%json" "~"', "<[5]><think>%json~"),
        ("start: /<\\[5\\]><\\/b>~/", "<[5]></b>~"),
        ('start: "a" // <think> ~/a/\n  | "b" # <[5]> %json\n', "b"),
        ('start: "a"~2 "b" ~ 1..3', "aabb"),
        ("start: A\nA: /(?s:.)*/ & ~/a|b/ & ~ /c/", "d <"),
        ('start: %regex {"substring_words": "a <x> b"}', "<x> b"),
        ('%llguidance {"no_forcing": true}\nstart: "\\"<x>" a\na: %lark {\nstart: "<y>"\n}', '"<x><y>'),
        ('root ::= "<a>" [<>] # <b>', "<a><"),
    ],
)
def test_what_looks_like_tokens_in_quotes_and_comments_is_text(compiler, tokenizer, stops, spec, text):
    mask, added = compiler.compile("grammar", spec)(), set(tokenizer.get_added_tokens_decoder())
    for letter in text:
        assert not set(mask.allowed().nonzero().flatten().tolist()) & added - stops
        (token,) = tokenizer.encode(letter, add_special_tokens=False).ids
        mask.advance(token)
    assert mask.allowed()[min(stops)]


def test_forced_text_is_text_in_vllm_too(compiler, theirs, tokenizer):
    """Its tokenizer would write the tag as the token that it is."""
    lark = compiler.compile("choice", ["<think>"])().lark
    for written in (lark, or_tokens(lark, [5])):
        read = GrammarMask(LLMatcher(theirs, grammar_from("grammar", written + AS_TEXT), log_level=0), VOCAB, "")
        assert read.allowed()[tokenizer.token_to_id("<")] and not read.allowed()[tokenizer.token_to_id("<think>")]


def nested(depth: int) -> dict:
    schema: dict = {}
    for _ in range(depth):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("json_schema", nested(900)),
        ("json_schema", nested(100_000)),
        ("json_schema", {"type": "integer", "multipleOf": 999_983}),
        ("json_schema", {"anyOf": [{"type": "integer", "multipleOf": 9_000 + n} for n in range(50)]}),
        ("json_schema", {"type": "object", "properties": {f"key{n}": {"type": "string"} for n in range(10_000)}}),
        ("json_schema", {"type": "object", "properties": {f"k{n}": {"type": "string"} for n in range(1_500)}}),
        ("json_schema", {"$ref": "#"}),
        ("regex", "(" * 5_000 + "a" + ")" * 5_000),
        ("regex", "a" * 70_000),
        ("grammar", 'start: start "a"'),
        ("grammar", "root ::= " + "(" * 20_000),
        ("choice", ["\ud800"]),
    ],
)
def test_hostile_specifications_are_refused(compiler, kind, spec):
    with pytest.raises(ValueError):
        compiler.compile(kind, spec)


def test_a_tokenizer_without_a_stop_id_is_refused(tokenizer):
    with pytest.raises(ValueError, match="stop id"):
        GrammarCompiler(tokenizer, {VOCAB + 1}, VOCAB)
