"""Rewards of your own: plain functions that say what a response is worth. docs/verifiers.md tells all that they may do.

In a recipe, as a source's verifier, or as a part of its reward:

    sources:
      sums:
        kind: gym
        family: chain_sum
        verifier: {python: examples/my_rewards.py:close}
        reward:
          sum:
            - {weight: 3, of: task}
            - {weight: 1, of: {python: examples/my_rewards.py:brief}}

Try one on answers that you have, before you train on it:

    ponder verify answers.jsonl --verifier examples/my_rewards.py:close
"""

import re


def close(response: str, reference: str) -> dict:
    """The last number of the response against the reference: half of the score for one that is one off."""
    numbers = re.findall(r"-?\d+", response)
    if not numbers:
        return {"status": "unparseable", "reason": "no number in it"}
    distance = abs(int(numbers[-1][:20]) - int(reference))
    score = 1.0 if distance == 0 else 0.5 if distance == 1 else 0.0
    return {"score": score, "reason": f"{distance} off", "parsed": numbers[-1]}


def brief(response: str) -> float:
    """1 for an answer of at most ten words; less and less for longer ones."""
    return min(1.0, 10 / max(1, len(response.split())))


def kept_words(response: str, task: dict) -> float:
    """The share of the words in the row's own field `words` that the response uses. For rows such as
    {"prompt": "Write a line about the sea.", "words": ["wave", "salt"]}, which have no reference."""
    words = task["row"]["words"]
    return sum(word.lower() in response.lower() for word in words) / len(words)
