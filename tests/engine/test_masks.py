"""What a request asks of its tokens: masks, bias, alternatives; and that the rest of the batch does not notice."""

import asyncio
import dataclasses

import pytest
import torch

from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.engine.workers import WorkerEngine
from ponder.model.weights import load_decoder
from tests.engine.test_local import FREE, prompt, requests, run
from tests.engine.test_thread import collect, with_engine
from tests.model.families import make_checkpoint

STOP = 159


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("qwen2")
    make_checkpoint("qwen2", directory)
    return load_decoder(directory)


class Ladder:
    """Allows `steps` tokens, the n-th out of 10 n .. 10 n + 9; then it is finished. `fails_at` breaks it there."""

    def __init__(self, steps: int, fails_at: int = -1):
        self.steps, self.fails_at, self.step, self.finished = steps, fails_at, 0, False

    def allowed(self) -> torch.Tensor:
        if self.step == self.fails_at:
            raise ValueError("the ladder is broken")
        allowed = torch.zeros(160, dtype=torch.bool)
        allowed[10 * self.step : 10 * self.step + 10] = True
        return allowed

    def advance(self, token: int) -> None:
        if token // 10 != self.step:
            raise ValueError(f"{token} is not on step {self.step}")
        self.step += 1
        self.finished = self.step == self.steps


def climb(identity: int, mask, **params) -> Request:
    params = dataclasses.replace(FREE, stop_ids=frozenset({STOP}), **params)
    return Request(identity, prompt(identity, 9), params, seed=identity, mask=mask)


def test_every_token_is_one_that_the_mask_allows_and_then_it_stops(decoder):
    ours = [climb(i, Ladder(6), temperature=temperature, top_k=3) for i, temperature in enumerate((0.0, 0.6, 1.0, 2.0))]
    for completion in LocalEngine(decoder).generate(ours):
        assert [token // 10 for token in completion.ids[:-1]] == list(range(6))
        assert completion.ids[-1] == STOP and completion.finish_reason == "stop"
        assert all(torch.isfinite(torch.tensor(completion.logprobs)))


def test_without_stop_ids_a_finished_mask_ends_the_answer(decoder):
    request = dataclasses.replace(climb(0, Ladder(3)), params=FREE)
    (completion,) = LocalEngine(decoder).generate([request])
    assert len(completion.ids) == 3 and completion.finish_reason == "stop"
    cut = dataclasses.replace(climb(0, Ladder(6)), params=dataclasses.replace(FREE, max_tokens=4))
    (completion,) = LocalEngine(decoder).generate([cut])
    assert len(completion.ids) == 4 and completion.finish_reason == "length"


def test_masks_bias_and_alternatives_change_nothing_for_others_in_the_batch(decoder):
    wanted = requests(20)
    expected = run(LocalEngine(decoder), wanted)
    others = [
        climb(100, Ladder(12)),
        dataclasses.replace(wanted[0], id=101, params=dataclasses.replace(FREE, logit_bias=((5, 9.0), (6, -50.0)))),
        dataclasses.replace(wanted[1], id=102, params=dataclasses.replace(FREE, top_logprobs=5)),
    ]
    found = run(LocalEngine(decoder), [*wanted[:10], *others, *wanted[10:]])
    for request in wanted:
        one, other = found[request.id], expected[request.id]
        assert (one.ids, one.logprobs, one.top) == (other.ids, other.logprobs, [])
    assert len(found[102].top) == len(found[102].ids) and all(len(best) == 5 for best in found[102].top)
    alone = next(LocalEngine(decoder).generate([dataclasses.replace(others[0], mask=Ladder(12))]))
    assert (alone.ids, alone.logprobs) == (found[100].ids, found[100].logprobs)


def test_bias_can_force_and_ban_tokens(decoder):
    params = SamplingParams(temperature=1.0, max_tokens=30, logit_bias=((17, 100.0), (18, 100.0)))
    (completion,) = LocalEngine(decoder).generate([Request(0, prompt(0, 5), params, 0)])
    assert set(completion.ids) == {17, 18}


@pytest.mark.parametrize("mask", [Ladder(6, fails_at=2), Ladder(16)], ids=["fails", "runs dry"])
def test_a_mask_that_fails_ends_its_own_request_only(decoder, mask):
    wanted = requests(6)
    expected = run(LocalEngine(decoder), wanted)
    if mask.fails_at < 0:
        mask.step = 16  # nothing is left: no token, and not finished
    found = run(LocalEngine(decoder), [climb(50, mask), *wanted])
    assert found[50].finish_reason == "aborted"
    assert found[50].error in ("the ladder is broken", "the mask allows no token")
    assert {r.id: found[r.id].ids for r in wanted} == {i: c.ids for i, c in expected.items()}


class Broken:
    """A mask that a test breaks in one place: each attribute is what is given, or raises it."""

    def __init__(self, **broken):
        self.broken = broken

    @property
    def finished(self):
        return self._get("finished", False)

    def allowed(self):
        return self._get("allowed", torch.ones(160, dtype=torch.bool))

    def advance(self, token):
        self._get("advance", None)

    def _get(self, name, usual):
        value = self.broken.get(name, usual)
        if isinstance(value, BaseException):
            raise value
        return value


class Panic(BaseException):
    """As a panic in an extension written in Rust arrives in Python."""


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (Broken(allowed=torch.ones(159, dtype=torch.bool)), r"the mask has the shape \(159,\)"),
        (Broken(allowed=torch.ones(1, dtype=torch.bool)), r"the mask has the shape \(1,\)"),
        (Broken(allowed=torch.ones(2, 160, dtype=torch.bool)), r"the mask has the shape \(2, 160\)"),
        (Broken(allowed=None), "AttributeError"),
        (Broken(allowed=KeyError("state 7")), "KeyError: 'state 7'"),
        (Broken(allowed=Panic("index out of bounds")), "Panic: index out of bounds"),
        (Broken(advance=RuntimeError("no way")), "RuntimeError: no way"),
        (Broken(advance=Panic("overflow")), "Panic: overflow"),
        (Broken(finished=ZeroDivisionError("by zero")), "ZeroDivisionError"),
    ],
)
def test_whatever_a_mask_does_it_ends_its_own_sequence_only(decoder, mask, reason):
    wanted = requests(6)
    expected = run(LocalEngine(decoder), wanted)

    async def body(engine):
        others = [asyncio.create_task(collect(engine, request)) for request in wanted]
        with pytest.raises(RuntimeError, match=reason):
            await collect(engine, climb(50, mask))
        found = await asyncio.gather(*others)
        return found, engine.load().failure, await collect(engine, wanted[0])

    found, failure, later = with_engine(LocalEngine(decoder), body)
    assert failure is None and later[0] == expected[0].ids
    assert [ids for ids, _, _ in found] == [expected[request.id].ids for request in wanted]


