"""Grammars written down, for an engine that is another process: what is read from the words is the same grammar."""

import random

import pytest
import torch
from llguidance import LLMatcher, grammar_from

from ponder.engine.grammar import GrammarMask, or_tokens
from ponder.engine.vllm_wire import AS_TEXT
from tests.engine.conftest import GRAMMAR_VOCAB as VOCAB


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


def test_forced_text_is_text_in_vllm_too(compiler, theirs, tokenizer):
    """Its tokenizer would write the tag as the token that it is."""
    lark = compiler.compile("choice", ["<think>"])().lark
    for written in (lark, or_tokens(lark, [5])):
        read = GrammarMask(LLMatcher(theirs, grammar_from("grammar", written + AS_TEXT), log_level=0), VOCAB, "")
        assert read.allowed()[tokenizer.token_to_id("<")] and not read.allowed()[tokenizer.token_to_id("<think>")]
