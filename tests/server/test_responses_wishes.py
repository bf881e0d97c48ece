"""/v1/responses: what a client may wish for: summaries, log-probabilities, some of the tools; and where an answer was cut."""

import json

import openai
import pytest

from ponder.server.requests.responses import ResponsesRequest, to_chat
from tests.server.test_messages import TWO_CALLS
from tests.shared.born import NAME, client
from tests.shared.one_turn import CALL, THOUGHT, think_then

ADD = {"type": "function", "name": "add", "parameters": {"type": "object"}}
SUB = ADD | {"name": "sub"}
LOGPROBS = "message.output_text.logprobs"


def both(server, **asked):
    """The whole response, and the one that the client builds of the events, with these."""
    create = client(server).responses.create
    whole = create(model=NAME, input="1 + 2", **asked)
    events = list(create(model=NAME, input="1 + 2", stream=True, **asked))
    return whole, events[-1].response, events


@pytest.mark.parametrize(("most", "kinds"), [(5, ["reasoning"]), (300, ["reasoning", "message"])])
def test_the_item_that_was_cut_is_incomplete(says, most, kinds):
    numbers = " ".join(map(str, range(200)))
    whole, streamed, events = both(says(think_then(numbers)), max_output_tokens=most, extra_body={"answer_reserve": 0})
    for response in (whole, streamed):
        assert [item.type for item in response.output] == kinds and response.status == "incomplete"
        assert [item.status for item in response.output] == ["completed"] * (len(kinds) - 1) + ["incomplete"]
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.status for item in done] == [item.status for item in whole.output]


def test_thoughts_as_summaries(says):
    server = says(think_then("It is 3."))
    whole, streamed, events = both(server, reasoning={"summary": "auto"})
    for response in (whole, streamed):
        thought, message = response.output
        assert [part.text for part in thought.summary] == [THOUGHT + "\n"] and not thought.content
        assert message.content[0].text == "It is 3." and response.reasoning.summary == "auto"
    kinds = [event.type for event in events]
    told = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]
    assert "".join(told) == THOUGHT + "\n" and "response.reasoning_text.delta" not in kinds
    first, last = (kinds.index(f"response.reasoning_summary_part.{name}") for name in ("added", "done"))
    assert first < kinds.index("response.reasoning_summary_text.delta") < last
    with client(server).responses.stream(model=NAME, input="x", reasoning={"summary": "detailed"}) as stream:
        assert stream.get_final_response().output[0].summary[0].text == THOUGHT + "\n"


