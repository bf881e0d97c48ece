"""The engine for servers with OpenAI's API, over Ponder's own server and real HTTP."""

import asyncio
from dataclasses import replace

import pytest

from ponder.engine.counting import key
from ponder.engine.local import LocalEngine
from ponder.engine.openai import OpenAiEngine
from ponder.engine.openai_http import OpenAiFailure
from ponder.engine.openai_profile import OpenAiProfile, Patience, read_key
from ponder.engine.openai_tokens import OpenAiTokenEngine
from ponder.engine.openai_wire import TextSampling
from ponder.engine.protocol import Request, SamplingParams
from ponder.model.weights import load_decoder
from ponder.server.front.api_keys import Keys, Limits
from tests.shared.born import ASK, NAME, Server
from tests.shared.fixtures import born, checkpoint, renderer, says  # noqa: F401 (fixtures)
from tests.shared.one_turn import THOUGHT, think_then

ONCE = Patience(attempts=1)


def asking(url: str, body, key: str | None = None, **options):
    """What `body` makes of an engine, in an event loop of its own."""

    async def main():
        async with OpenAiEngine(OpenAiProfile(url, NAME, key), **({"patience": ONCE} | options)) as engine:
            return await asyncio.wait_for(body(engine), timeout=60)

    return asyncio.run(main())


def test_a_judge_asks_for_an_answer(says):  # noqa: F811
    server = says(think_then("Verdict: 7"))
    sampling = TextSampling(max_tokens=200, temperature=0.0, logprobs=1, token_ids=True)
    answer = asking(server.url + "/v1", lambda engine: engine.chat(ASK, sampling))
    assert (answer.text, answer.finish_reason) == ("Verdict: 7", "stop")
    assert answer.reasoning.strip() == THOUGHT, "once, though Ponder sends it under both names"
    assert answer.usage.prompt and answer.usage.completion == len(answer.token_ids) == len(answer.logprobs)
    assert 0 < answer.usage.reasoning < answer.usage.completion and answer.usage.cached is not None
    assert answer.logprobs[0].logprob == -0.5 and answer.logprobs[0].top == ((answer.logprobs[0].token, -0.5),)
    assert server.gateway.engine.requests[-1].params.temperature == 0


def test_fields_of_the_server_reach_it(says):  # noqa: F811
    server = says(lambda so_far: "No thought.")
    fields = TextSampling(stop=("!",), fields={"enable_thinking": False, "top_k": 3})
    answer = asking(server.url + "/v1", lambda engine: engine.chat(ASK, fields))
    assert (answer.text, answer.reasoning) == ("No thought.", "")
    assert server.gateway.engine.requests[-1].params.top_k == 3
    assert answer.logprobs is None and answer.token_ids is None


def test_a_stream_says_what_the_whole_says(born):  # noqa: F811
    async def both(engine):
        sampling = TextSampling(max_tokens=40, seed=3, logprobs=2, token_ids=True)
        for stream, whole in (
            (engine.stream_chat(ASK, sampling), engine.chat(ASK, sampling)),
            (engine.stream_completion("1 + 2", sampling), engine.complete("1 + 2", sampling)),
        ):
            pieces, answer = [piece async for piece in stream], await whole
            *said, last = pieces
            streamed = last.answer
            assert (streamed.text, streamed.reasoning) == (answer.text, answer.reasoning)
            assert "".join(piece.text for piece in said) == answer.text
            assert "".join(piece.reasoning for piece in said) == answer.reasoning
            assert (streamed.token_ids, streamed.logprobs) == (answer.token_ids, answer.logprobs)
            assert (streamed.finish_reason, streamed.usage.completion) == (
                answer.finish_reason,
                answer.usage.completion,
            )
            assert len(answer.token_ids) > 2

    asking(born.url + "/v1", both)


def test_an_evaluation_asks_many_at_a_time(born):  # noqa: F811
    """In any order, drawn as they are asked; one that is refused is an outcome among the others."""
    drawn = []

    def prompts():
        for number in range(30):
            drawn.append(number)
            yield "far too long " * 600 if number == 11 else f"{number} + 1"

    async def evaluate(engine):
        outcomes = {}
        async for outcome in engine.answers(prompts(), TextSampling(max_tokens=5, seed=1)):
            assert len(drawn) <= len(outcomes) + 4
            outcomes[outcome.index] = outcome
        alone = await engine.complete("17 + 1", TextSampling(max_tokens=5, seed=1))
        return outcomes, alone

    outcomes, alone = asking(born.url + "/v1", evaluate, concurrent=4)
    assert sorted(outcomes) == list(range(30))
    refused = outcomes.pop(11)
    assert refused.answer is None and isinstance(refused.error, ValueError) and "context" in str(refused.error)
    assert all(outcome.error is None and outcome.answer.usage.completion <= 5 for outcome in outcomes.values())
    assert outcomes[17].answer.text == alone.text


