"""OpenAI's Agents SDK, over chat completions and over the Responses API."""

import asyncio
import json
import sys

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    ReasoningItem,
    Runner,
    ToolCallItem,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from shown import ASK, add, show

url, model = sys.argv[1:]
set_tracing_disabled(True)
client = AsyncOpenAI(base_url=url, api_key="any", max_retries=0)


async def main() -> None:
    question, results = ASK[0]["content"], []
    for kind in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
        plain = Agent(name="it", model=kind(model, client))
        streamed = Runner.run_streamed(plain, question)
        async for _ in streamed.stream_events():
            pass
        turn = await Runner.run(plain, question)
        assert turn.final_output == streamed.final_output
        thoughts = [item.raw_item for item in turn.new_items if isinstance(item, ReasoningItem)]
        loop = await Runner.run(Agent(name="it", model=kind(model, client), tools=[function_tool(add)]), question)
        called = [json.loads(item.raw_item.arguments) for item in loop.new_items if isinstance(item, ToolCallItem)]
        results.append((thoughts, turn.final_output, called, loop.final_output))
    by_chat, by_responses = results
    assert by_chat[1:] == by_responses[1:]
    (thought,) = by_responses[0]
    show(thought.content[0].text, *by_chat[1:])


asyncio.run(main())
