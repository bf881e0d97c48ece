"""Chat completions over real HTTP, as the clients of 2026 read them: a random model, and one that writes what we say."""

import json

import openai
import pytest

from ponder.engine.kernels import BLOCK
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Request, SamplingParams
from ponder.model.weights import load_decoder
from ponder.server.requests.chat import ChatRequest
from tests.shared.born import ASK, NAME, Server, client
from tests.shared.one_turn import CALL, THOUGHT, TOOLS, think_then


def chunks(server: Server, **body) -> list[dict]:
    """The events of a stream as they stand on the wire; the last is [DONE]."""
    asked = {"model": NAME, "messages": ASK, "stream": True, "max_tokens": 400} | body
    response = server.http.post("/v1/chat/completions", json=asked)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    events = response.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


# ---- the wire ----


def test_the_order_of_a_stream(says):
    told = chunks(says(think_then("It is 3.")), stream_options={"include_usage": True})
    deltas = [chunk["choices"][0]["delta"] for chunk in told[:-1]]
    assert deltas[0] == {"role": "assistant", "content": None, "reasoning_content": ""}
    assert deltas[-1] == {"content": ""}
    border = next(place for place, delta in enumerate(deltas) if place and "reasoning_content" not in delta)
    for delta in deltas[1:border]:
        assert delta["content"] is None and delta["reasoning_content"] == delta["reasoning"] != ""
    assert "".join(delta["reasoning"] for delta in deltas[1:border]) == THOUGHT + "\n"
    assert all(set(delta) == {"content"} for delta in deltas[border:])
    assert "".join(delta["content"] for delta in deltas[border:]) == "It is 3."
    last = told[-2]["choices"][0]
    assert (last["finish_reason"], last["reasoning_stop_reason"]) == ("stop", "model")
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in told[:-2])
    assert all(chunk["usage"] is None for chunk in told[:-1])
    usage = told[-1]["usage"]
    assert told[-1]["choices"] == [] and usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] > 10
    assert usage["prompt_tokens_details"]["cached_tokens"] == 7
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in told}) == 1