def test_an_evaluation_that_is_given_up_hangs_up(says):  # noqa: F811
    server = says(think_then("done"))
    server.gateway.engine.pause = lambda: asyncio.sleep(0.01)

    async def evaluate(engine):
        outcomes = engine.answers([ASK] * 50)
        await anext(outcomes)
        await outcomes.aclose()
        while server.gateway.engine.running:
            await asyncio.sleep(0.01)

    asking(server.url + "/v1", evaluate, concurrent=5)
    assert len(server.gateway.engine.requests) < 20


def test_keys_and_models(born, tmp_path):  # noqa: F811
    file, ours = tmp_path / "keys", tmp_path / "key"
    file.write_text("sesame name=judge\n")
    ours.write_text("sesame\n")
    server = Server(born.gateway, keys=Keys.load(file, Limits()))
    try:
        assert asking(server.url + "/v1", lambda engine: engine.models(), read_key(ours)).keys() == {NAME}
        with pytest.raises(OpenAiFailure, match=r"http://127.*/v1/models wants another API key: 401"):
            asking(server.url + "/v1", lambda engine: engine.models())
    finally:
        server.close()
    with pytest.raises(OpenAiFailure, match=r"404 Not Found.*usually ends with /v1.*must be one of the models"):
        asking(born.url, lambda engine: engine.chat(ASK))


def test_profiles_and_samplings_that_cannot_be(tmp_path):
    for url in ("localhost:8000", "ftp://a/v1", "http://", "http://a:b/v1", "http://a/v1?key=1"):
        with pytest.raises(ValueError, match="no address of an API"):
            OpenAiProfile(url, "m")
    with pytest.raises(ValueError, match="has a password in it") as caught:
        OpenAiProfile("http://me:hush@a/v1", "m")
    assert "hush" not in str(caught.value)
    with pytest.raises(ValueError, match="a character that no key has"):
        OpenAiProfile("http://a/v1", "m", "a\r\nX-Header: b")
    assert "hush" not in repr(OpenAiProfile("http://a/v1", "m", "hush"))
    key = tmp_path / "key"
    for content in ("", "two words", "gr\u00fcn", "k" * 4000 + " " + "k" * 6000):
        key.write_text(content)
        with pytest.raises(ValueError, match="must hold one API key and nothing else"):
            read_key(key)
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_key(tmp_path / "none")
    for fields in ({"logprobs": 21}, {"max_tokens": 0}, {"fields": {"n": 2}}, {"fields": {"stream": True}}):
        with pytest.raises(ValueError, match=next(iter(fields))):
            TextSampling(**fields)


# ---- token ids ----

PARAMS = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, max_tokens=12)


def requests(count: int, **params) -> list[Request]:
    sampling = SamplingParams(**({"temperature": 1.0, "top_k": 0, "top_p": 1.0, "max_tokens": 12} | params))
    return [Request(n, (5, 6, 40 + n), sampling, seed=n) for n in range(count)]


def test_as_an_engine_it_is_the_engine_behind_the_server(born, checkpoint):  # noqa: F811
    """The local engine's own tokens and log-probabilities, whoever asks. Stop ids end an answer and stand in it."""
    stops = frozenset(range(100, 164))
    asked = requests(12, stop_ids=stops, logit_bias=((7, 2.0),))
    engine = OpenAiTokenEngine(OpenAiProfile(born.url + "/v1", NAME), patience=ONCE)
    completions = {completion.request.id: completion for completion in engine.generate(asked)}
    engine.close()
    assert sorted(completions) == list(range(12))
    assert {completion.finish_reason for completion in completions.values()} == {"stop", "length"}
    # The server makes the seed of a choice of the request's.
    theirs = [replace(request, seed=key(request.seed, "choice", 0)) for request in asked]
    for local in LocalEngine(load_decoder(checkpoint)).generate(theirs):
        completion = completions[local.request.id]
        assert (completion.ids, completion.finish_reason) == (local.ids, local.finish_reason)
        assert completion.logprobs == pytest.approx(local.logprobs, abs=1e-4)


def test_as_an_engine_it_refuses_what_cannot_be_asked(born):  # noqa: F811
    engine = OpenAiTokenEngine(OpenAiProfile(born.url + "/v1", NAME), patience=ONCE)
    for request, message in (
        (Request("r", (), PARAMS, 1), "r: the prompt is empty"),
        (Request("r", (1,), SamplingParams(top_logprobs=2), 1), "top_logprobs must be 0"),
        (Request("r", (1,), PARAMS, 1, mask=object()), "a mask cannot be sent"),
        (Request("r", (1,), SamplingParams(max_tokens=10**6), 1), "refuses the request: 400"),
    ):
        with pytest.raises(ValueError, match=message):
            list(engine.generate([request]))
    completions = engine.generate(requests(40))
    next(completions)
    completions.close()  # nothing waits for the rest
    engine.close()
    with pytest.raises(OpenAiFailure, match="the engine is closed"):
        list(engine.generate(requests(1)))
