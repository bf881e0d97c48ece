"""Simon Willison's llm: a model of one's own in its list, asked for a stream and for a chain with a tool."""

import os
import sys
import tempfile
from pathlib import Path

import llm
from shown import ASK, add, show

url, model = sys.argv[1:]
home = tempfile.TemporaryDirectory()
os.environ["LLM_USER_PATH"] = home.name
Path(home.name, "extra-openai-models.yaml").write_text(
    f"- model_id: it\n  model_name: {model}\n  api_base: {url}\n  supports_tools: true\n"
)

it = llm.get_model("it")
it.key = "any"
answer = "".join(it.prompt(ASK[0]["content"]))
chain = it.chain(ASK[0]["content"], tools=[add])
responses = list(chain.responses())
called = [call.arguments for response in responses for call in response.tool_calls()]
show(None, answer, called, responses[-1].text())  # it reads no thoughts