def test_tool_calls_on_the_wire(says):
    told = chunks(says(think_then(f"Sure.\n{CALL}\n{CALL}")), tools=TOOLS)
    deltas = [chunk["choices"][0]["delta"] for chunk in told if "tool_calls" in chunk["choices"][0]["delta"]]
    assert all(set(delta) == {"tool_calls"} and len(delta["tool_calls"]) == 1 for delta in deltas)
    calls = [delta["tool_calls"][0] for delta in deltas]
    starts = [call for call in calls if "id" in call]
    assert [start["index"] for start in starts] == [0, 1]
    for start in starts:
        assert start["type"] == "function" and start["function"] == {"name": "add", "arguments": ""}
        assert start["id"].startswith("call_") and len(bytes.fromhex(start["id"][5:])) == 12
    fragments = [call for call in calls if "id" not in call]
    assert all(set(call) == {"index", "function"} and set(call["function"]) == {"arguments"} for call in fragments)
    assert "".join(call["function"]["arguments"] for call in fragments if call["index"] == 1) == '{"a": 1}'
    assert told[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_failure_in_the_midst_is_an_event(says):
    server = says(think_then("It is 3."))
    server.gateway.engine.failure = RuntimeError("the engine has failed: out of luck")
    with pytest.raises(openai.APIError, match="out of luck"):
        for _ in client(server).chat.completions.create(model=NAME, messages=ASK, stream=True):
            continue
    whole = server.http.post("/v1/chat/completions", json={"model": NAME, "messages": ASK})
    assert whole.status_code == 500 and whole.json()["error"]["type"] == "server_error"
    server.gateway.engine.failure = ZeroDivisionError("a secret of ours")
    told = server.http.post("/v1/chat/completions", json={"model": NAME, "messages": ASK, "stream": True}).text
    assert '"internal error"' in told and "secret" not in told


def test_how_reasoning_is_shown(says):
    server = says(think_then("It is 3."))
    hidden = chunks(server, include_reasoning=False)
    assert "one two" not in json.dumps(hidden)
    assert hidden[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    raw = chunks(server, separate_reasoning=False)
    text = "".join(chunk["choices"][0]["delta"]["content"] for chunk in raw)
    assert text == f"<think>\n{THOUGHT}\n\n</think>\n\nIt is 3."
    ask = {"model": NAME, "messages": ASK}
    message = server.http.post("/v1/chat/completions", json=ask | {"include_reasoning": False}).json()
    assert message["choices"][0]["message"] == {"role": "assistant", "content": "It is 3."}


# ---- as clients read it ----


def readme_reader(stream) -> tuple[str, str]:
    """The loop of QwQ's README: whatever chunk has no reasoning has content that is no None."""
    reasoning, content = "", ""
    for chunk in stream:
        delta = chunk.choices[0].delta
        if hasattr(delta, "reasoning_content") and delta.reasoning_content is not None:
            reasoning += delta.reasoning_content
        else:
            content += delta.content
    return reasoning, content


def qwen_agent_reader(stream) -> tuple[str, str, list]:
    """Qwen-Agent's: truthy fields, and a call is another one where it has another id."""
    reasoning, content, calls = "", "", []
    for chunk in stream:
        if not chunk.choices:
            continue
        delta = chunk.choices[0].delta
        if hasattr(delta, "reasoning_content") and delta.reasoning_content:
            reasoning += delta.reasoning_content
        if hasattr(delta, "content") and delta.content:
            content += delta.content
        for call in getattr(delta, "tool_calls", None) or []:
            if calls and (not call.id or call.id == calls[-1][0]):
                calls[-1][1] += call.function.name or ""
                calls[-1][2] += call.function.arguments or ""
            else:
                calls.append([call.id, call.function.name or "", call.function.arguments or ""])
    return reasoning, content, calls


def litellm_reader(stream) -> tuple[str, str, dict]:
    """LiteLLM's: calls are put together by index, ids and names come once."""
    reasoning, content, calls = "", "", {}
    for chunk in stream:
        for choice in chunk.choices:
            delta = choice.delta.model_dump()
            reasoning += delta.get("reasoning_content") or delta.get("reasoning") or ""
            content += delta.get("content") or ""
            for call in delta.get("tool_calls") or []:
                known = calls.setdefault(call["index"], {"id": None, "name": "", "arguments": ""})
                known["id"] = known["id"] or call["id"]
                known["name"] += call["function"]["name"] or ""
                known["arguments"] += call["function"]["arguments"] or ""
    return reasoning, content, calls


def test_clients_read_thinking_and_answer(says):
    server = says(think_then("It is 3."))
    create = client(server).chat.completions.create
    asked = {"model": NAME, "messages": ASK, "stream": True}
    assert readme_reader(create(**asked)) == (THOUGHT + "\n", "It is 3.")
    assert qwen_agent_reader(create(**asked)) == (THOUGHT + "\n", "It is 3.", [])
    assert litellm_reader(create(**asked)) == (THOUGHT + "\n", "It is 3.", {})
    off = create(**asked, extra_body={"enable_thinking": False})
    assert readme_reader(off) == ("", "It is 3.")


def test_clients_read_tool_calls(says):
    create = client(says(think_then(f"Sure.\n{CALL}\n{CALL}"))).chat.completions.create
    asked = {"model": NAME, "messages": ASK, "stream": True, "tools": TOOLS}
    _, content, calls = qwen_agent_reader(create(**asked, stream_options={"include_usage": True}))
    assert content == "Sure." and [call[1:] for call in calls] == [["add", '{"a": 1}']] * 2
    _, _, calls = litellm_reader(create(**asked))
    assert [(index, call["name"], call["arguments"]) for index, call in calls.items()] == [
        (0, "add", '{"a": 1}'),
        (1, "add", '{"a": 1}'),
    ]
    with client(says(think_then(CALL))).chat.completions.stream(model=NAME, messages=ASK, tools=TOOLS) as stream:
        final = stream.get_final_completion().choices[0]
    assert json.loads(final.message.tool_calls[0].function.arguments) == {"a": 1}
    assert final.finish_reason == "tool_calls"


def test_a_whole_answer(says):
    whole = client(says(think_then(f"Sure.\n{CALL}"))).chat.completions.create(model=NAME, messages=ASK, tools=TOOLS)
    choice = whole.choices[0]
    assert choice.message.reasoning_content == choice.message.reasoning == THOUGHT + "\n"
    assert (choice.message.content, choice.finish_reason, choice.reasoning_stop_reason) == (
        "Sure.",
        "tool_calls",
        "model",
    )
    assert choice.message.tool_calls[0].function.arguments == '{"a": 1}'
    assert whole.usage.completion_tokens_details.reasoning_tokens > 10


def test_a_history_goes_round(says):
    """What a client got back is taken as history. Its thinking stays while the tools of its turn are at work, so that the
    prompt continues what was sampled, and goes with the next question."""
    server = says(think_then(f"Sure.\n{CALL}"))
    message = client(server).chat.completions.create(model=NAME, messages=ASK, tools=TOOLS).choices[0].message
    history = [*ASK, message.model_dump(), {"role": "tool", "tool_call_id": "x", "content": "3"}]
    client(server).chat.completions.create(model=NAME, messages=history, tools=TOOLS)
    client(server).chat.completions.create(model=NAME, messages=[*history, *ASK], tools=TOOLS)
    first, second, third = [server.gateway.renderer.decode(r.prompt) for r in server.gateway.engine.requests]
    assert second.startswith(first + THOUGHT) and "Sure.\n<tool_call>" in second
    assert THOUGHT not in third and "Sure.\n<tool_call>" in third and "<tool_response>\n3\n" in third


# ---- a real model ----


def test_what_is_streamed_is_what_the_engine_samples(born, checkpoint):
    """The stream's ids are those of an engine alone, given the same prompt and seed, and so are their logprobs."""
    asked = {"max_tokens": 40, "seed": 3, "thinking_budget": 39, "answer_reserve": 0, "return_token_ids": True}
    told = chunks(born, **asked, logprobs=True, top_logprobs=2)
    ids = [token for chunk in told for token in chunk["choices"][0]["token_ids"]]
    entries = [e for chunk in told for e in (chunk["choices"][0]["logprobs"] or {"content": []})["content"]]
    assert len(ids) == len(entries) == 40
    (plan,) = born.gateway.planner.chat(ChatRequest(model=NAME, messages=ASK, max_tokens=40, seed=3)).plans
    renderer = born.gateway.renderer
    params = SamplingParams(temperature=1.0, top_p=1.0, top_k=0, max_tokens=40, stop_ids=renderer.stop_ids)
    engine = LocalEngine(load_decoder(checkpoint))
    (alone,) = engine.generate([Request("alone", tuple(told[0]["prompt_token_ids"]), params, plan.seed)])
    assert ids == alone.ids
    assert [entry["logprob"] for entry in entries] == pytest.approx(alone.logprobs, abs=1e-4)
    assert all(len(entry["top_logprobs"]) == 2 for entry in entries)
    assert all(bytes(entry["bytes"]) == renderer.token_bytes(token) for entry, token in zip(entries, ids, strict=True))


def test_a_seed_gives_the_same_answers_and_none_new_ones(born):
    def ask(**fields):
        whole = born.http.post(
            "/v1/chat/completions", json={"model": NAME, "messages": ASK, "max_tokens": 30, "n": 2} | fields
        ).json()
        return [choice["message"] for choice in whole["choices"]]

    one, other = ask(seed=5)
    assert one != other and [one, other] == ask(seed=5) and ask() != ask()
    streamed = chunks(born, max_tokens=30, n=2, seed=5)
    for index, message in enumerate((one, other)):
        own = [c["choices"][0]["delta"] for c in streamed if c["choices"][0]["index"] == index]
        assert "".join(delta.get("reasoning_content") or "" for delta in own) == message.get("reasoning_content", "")
        assert "".join(delta.get("content") or "" for delta in own) == message["content"]


def test_a_repeated_history_is_not_computed_again(born):
    long = [{"role": "user", "content": "word " * 40}]
    born.http.post("/v1/chat/completions", json={"model": NAME, "messages": long, "max_tokens": 4})
    again = born.http.post("/v1/chat/completions", json={"model": NAME, "messages": long, "max_tokens": 4}).json()
    usage = again["usage"]
    assert usage["prompt_tokens"] - BLOCK - 1 < usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]


def test_a_long_request_gets_a_factor(born):
    def factor(**fields):
        body = {"model": NAME, "messages": ASK, "max_tokens": 4} | fields
        return born.http.post("/v1/chat/completions", json=body).json()["usage"]["rope_factor"]

    assert factor() == 1 and factor(max_tokens=500, stop="0") == 2 and factor(rope_factor=2) == 2
    assert 'ponder:yarn_factor_total{factor="2",model_name="tiny"} ' in born.http.get("/metrics").text


def test_greedy_thinking_is_warned_of(born):
    body = {"model": NAME, "messages": ASK, "max_tokens": 20}
    asked = {
        "greedy": body | {"temperature": 0},
        "sampled": body,
        "not thinking": body | {"temperature": 0, "think": False},
    }
    warned = {name: "x-warning" in born.http.post("/v1/chat/completions", json=a).headers for name, a in asked.items()}
    assert warned == {"greedy": True, "sampled": False, "not thinking": False}


SCHEMA = {
    "type": "object",
    "properties": {"v": {"type": "boolean"}, "w": {"enum": ["a", "b"]}},
    "required": ["v", "w"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("thinking", [True, False])
def test_structured_output_of_a_random_model(born, seed, thinking):
    """Whatever it thinks, the answer is what the schema says: the grammar begins where the thought ends."""
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    whole = client(born).chat.completions.create(
        model=NAME,
        messages=ASK,
        max_tokens=400,
        seed=seed,
        response_format=form,
        extra_body={"thinking_budget": 20} if thinking else {"think": False},
    )
    answer = json.loads(whole.choices[0].message.content)
    assert isinstance(answer["v"], bool) and answer["w"] in ("a", "b")
    assert bool(whole.usage.completion_tokens_details.reasoning_tokens) == thinking
    assert whole.choices[0].finish_reason == "stop"


NESTED = {
    "type": "object",
    "properties": {"n": {"$ref": "#/$defs/digit"}},
    "required": ["n"],
    "additionalProperties": False,
    "$defs": {"digit": {"enum": [1, 2, 3]}},
}


@pytest.mark.parametrize("seed", range(3))
def test_calls_that_must_come_come(born, seed):
    tools = [
        {"type": "function", "function": {"name": "pick", "parameters": NESTED}},
        {"type": "function", "function": {"name": "nothing"}},
    ]
    asked = {"model": NAME, "messages": ASK, "max_tokens": 450, "seed": seed, "tools": tools}
    short = {"extra_body": {"thinking_budget": 10, "parallel_tool_calls": False}}
    create = client(born).chat.completions.create
    named = create(**asked, tool_choice={"type": "function", "function": {"name": "pick"}}, **short).choices[0]
    (call,) = named.message.tool_calls
    assert call.function.name == "pick" and json.loads(call.function.arguments)["n"] in (1, 2, 3)
    assert named.finish_reason == "tool_calls" and named.message.content == ""
    (call,) = create(**asked, tool_choice="required", **short).choices[0].message.tool_calls
    assert call.function.name in ("pick", "nothing")
    _, _, calls = litellm_reader(create(**asked, tool_choice="required", stream=True, **short))
    assert (calls[0]["name"], calls[0]["arguments"]) == (call.function.name, call.function.arguments)


def test_no_tools_where_none_are_wanted(says):
    server = says(think_then(CALL))
    message = client(server).chat.completions.create(model=NAME, messages=ASK, tools=TOOLS, tool_choice="none")
    assert message.choices[0].message.tool_calls is None and "<tool_call>" in message.choices[0].message.content
    assert "# Tools" not in server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)


def test_request_ids(born):
    assert born.http.get("/v1/models", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    for bad in ("two words", "x" * 200):
        made = born.http.get("/v1/models", headers={"x-request-id": bad}).headers["x-request-id"]
        assert len(made) == 32 and made != bad
    assert len(born.http.get("/nothing").headers["x-request-id"]) == 32


def test_an_answer_of_so_many_tokens(born):
    """`ignore_eos`, as load generators ask: the model cannot end its turn, whatever it samples."""
    ends = born.gateway.renderer.stop_ids
    body = {"model": NAME, "messages": ASK, "max_tokens": 200, "answer_reserve": 0, "n": 4, "return_token_ids": True}
    body |= {"seed": 1, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "logit_bias": {str(end): 2 for end in ends}}
    whole = born.http.post("/v1/chat/completions", json=body | {"ignore_eos": True}).json()
    assert [len(choice["token_ids"]) for choice in whole["choices"]] == [200] * 4
    assert any(ends & set(choice["token_ids"]) for choice in whole["choices"]), "else this says nothing"
    assert {choice["finish_reason"] for choice in whole["choices"]} == {"length"}


def test_penalties_reach_the_engine(says):
    server = says(think_then("x"))
    asked = {"model": NAME, "messages": ASK, "presence_penalty": 0.5, "frequency_penalty": -1.5, "top_k": 2**40}
    assert server.http.post("/v1/chat/completions", json=asked).status_code == 200
    params = server.gateway.engine.requests[-1].params
    assert (params.presence_penalty, params.frequency_penalty) == (0.5, -1.5)
