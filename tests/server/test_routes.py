"""The other routes: completions, token ids, responses, models, health and metrics."""

import itertools
import json

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tokenizers.processors import TemplateProcessing

from ponder.chat.renderer import Renderer
from ponder.engine.histograms import Histogram
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.engine.stream import EngineLoad
from ponder.model.weights import load_decoder
from ponder.server.answer.gateway import Gateway
from ponder.server.answer.metrics import Metrics
from ponder.server.answer.plain import PlainParser
from ponder.server.requests.text import GenerateRequest
from tests.shared.born import ASK, CONTEXT, NAME, Server, client, engine_of
from tests.shared.one_turn import CALL, THOUGHT, TOOLS, think_then
from tests.shared.scripted import Scripted

SUB = {"type": "function", "name": "add", "parameters": {"type": "object"}}


# ---- completions ----


def test_completions(born):
    create = client(born).completions.create
    many = create(model=NAME, prompt=["Calculate", "1 + 2"], max_tokens=8, seed=1, n=2)
    assert [choice.index for choice in many.choices] == [0, 1, 2, 3]
    assert many.usage.prompt_tokens == sum(len(born.gateway.renderer.encode(p)) for p in ("Calculate", "1 + 2"))
    ids = born.gateway.renderer.encode("Calculate")
    by_ids = create(model=NAME, prompt=ids, max_tokens=8, seed=1, n=2)
    assert [choice.text for choice in by_ids.choices] == [choice.text for choice in many.choices[:2]]
    echoed = create(model=NAME, prompt="Calculate", max_tokens=8, seed=1, echo=True).choices[0].text
    assert echoed == "Calculate" + many.choices[0].text
    with_stop = create(model=NAME, prompt="Calculate", max_tokens=8, seed=1, stop=many.choices[0].text[3:5])
    assert with_stop.choices[0].text == many.choices[0].text[:3] and with_stop.choices[0].finish_reason == "stop"


def test_a_stream_of_completions_says_the_same(born):
    create = client(born).completions.create
    asked = {"model": NAME, "prompt": ["Calculate", "1"], "max_tokens": 12, "seed": 2, "logprobs": 2}
    whole = create(**asked)
    streamed = list(create(**asked, stream=True, stream_options={"include_usage": True}))
    assert streamed[-1].choices == [] and streamed[-1].usage.completion_tokens == whole.usage.completion_tokens
    for choice in whole.choices:
        own = [chunk.choices[0] for chunk in streamed[:-1] if chunk.choices[0].index == choice.index]
        assert "".join(chunk.text for chunk in own) == choice.text
        for column in ("token_logprobs", "text_offset"):
            together = list(itertools.chain(*(getattr(chunk.logprobs, column) for chunk in own)))
            assert together == pytest.approx(getattr(choice.logprobs, column), abs=1e-4)
        assert own[-1].finish_reason == choice.finish_reason
        lengths = [len(token) for token in choice.logprobs.tokens]
        assert choice.logprobs.text_offset == [0, *itertools.accumulate(lengths)][:-1]


def test_text_is_continued_as_it_is(says):
    """No template, and tags are text."""
    server = says(lambda _: "<think>hm</think>" + CALL)
    choice = client(server).completions.create(model=NAME, prompt="go", max_tokens=200).choices[0]
    assert choice.text == "<think>hm</think>" + CALL
    assert server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt) == "go"


def test_half_a_character_at_the_end_is_told(renderer):
    parser, ids = PlainParser(renderer), renderer.encode("aé")
    assert len(ids) == 3, "é is two bytes, each a token"
    assert [delta.text for delta in parser.push(ids[:2])] == ["a"]
    assert [delta.text for delta in parser.finish()] == ["\ufffd"]


def test_completions_with_a_form(born):
    body = {"model": NAME, "prompt": "1", "max_tokens": 50, "structured_outputs": {"choice": ["yes", "no"]}}
    choice = born.http.post("/v1/completions", json=body).json()["choices"][0]
    assert choice["text"] in ("yes", "no") and choice["finish_reason"] == "stop"