def test_a_summary_comes_back_as_the_thought_that_it_was():
    summary = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": THOUGHT}]}
    call = {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"}
    sent = ResponsesRequest(model=NAME, input=[{"role": "user", "content": "q"}, summary, call])
    assert to_chat(sent).messages[1].model_dump()["reasoning_content"] == THOUGHT


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("asked", [{"include": [LOGPROBS]}, {"include": [LOGPROBS], "top_logprobs": 1}])
def test_log_probabilities_are_of_the_message(says, piece, asked):
    whole, streamed, events = both(says(think_then("It is 3."), piece=piece), **asked)
    for response in (whole, streamed):
        entries = response.output[1].content[0].logprobs
        assert "".join(entry.token for entry in entries).strip() == "It is 3."
        assert all(entry.logprob == -0.5 for entry in entries)
    told = [event.logprobs for event in events if event.type == "response.output_text.delta"]
    assert [one.token for part in told for one in part] == [
        entry.token for entry in whole.output[1].content[0].logprobs
    ]
    assert not whole.output[0].model_dump().get("logprobs")


def test_no_log_probabilities_unless_asked_for(says):
    whole, streamed, _ = both(says(think_then("It is 3.")))
    assert whole.output[1].content[0].logprobs == streamed.output[1].content[0].logprobs == []


def test_parallel_calls_are_items_of_their_own(says):
    whole, streamed, events = both(says(think_then(TWO_CALLS)), tools=[ADD])
    for response in (whole, streamed):
        calls = [item for item in response.output if item.type == "function_call"]
        assert [json.loads(call.arguments) for call in calls] == [{"a": 1}, {"a": 2}]
        assert len({call.call_id for call in calls}) == len({call.id for call in calls}) == 2
    places = [event.output_index for event in events if event.type == "response.function_call_arguments.done"]
    assert places == [1, 2]
    single, _, _ = both(says(think_then(TWO_CALLS)), tools=[ADD], parallel_tool_calls=False)
    assert len(single.output) == 2 and not single.parallel_tool_calls


def test_only_allowed_tools_are_shown(says):
    server = says(think_then(CALL))
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "sub"}]}
    told = client(server).responses.create(model=NAME, input="x", tools=[ADD, SUB], tool_choice=allowed)
    prompt = server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)
    assert '"name": "sub"' in prompt and '"name": "add"' not in prompt.partition("</tools>")[0]
    assert [item.type for item in told.output] == ["reasoning", "message"], "a call of another tool is text"
    assert told.tool_choice.type == "allowed_tools" and [tool.name for tool in told.tools] == ["add", "sub"]
    chat = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "add"}}]}
    tools = [
        {"type": "function", "function": {key: tool[key] for key in ("name", "parameters")}} for tool in (ADD, SUB)
    ]
    choice = {"type": "allowed_tools", "allowed_tools": chat}
    asked = {"model": NAME, "messages": [{"role": "user", "content": "x"}], "tools": tools, "tool_choice": choice}
    assert client(server).chat.completions.create(**asked).choices[0].message.tool_calls[0].function.name == "add"
    with pytest.raises(openai.BadRequestError, match="mul"):
        wrong = allowed | {"tools": [{"type": "function", "name": "mul"}]}
        client(server).responses.create(model=NAME, input="x", tools=[ADD], tool_choice=wrong)


def test_required_of_the_allowed(born):
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "sub"}]}
    tools = [one | {"parameters": {"type": "object", "additionalProperties": False}} for one in (ADD, SUB)]
    off = {"enable_thinking": False, "seed": 1}
    told = client(born).responses.create(
        model=NAME, input="x", tools=tools, tool_choice=allowed, parallel_tool_calls=False, extra_body=off
    )
    assert [(item.type, item.name) for item in told.output] == [("function_call", "sub")]


@pytest.mark.parametrize("kind", ["web_search", "file_search", "code_interpreter", "mcp", "custom", "local_shell"])
def test_tools_that_are_run_elsewhere(says, kind):
    server = says(think_then("x"))
    with pytest.raises(openai.BadRequestError, match=f"{kind}.*run it yourself"):
        client(server).responses.create(model=NAME, input="x", tools=[{"type": kind}])
    refused = server.http.post(
        "/v1/chat/completions",
        json={"model": NAME, "messages": [{"role": "user", "content": "x"}], "tools": [{"type": kind}]},
    )
    assert refused.status_code == 400 and "run it yourself" in refused.json()["error"]["message"]


def test_references_to_what_is_not_stored(says):
    items = [{"role": "user", "content": "q"}, {"type": "item_reference", "id": "msg_1"}]
    with pytest.raises(openai.BadRequestError, match="nothing is stored"):
        client(says(think_then("x"))).responses.create(model=NAME, input=items)


def test_results_that_are_objects(says):
    server = says(think_then("x"))
    call = {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": {"sum": 3}}
    sent = {"model": NAME, "input": [{"role": "user", "content": "q"}, call, result]}
    assert server.http.post("/v1/responses", json=sent).status_code == 200
    prompt = server.gateway.renderer.decode(server.gateway.engine.requests[-1].prompt)
    assert '<tool_response>\n{"sum": 3}\n</tool_response>' in prompt


def test_a_choice_of_words(born):
    asked = {"model": NAME, "input": "1 + 2", "enable_thinking": False, "structured_outputs": {"choice": ["2", "3"]}}
    told = born.http.post("/v1/responses", json=asked).json()
    assert told["output"][-1]["content"][0]["text"] in ("2", "3")
