"""Ask a reasoning model over OpenAI's API and show its thinking and its answer as they come.

    ponder serve MODEL
    python examples/openai_stream.py [--url http://127.0.0.1:8000/v1] [--key KEY] [--budget 512] "QUESTION"

Any server that sends `reasoning_content`, as QwQ's own does, will do: only the address and the key change.
"""

import argparse

from openai import OpenAI


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("question", nargs="?", default="Which number is larger, 9.11 or 9.8?")
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--key", default="not needed")
    parser.add_argument("--budget", type=int, help="most tokens of thinking")
    asked = parser.parse_args()

    client = OpenAI(base_url=asked.url, api_key=asked.key)
    stream = client.chat.completions.create(
        model=client.models.list().data[0].id,
        messages=[{"role": "user", "content": asked.question}],
        stream=True,
        stream_options={"include_usage": True},
        extra_body={} if asked.budget is None else {"thinking_budget": asked.budget},
    )
    answering = False
    print("--- thinking ---")
    for chunk in stream:
        if not chunk.choices:  # the last one counts
            thought = chunk.usage.completion_tokens_details.reasoning_tokens
            print(f"\n--- {thought} tokens of thinking, {chunk.usage.completion_tokens - thought} of answer ---")
            continue
        delta = chunk.choices[0].delta
        reasoning = getattr(delta, "reasoning_content", None)
        if reasoning:
            print(reasoning, end="", flush=True)
        elif delta.content:
            if not answering:
                answering = True
                print("\n--- answer ---")
            print(delta.content, end="", flush=True)


if __name__ == "__main__":
    main()
