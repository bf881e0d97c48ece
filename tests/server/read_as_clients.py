"""What LiteLLM and Qwen-Agent themselves read: run by a Python that has them, apart from Ponder's own environment.

python tests/server/read_as_clients.py URL MODEL     # prints a line of JSON
"""

import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing is fetched

import litellm
from qwen_agent.llm import get_chat_model

ASK = [{"role": "user", "content": "1 + 2"}]
ADD = {"name": "add", "description": "adds", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}


def by_litellm(url: str, model: str) -> dict:
    asked = {"model": f"openai/{model}", "api_base": url, "api_key": "any", "messages": ASK}
    chunks = list(litellm.completion(**asked, stream=True, stream_options={"include_usage": True}))
    streamed = litellm.stream_chunk_builder(chunks, messages=ASK)
    whole = litellm.completion(**asked)
    tools = [{"type": "function", "function": ADD}]
    calls = litellm.stream_chunk_builder(list(litellm.completion(**asked, tools=tools, stream=True)), messages=ASK)
    return {
        "texts": [
            [read.choices[0].message.reasoning_content, read.choices[0].message.content] for read in (streamed, whole)
        ],
        "reasoning_tokens": [read.usage.completion_tokens_details.reasoning_tokens for read in (streamed, whole)],
        "calls": [[call.function.name, call.function.arguments] for call in calls.choices[0].message.tool_calls or []],
    }


def by_qwen_agent(url: str, model: str) -> dict:
    settings = {"model": model, "model_type": "oai", "model_server": url, "api_key": "any"}
    reader = get_chat_model(settings)
    *_, streamed = reader.chat(messages=ASK, stream=True)
    whole = reader.chat(messages=ASK, stream=False)
    raw = get_chat_model(settings | {"generate_cfg": {"use_raw_api": True}})
    *_, called = raw.chat(messages=ASK, functions=[ADD], stream=True)
    texts = [
        ["".join(message.get(name) or "" for message in said) for name in ("reasoning_content", "content")]
        for said in (streamed, whole)
    ]
    calls = [message["function_call"] for message in called if message.get("function_call")]
    return {"texts": texts, "calls": [[call["name"], call["arguments"]] for call in calls]}


if __name__ == "__main__":
    print(json.dumps({"litellm": by_litellm(*sys.argv[1:]), "qwen_agent": by_qwen_agent(*sys.argv[1:])}))