def test_cached_tokens_are_of_each_prompt(says):
    server = says(think_then("It is 3."))  # whose engine finds 7 tokens of each request in its cache
    asked = {"model": NAME, "prompt": ["The sum of 1", "The sum of 2", "The sum of 3"], "n": 2, "max_tokens": 3}
    usage = server.http.post("/v1/completions", json=asked).json()["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 3 * 7


# ---- token ids ----


def test_token_ids_in_and_out(born, checkpoint):
    """vLLM's contract: what comes back is exactly what an engine alone samples, log-probabilities too."""
    prompt, stops = [5, 6, 7], born.gateway.renderer.stop_ids
    sampling = {"max_tokens": 24, "logprobs": 1, "seed": 3, "temperature": 1.0}
    body = {"request_id": "r1", "token_ids": prompt, "sampling_params": sampling}
    whole = born.http.post("/inference/v1/generate", json=body).json()
    (choice,) = whole["choices"]
    assert whole["request_id"] == "r1"
    (plan,) = born.gateway.planner.generate(GenerateRequest(token_ids=prompt, sampling_params=sampling)).plans
    params = SamplingParams(temperature=1.0, top_p=1.0, top_k=0, max_tokens=24, stop_ids=stops)
    (alone,) = LocalEngine(load_decoder(checkpoint)).generate([Request("alone", tuple(prompt), params, plan.seed)])
    entries = choice["logprobs"]["content"]
    assert choice["token_ids"] == alone.ids and choice["finish_reason"] == alone.finish_reason
    assert [entry["token"] for entry in entries] == [f"token_id:{token}" for token in alone.ids]
    assert [entry["logprob"] for entry in entries] == pytest.approx(alone.logprobs, abs=1e-4)
    events = born.http.post("/inference/v1/generate", json=body | {"stream": True}).text.split("\n\n")
    assert events[-2] == "data: [DONE]"
    told = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert [token for chunk in told for c in chunk["choices"] for token in c["token_ids"]] == alone.ids
    on = born.http.post("/inference/v1/generate", json=body | {"sampling_params": sampling | {"ignore_eos": True}})
    assert len(on.json()["choices"][0]["token_ids"]) == 24


def test_tokenize_and_back(born):
    ids = born.http.post("/tokenize", json={"model": NAME, "prompt": "Calculate é"}).json()
    assert ids["count"] == len(ids["tokens"]) and ids["max_model_len"] == 2 * CONTEXT
    assert born.http.post("/detokenize", json={"tokens": ids["tokens"]}).json() == {"prompt": "Calculate é"}
    prompt = born.http.post("/tokenize", json={"messages": ASK}).json()["tokens"]
    assert prompt == born.gateway.renderer.render(ASK).ids


def test_special_tokens_are_the_tokenizers(born, checkpoint):
    """Qwen's put nothing around a text; of another family's begin of text, `add_special_tokens` decides."""
    asked, plain = {"prompt": "1 + 2", "add_special_tokens": True}, born.gateway.renderer.encode("1 + 2")
    assert born.http.post("/tokenize", json=asked).json()["tokens"] == plain
    assert born.http.post("/tokenize", json={"messages": ASK, "add_special_tokens": True}).status_code == 200
    other = Renderer.load(checkpoint)
    begin = other.turn_end
    other.tokenizer.post_processor = TemplateProcessing("<|im_end|> $A", special_tokens=[("<|im_end|>", begin)])
    server = Server(Gateway(Scripted(other, str), other, NAME))
    try:
        assert server.http.post("/tokenize", json=asked).json()["tokens"] == [begin, *plain]
        assert server.http.post("/tokenize", json={"prompt": "1 + 2"}).json()["tokens"] == plain
        refused = server.http.post("/tokenize", json={"messages": ASK, "add_special_tokens": True})
        assert refused.status_code == 400 and "add_special_tokens" in refused.json()["error"]["message"]
    finally:
        server.close()


# ---- responses ----


def test_responses(says):
    server = says(think_then("It is 3."))
    answer = client(server).responses.create(model=NAME, input="1 + 2", instructions="Be brief.")
    assert answer.output_text == "It is 3." and answer.status == "completed"
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.output[0].content[0].text == THOUGHT + "\n"
    assert answer.usage.output_tokens_details.reasoning_tokens > 10
    prompt = server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)
    assert prompt.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1 + 2")
    low = client(server).responses.create(model=NAME, input="1 + 2", reasoning={"effort": "low"})
    assert low.reasoning.effort == "low"


def test_responses_go_round_with_tools(says):
    server = says(think_then(CALL))
    create = client(server).responses.create
    first = create(model=NAME, input="1 + 2", tools=[SUB])
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)) == ("add", {"a": 1})
    history = [{"role": "user", "content": "1 + 2"}, *[item.model_dump(exclude_none=True) for item in first.output]]
    history += [{"type": "function_call_output", "call_id": call.call_id, "output": "three"}]
    create(model=NAME, input=history, tools=[SUB])
    prompt = server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)
    assert '{"name": "add", "arguments": {"a": 1}}\n</tool_call>' in prompt and "<tool_response>\nthree\n" in prompt


