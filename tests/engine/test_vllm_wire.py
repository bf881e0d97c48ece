"""vLLM's wire: what is sent for a request, and what is understood of the answer, however it is cut."""

import asyncio
import dataclasses
import time

import pytest

from ponder.engine import vllm_wire
from ponder.engine.protocol import Request, SamplingParams
from ponder.engine.stream import Tokens
from ponder.engine.vllm_wire import AS_TEXT, completion_body, lines_of, read_answer
from tests.engine.vllm_asking import PARAMS, REQUEST, Mask, collect, ids_of
from tests.engine.vllm_fake import DONE, VOCAB, data, event, usage


def read(raw: bytes, request: Request = REQUEST, block: int = 10**9) -> list[Tokens]:
    """The pieces of an answer that comes in blocks of so many bytes."""

    async def blocks():
        for start in range(0, len(raw), block):
            yield raw[start : start + block]

    return asyncio.run(collect(read_answer(lines_of(blocks()), request, VOCAB)))


def test_a_request_is_sent_with_all_that_it_asks_for_and_nothing_left_to_the_servers_defaults():
    params = SamplingParams(
        temperature=0.7,
        top_k=11,
        top_p=0.8,
        min_p=0.05,
        presence_penalty=0.5,
        frequency_penalty=-0.25,
        repetition_penalty=1.1,
        max_tokens=33,
        stop_ids=frozenset({9, 4}),
        logit_bias=((5, -1.5), (6, 2.0)),
        top_logprobs=3,
    )
    assert completion_body(Request(0, (3, 1, 2), params, seed=2**64 - 1), "ponder") == {
        "model": "ponder",
        "prompt": (3, 1, 2),
        "max_tokens": 33,
        "temperature": 0.7,
        "top_k": 11,
        "top_p": 0.8,
        "min_p": 0.05,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.25,
        "repetition_penalty": 1.1,
        "logit_bias": {"5": -1.5, "6": 2.0},
        "stop_token_ids": [4, 9],
        "ignore_eos": True,
        "seed": 2**63 - 1,
        "logprobs": 3,
        "return_token_ids": True,
        "return_tokens_as_token_ids": True,
        "skip_special_tokens": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_mask_goes_as_its_grammar():
    body = completion_body(dataclasses.replace(REQUEST, mask=Mask('start: "a"')), "ponder")
    assert body["structured_outputs"] == {"grammar": 'start: "a"' + AS_TEXT} and body["ignore_eos"] is False
    with pytest.raises(ValueError, match="request r: its mask has no grammar"):
        completion_body(dataclasses.replace(REQUEST, mask=Mask()), "ponder")


def test_pieces_are_read_however_they_are_cut_into_blocks():
    """The text holds what str.splitlines takes for the end of a line, and half a character's bytes may end a block."""
    raw = (
        event([5], text="\u2028 a\x85 \x0c é 思")
        + b": a comment\n\n"
        + event([6, 7], logprob=-1.25)
        + event([], text="held back")
        + event([8], "stop")
        + usage(2)
        + DONE
    )
    expected = [Tokens((5,), (-0.5,)), Tokens((6, 7), (-1.25, -1.25)), Tokens((8,), (-0.5,), (), "stop", 2)]
    for block in (1, 2, 3, 7, 50, 10**9):
        assert read(raw, block=block) == expected


def test_alternatives_come_best_first_and_no_more_than_asked_for():
    """vLLM adds the sampled token to the best ones."""
    request = dataclasses.replace(REQUEST, params=dataclasses.replace(PARAMS, top_logprobs=2))
    top = [{"token_id:9": -7.0, "token_id:3": -0.25, "token_id:4": -1.5}, {"token_id:4": -0.1, "token_id:3": -3.0}]
    (piece,) = read(event([9, 4], "length", top=top) + DONE, request)
    assert piece.top == (((3, -0.25), (4, -1.5)), ((4, -0.1), (3, -3.0)))


@pytest.mark.parametrize("name, logprob", [("token_id:160", -1.0), ("5", None), ("token_id:x", -1.0), ("5", True)])
def test_alternatives_that_are_none_are_the_servers_fault(name, logprob):
    request = dataclasses.replace(REQUEST, params=dataclasses.replace(PARAMS, top_logprobs=1))
    with pytest.raises(RuntimeError, match="no piece of an answer"):
        read(event([9], "length", top=[{name: logprob}]) + DONE, request)


@pytest.mark.parametrize("cached", [None, 0, 7])
def test_cached_tokens_come_with_the_last_piece(cached):
    pieces = read(event([1]) + event([2], "length") + usage(cached) + DONE)
    assert [piece.cached_tokens for piece in pieces] == [0, cached or 0]


def test_the_token_that_ends_a_grammar_belongs_to_the_answer_only_where_it_is_a_stop_id():
    raw = event([5]) + event([6, 159], "stop") + DONE
    masked = dataclasses.replace(REQUEST, mask=Mask("start: /a/"))
    assert ids_of(read(raw, masked)) == [5, 6] and read(raw, masked)[-1].logprobs == (-0.5,)
    stopped = dataclasses.replace(masked, params=dataclasses.replace(PARAMS, stop_ids=frozenset({159})))
    assert ids_of(read(raw, stopped)) == [5, 6, 159]
    assert ids_of(read(raw, REQUEST)) == [5, 6, 159]
    only = read(event([5]) + event([159], "stop") + DONE, masked)
    assert only[-1] == Tokens((), (), (), "stop")


@pytest.mark.parametrize(
    "raw, message",
    [
        (event([1, 2]), "broke off after 2 tokens$"),
        (event([1]) + DONE, "broke off after 1 tokens without saying why"),
        (b"", "broke off after 0 tokens$"),
        (event([1]) + event([2], "abort") + DONE, "ended the request: abort"),
        (event([1]) + b"data: {\n\n", "no piece of an answer"),
        (b"data: []\n\n", "no piece of an answer"),
        (b"data: 7\n\n", "no piece of an answer"),
        (data({"choices": [{"text": "hello"}]}), "no piece of an answer: KeyError.'token_ids'"),
        (event([1, 2]).replace(b"[-0.5, -0.5]", b"[-0.5]"), "2 tokens, 1 log-probabilities"),
        (event([1]) + data({"error": {"message": "the engine is dead", "code": 500}}), "the engine is dead"),
        (event([1]) + data({"error": {"message": "too late to refuse", "code": 400}}), "too late to refuse"),
        (data({"error": {"message": "the engine is dead", "code": 500}}), r"has failed \(500\): the engine is dead"),
        (data({"error": "odd"}), "no piece of an answer"),
        (event([1]) + event([2], "stop").replace(b'"token_ids": [2]', b'"token_ids": ["x"]'), "a whole number: 'x'"),
        (event([2], "stop").replace(b'"token_ids": [2]', b'"token_ids": [2.0]'), "not a whole number: 2.0"),
        (event([2], "stop").replace(b'"token_ids": [2]', b'"token_ids": [true]'), "not a whole number: True"),
        (event([VOCAB], "stop"), "a token id outside 0..159: 160"),
        (event([-1], "stop"), "not a whole number: -1"),
        (event([1], "stop", logprob=None), "not a log-probability: None"),
        (event([1], "stop", logprob=float("nan")), "not a log-probability: nan"),
        (event([1], "stop", logprob=float("-inf")), "not a log-probability: -inf"),
        (event([1], "stop", logprob=10**400), "no piece of an answer: OverflowError"),
        (event([1]) + b'data: {"choices": "\xff"}\n\n', "no piece of an answer: UnicodeDecodeError"),
        (b'data: {"choices": "\xff"}\n\n', "no piece of an answer: UnicodeDecodeError"),
        (event([1], "stop") + usage("many") + DONE, "not a whole number: 'many'"),
    ],
)
def test_what_is_no_answer_is_an_error_in_words(raw, message):
    with pytest.raises(RuntimeError, match=message):
        read(raw)


def test_a_request_that_is_refused_in_the_stream_is_the_requests_fault():
    """vLLM checks some things only when it has begun to answer with 200."""
    with pytest.raises(ValueError, match="request r: vLLM refuses it: temperature must be in"):
        read(data({"error": {"message": "temperature must be in [0, 2]", "type": "BadRequestError", "code": 400}}))


def test_a_line_without_an_end_is_not_collected_for_ever(monkeypatch):
    monkeypatch.setattr(vllm_wire, "MAX_LINE", 1000)
    with pytest.raises(RuntimeError, match="more than 1000 bytes"):
        read(b"data: " + b"1" * 5000, block=100)


def test_a_long_line_in_many_blocks_takes_time_in_proportion():
    """The first event repeats a prompt's ids. Joining what there is at every block would take a minute."""
    raw = b'data: {"choices": [], "ids": "' + b"1" * 4_000_000 + b'"}\n\n' + event([1], "stop")
    begun = time.process_time()
    assert ids_of(read(raw, block=64)) == [1]
    assert time.process_time() - begun < 5
