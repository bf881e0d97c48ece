"""LlamaIndex: a stream, and an agent."""

import asyncio
import sys

from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike
from shown import ASK, add, show

url, model = sys.argv[1:]
llm = OpenAILike(
    model=model, api_base=url, api_key="any", is_chat_model=True, is_function_calling_model=True, max_retries=0
)
answer = "".join(chunk.delta or "" for chunk in llm.stream_chat([ChatMessage(**ASK[0])]))


async def loop() -> tuple[list[dict], str]:
    running = FunctionAgent(tools=[add], llm=llm).run(user_msg=ASK[0]["content"])
    called = [event.tool_kwargs async for event in running.stream_events() if isinstance(event, ToolCallResult)]
    return called, str(await running)


show(None, answer, *asyncio.run(loop()))  # it reads no thoughts
