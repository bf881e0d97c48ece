"""A Rubric of PrimeIntellect's verifiers (0.3 or earlier) with the math verifier in it. Prints one line of JSON.

Run by an interpreter that has verifiers and what Ponder needs.
"""

import asyncio
import json
import sys
from importlib.metadata import version

import verifiers as vf

from ponder.verifiers.adapters.verifiers import rubric_function

# (reply, whether it was cut off, reference); the second needs a worker process, the last has no usable reference.
ROWS = [
    ("so \\boxed{4}", False, "4"),
    ("\\boxed{\\frac{1}{2}}", False, "\\int_0^1 x\\,dx"),
    ("<think>4?</think>\\boxed{5}", False, "4"),
    ("it may be \\boxed{4}", True, "4"),
    ("\\boxed{4}", False, ""),
]


async def main() -> None:
    rubric = vf.Rubric(funcs=[rubric_function("math", reference="answer")])
    states = [state_of(*row) for row in ROWS]
    await rubric.score_group(states)
    alone = state_of(*ROWS[0])
    await rubric.score_rollout(alone)
    report = {
        "verifiers": version("verifiers"),
        "rewards": [state["reward"] for state in states],
        "metrics": [state["metrics"]["math"] for state in states],
        "errors": [str(state["error"]) if state["error"] else None for state in states],
        "alone": alone["reward"],
    }
    sys.stdout.write(json.dumps(report) + "\n")


def state_of(reply: str, truncated: bool, answer: str) -> vf.State:
    state = vf.State(input={"prompt": [{"role": "user", "content": "?"}], "answer": answer, "example_id": 0})
    state["completion"] = [vf.AssistantMessage(content=reply)]
    state["is_truncated"], state["trajectory"], state["error"] = truncated, [], None
    return state


if __name__ == "__main__":
    asyncio.run(main())
