"""In the manner of QwQ-32B's quickstart for its API: one stream, in which the thought ends where the answer begins."""

import sys

from openai import OpenAI
from shown import ASK, show

url, model = sys.argv[1:]
client = OpenAI(api_key="any", base_url=url)
stream = client.chat.completions.create(model=model, messages=ASK, stream=True, stream_options={"include_usage": True})
thought, answer, usage, is_answering = "", "", None, False
for chunk in stream:
    if not chunk.choices:
        usage = chunk.usage
        continue
    delta = chunk.choices[0].delta
    if getattr(delta, "reasoning_content", None) is not None:
        assert not is_answering, "a thought after the answer has begun"
        thought += delta.reasoning_content
    elif delta.content is not None:
        is_answering = is_answering or delta.content != ""
        answer += delta.content
assert usage.completion_tokens > 0
show(thought, answer, [], answer)