@pytest.mark.parametrize("piece", [1, 1000])
def test_the_events_of_a_response(says, piece):
    """The client's own accumulator builds the same response from the events."""
    server = says(think_then(f"Sure.\n{CALL}"), piece=piece)
    with client(server).responses.stream(model=NAME, input="1 + 2", tools=[SUB]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == "response.completed"
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done") == 3
    deltas = [event.delta for event in events if event.type == "response.reasoning_text.delta"]
    assert "".join(deltas) == THOUGHT + "\n"
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call"]
    assert final.output_text == "Sure." and json.loads(final.output[2].arguments) == {"a": 1}


def test_responses_that_do_not_end_well(says):
    server = says(think_then("It is 3."))
    short = client(server).responses.create(model=NAME, input="x", max_output_tokens=5)
    assert short.status == "incomplete" and short.incomplete_details.reason == "max_output_tokens"
    server.gateway.engine.failure = RuntimeError("the engine has failed: out of luck")
    *_, last = client(server).responses.create(model=NAME, input="x", stream=True)
    assert last.type == "response.failed" and "out of luck" in last.response.error.message
    broken = says(think_then('<tool_call>\n{"name": "add", "arguments": {"a": 1, [}'))
    events = list(client(broken).responses.create(model=NAME, input="x", tools=[SUB], stream=True))
    items = events[-1].response.output
    assert [(item.type, item.status) for item in items[1:]] == [("function_call", "incomplete")]
    with pytest.raises(openai.BadRequestError, match="nothing is stored"):
        client(server).responses.create(model=NAME, input="x", previous_response_id="resp_1")


# ---- operations ----


def test_models(born):
    (card,) = born.http.get("/v1/models").json()["data"]
    assert card == born.http.get(f"/v1/models/{NAME}").json() and card["max_model_len"] == 2 * CONTEXT
    assert client(born).models.retrieve(NAME).id == NAME
    with pytest.raises(openai.NotFoundError) as refused:
        client(born).models.retrieve("gpt-5")
    assert refused.value.code == "model_not_found"


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/v1/models", f"/v1/models/{NAME}"])
def test_heads(born, path):
    """Load balancers ask for the head alone."""
    head, whole = born.http.head(path), born.http.get(path)
    assert head.status_code == 200 and head.content == b"" and whole.content
    assert head.headers["content-type"] == whole.headers["content-type"] and head.headers["x-request-id"]
    assert born.http.head("/v1/chat/completions").status_code == 405


def test_health_turns_red_with_the_engine(checkpoint):
    server = Server(Gateway(engine_of(checkpoint), Renderer.load(checkpoint), NAME))
    try:
        assert (server.http.get("/health").status_code, server.http.get("/ready").json()) == (200, {"ready": True})

        def fail():
            raise MemoryError("no more")

        server.gateway.engine.engine.step = fail
        failed = server.http.post("/v1/chat/completions", json={"model": NAME, "messages": ASK})
        assert failed.status_code == 500 and "no more" in failed.json()["error"]["message"]
        health = server.http.get("/health")
        assert health.status_code == 503 and "no more" in health.json()["failure"]
        assert server.http.get("/ready").status_code == 503
    finally:
        server.close()


def test_metrics_count_what_happened(says):
    server = says(think_then(f"Sure.\n{CALL}"))
    usage = client(server).chat.completions.create(model=NAME, messages=ASK, tools=TOOLS, n=2).usage
    client(server).chat.completions.create(
        model=NAME, messages=ASK, max_tokens=40, extra_body={"thinking_budget": 4, "seed": 1}
    )
    samples = {
        (sample.name, *(value for name, value in sorted(sample.labels.items()) if name != "model_name")): sample.value
        for family in text_string_to_metric_families(server.http.get("/metrics").text)
        for sample in family.samples
    }
    assert samples["ponder:request_success_total", "tool_calls"] == 2
    assert samples["ponder:tool_calls_total", "made"] >= 2
    assert (
        samples["ponder:reasoning_stop_total", "model"] == 2 and samples["ponder:reasoning_stop_total", "budget"] == 1
    )
    assert samples["ponder:yarn_factor_total", "1"] == 3
    assert samples["ponder:reasoning_tokens_total",] > usage.completion_tokens_details.reasoning_tokens
    tokens = samples["ponder:reasoning_tokens_total",] + samples["ponder:answer_tokens_total",]
    assert samples["ponder:generation_tokens_total",] == tokens
    for name in ("time_to_first_token_seconds", "time_to_first_answer_token_seconds", "thinking_seconds"):
        assert samples[f"ponder:{name}_count",] == 3
    assert samples["ponder:request_decode_time_seconds_count",] == 3
    assert samples["ponder:num_requests_running",] == 0
    for name in ("generation_tokens_total", "time_to_first_token_seconds_sum"):  # for dashboards of vLLM
        assert samples[f"vllm:{name}",] == samples[f"ponder:{name}",] > 0
    assert ("vllm:reasoning_tokens_total",) not in samples
    assert samples["ponder:request_prompt_tokens_count",] == 2, "one prompt, however many answers"


def test_metrics_of_the_engine_come_under_both_names():
    queue = Histogram((0.5, 1.0), [2, 0, 1], 7.5)
    text = (
        Metrics("it", lambda: EngineLoad(running=2, histograms={"request_queue_time_seconds": queue})).render().decode()
    )
    for prefix in ("ponder:", "vllm:"):
        name = f"{prefix}request_queue_time_seconds"
        assert f'{prefix}num_requests_running{{model_name="it"}} 2.0' in text
        for end, count in (("0.5", 2), ("1.0", 2), ("+Inf", 3)):
            assert f'{name}_bucket{{le="{end}",model_name="it"}} {count}.0' in text
        assert f'{name}_sum{{model_name="it"}} 7.5' in text and f'{name}_count{{model_name="it"}} 3.0' in text
