"""Qwen-Agent: its chat model, and its assistant with a tool, by its own way of calling and by the server's."""

import json
import sys

from qwen_agent.agents import Assistant
from qwen_agent.llm import get_chat_model
from qwen_agent.tools.base import BaseTool, register_tool
from shown import ADD, ASK, add, show

url, model = sys.argv[1:]
settings = {"model": model, "model_type": "oai", "model_server": url, "api_key": "any"}


@register_tool("add")
class Add(BaseTool):
    description, parameters = ADD["description"], ADD["parameters"]

    def call(self, params: str, **_) -> str:
        return str(add(**json.loads(params)))


def texts(said: list[dict]) -> tuple[str, str]:
    thought, answer = ("".join(one.get(name) or "" for one in said) for name in ("reasoning_content", "content"))
    return thought, answer


*_, streamed = get_chat_model(settings).chat(messages=ASK, stream=True)
assert texts(streamed) == texts(get_chat_model(settings).chat(messages=ASK, stream=False))
found = []
for raw in (True, False):
    assistant = Assistant(function_list=["add"], llm=settings | {"generate_cfg": {"use_raw_api": raw}})
    *_, messages = assistant.run(ASK)
    found.append(
        (
            [json.loads(m["function_call"]["arguments"]) for m in messages if m.get("function_call")],
            messages[-1]["content"],
        )
    )
assert found[0] == found[1], found
show(*texts(streamed), *found[0])