def test_stop_ids_that_are_no_tokens_are_none_of_the_mask(decoder):
    mask = Broken(finished=True)
    params = dataclasses.replace(FREE, stop_ids=frozenset({-1, -200, 10**9, STOP}))
    (completion,) = LocalEngine(decoder).generate([Request(0, prompt(0, 9), params, 0, mask=mask)])
    assert (completion.ids, completion.finish_reason) == ([STOP], "stop")


@pytest.mark.parametrize("penalty", [{"presence_penalty": 2.0}, {"frequency_penalty": 1.0}])
def test_an_answer_continued_by_a_further_request_is_penalised_as_one(decoder, penalty):
    params = SamplingParams(temperature=0.0, max_tokens=40, **penalty)
    (whole,) = LocalEngine(decoder).generate([Request(0, prompt(3, 9), params, 0)])
    begun = tuple(whole.ids[:25])
    rest = dataclasses.replace(params, max_tokens=15)
    asked = Request(0, (*prompt(3, 9), *begun), rest, 0, answered=len(begun))
    (continued,) = LocalEngine(decoder).generate([asked])
    (forgetful,) = LocalEngine(decoder).generate([dataclasses.replace(asked, answered=0)])
    assert continued.ids == whole.ids[25:] and forgetful.ids != continued.ids


def test_occurrences_are_counted_while_a_batch_runs(decoder):
    """An answer in one request, and token by token, where each request counts from the beginning."""
    params = SamplingParams(temperature=0.0, max_tokens=100, frequency_penalty=0.2)
    (whole,) = LocalEngine(decoder).generate([Request(0, prompt(4, 9), params, 0)])
    engine, ids = LocalEngine(decoder), []
    for _ in range(100):
        one = dataclasses.replace(params, max_tokens=1)
        (next_,) = engine.generate([Request(0, (*prompt(4, 9), *ids), one, 0, answered=len(ids))])
        ids += next_.ids
    assert ids == whole.ids and max(map(ids.count, ids)) >= 3


def test_sampling_processes_are_told_what_was_answered(tmp_path):
    make_checkpoint("qwen2", tmp_path)
    params = SamplingParams(temperature=0.0, max_tokens=15, frequency_penalty=2.0)
    asked = Request(0, prompt(3, 30), params, 0, answered=25)
    (alone,) = LocalEngine(load_decoder(tmp_path)).generate([asked])
    engine = WorkerEngine(load_decoder(tmp_path), workers=1, token_budget=1000, max_rows=4)
    try:
        assert next(engine.generate([asked])).ids == alone.ids
    finally:
        engine.close()


def test_a_stream_hears_why_its_mask_failed(decoder):
    async def body(engine):
        with pytest.raises(RuntimeError, match="the ladder is broken"):
            await collect(engine, climb(0, Ladder(9, fails_at=3)))
        return await collect(engine, climb(1, Ladder(3)))

    assert with_engine(LocalEngine(decoder), body)[2] == "stop"


def test_sampling_processes_refuse_masks(tmp_path):
    make_checkpoint("qwen2", tmp_path)
    engine = WorkerEngine(load_decoder(tmp_path), workers=1, token_budget=1000, max_rows=4)
    try:
        with pytest.raises(ValueError, match="no masks"):
            next(engine.generate([climb(0, Ladder(2))]))
        params = dataclasses.replace(FREE, top_logprobs=2, max_tokens=3)
        (completion,) = engine.generate([Request(0, prompt(0, 5), params, 0)])
        assert [len(best) for best in completion.top] == [2, 2, 2]
    finally:
        engine.close()
