"""Pydantic AI: a turn, a stream, and an agent with a tool."""

import asyncio
import sys

from pydantic_ai import Agent
from pydantic_ai.messages import ThinkingPart, ToolCallPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from shown import ASK, add, show

url, model = sys.argv[1:]
chat = OpenAIChatModel(model, provider=OpenAIProvider(base_url=url, api_key="any"))


async def main() -> None:
    question = ASK[0]["content"]
    turn = await Agent(chat).run(question)
    (thought,) = (p.content for m in turn.all_messages() for p in m.parts if isinstance(p, ThinkingPart))
    async with Agent(chat).run_stream(question) as streamed:
        assert await streamed.get_output() == turn.output
    loop = await Agent(chat, tools=[add]).run(question)
    called = [p.args_as_dict() for m in loop.all_messages() for p in m.parts if isinstance(p, ToolCallPart)]
    show(thought, turn.output, called, loop.output)


asyncio.run(main())
