"""LangChain's ChatOpenAI, and an agent of LangGraph's over it."""

import sys

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from shown import ASK, add, show

url, model = sys.argv[1:]
chat = ChatOpenAI(model=model, base_url=url, api_key="any", max_retries=0)
answer = "".join(chunk.content for chunk in chat.stream(ASK))
messages = create_agent(chat, [add]).invoke({"messages": ASK})["messages"]
called = [call["args"] for message in messages for call in getattr(message, "tool_calls", [])]
show(None, answer, called, messages[-1].content)  # ChatOpenAI reads no thoughts
