"""What Anthropic's own client reads: run by a Python that has `anthropic`, apart from Ponder's own environment.

python tests/foreign_clients/read_as_anthropic.py URL MODEL KEY     # prints a line of JSON
"""

import json
import sys

import anthropic

ASK = [{"role": "user", "content": "1 + 2"}]
ADD = {
    "name": "add",
    "description": "adds",
    "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    "cache_control": {"type": "ephemeral"},
}


def blocks(message) -> list:
    return [
        [block.type, block.input if block.type == "tool_use" else getattr(block, block.type)]
        for block in message.content
    ]


def streamed(client: anthropic.Anthropic, **asked):
    with client.messages.stream(**asked) as stream:
        kinds = [event.type for event in stream]
        return stream.get_final_message(), kinds


def agent_loop(client: anthropic.Anthropic, model: str) -> dict:
    """As agents go on: the answer goes back as it came, the results behind it."""
    messages, told = list(ASK), []
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    while len(told) < 4:
        asked = {"model": model, "max_tokens": 32_000, "system": system, "messages": messages, "tools": [ADD]}
        answer, _ = streamed(client, **asked, thinking={"type": "enabled", "budget_tokens": 1024})
        told.append([answer.stop_reason, blocks(answer)])
        if answer.stop_reason != "tool_use":
            break
        calls = [block for block in answer.content if block.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": "3"} for call in calls]
        messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
    return {
        "turns": told,
        "counted": client.messages.count_tokens(model=model, messages=messages, tools=[ADD]).input_tokens,
    }


def by_anthropic(url: str, model: str, key: str) -> dict:
    client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)
    whole = client.messages.create(model=model, max_tokens=400, messages=ASK, tools=[ADD])
    same, kinds = streamed(client, model=model, max_tokens=400, messages=ASK, tools=[ADD])
    errors = {}
    for name, wrong in (
        ("model", {"model": "claude"}),
        ("length", {"messages": [{"role": "user", "content": "1 " * 9000}]}),
    ):
        try:
            client.messages.create(**{"model": model, "max_tokens": 9, "messages": ASK} | wrong)
        except anthropic.APIStatusError as error:
            errors[name] = [type(error).__name__, error.body["error"]["type"], error.body["error"]["message"]]
            errors[name].append(bool(error.request_id))
    try:
        anthropic.Anthropic(base_url=url, api_key="wrong", max_retries=0).messages.create(
            model=model, max_tokens=9, messages=ASK
        )
    except anthropic.AuthenticationError as error:
        errors["key"] = [error.body["error"]["type"]]
    return {
        "whole": [whole.stop_reason, blocks(whole)],
        "streamed": [same.stop_reason, blocks(same)],
        "usage": [whole.usage.model_dump(), same.usage.model_dump()],
        "events": kinds,
        "loop": agent_loop(client, model),
        "errors": errors,
        "models": [model.id for model in client.models.list()],
    }


if __name__ == "__main__":
    print(json.dumps(by_anthropic(*sys.argv[1:])))
