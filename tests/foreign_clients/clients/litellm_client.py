"""LiteLLM, streamed and whole."""

import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing is fetched

import litellm
from shown import ADD, ASK, add, show

url, model = sys.argv[1:]
asked = {"model": f"openai/{model}", "api_base": url, "api_key": "any"}
chunks = list(litellm.completion(**asked, messages=ASK, stream=True, stream_options={"include_usage": True}))
streamed = litellm.stream_chunk_builder(chunks, messages=ASK)
whole = litellm.completion(**asked, messages=ASK)
first, second = (read.choices[0].message for read in (streamed, whole))
assert (first.reasoning_content.strip(), first.content) == (second.reasoning_content.strip(), second.content)
assert (
    streamed.usage.completion_tokens_details.reasoning_tokens == whole.usage.completion_tokens_details.reasoning_tokens
)

messages, called = list(ASK), []
while True:
    message = (
        litellm.completion(**asked, messages=messages, tools=[{"type": "function", "function": ADD}]).choices[0].message
    )
    messages.append(message.model_dump())
    if not message.tool_calls:
        break
    for call in message.tool_calls:
        called.append(json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": str(add(**called[-1]))})
show(first.reasoning_content, first.content, called, message.content)
