"""OpenAI's own client: chat and responses, whole and streamed."""

import json
import sys

from openai import OpenAI
from shown import ADD, ASK, add, show

url, model = sys.argv[1:]
client = OpenAI(base_url=url, api_key="any", max_retries=0)
tools = [{"type": "function", "function": ADD}]

# A turn, streamed: the thought beside the answer.
thought = answer = ""
for chunk in client.chat.completions.create(model=model, messages=ASK, stream=True):
    for choice in chunk.choices:
        thought += getattr(choice.delta, "reasoning_content", None) or ""
        answer += choice.delta.content or ""

# A loop of tools.
messages, called = list(ASK), []
while True:
    message = client.chat.completions.create(model=model, messages=messages, tools=tools).choices[0].message
    messages.append(message.to_dict())
    if not message.tool_calls:
        break
    for call in message.tool_calls:
        called.append(json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": str(add(**called[-1]))})

# The same by the Responses API.
items, again = [{"role": "user", "content": ASK[0]["content"]}], []
while True:
    response = client.responses.create(model=model, input=items, tools=[{"type": "function", **ADD}])
    items += [item.to_dict() for item in response.output]
    calls = [item for item in response.output if item.type == "function_call"]
    if not calls:
        break
    for call in calls:
        again.append(json.loads(call.arguments))
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": str(add(**again[-1]))})
assert called == again and response.output_text == message.content
show(thought, answer, called, message.content)
