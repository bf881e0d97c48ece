"""The cold start's examples for the tiny model, written by procedures.

What the procedures write is synthetic, and meant to be poor: a careless pupil who often guesses, otherwise works step
by step, seldom goes over the steps again, and slips all along. It shows the moves; which of them pay is left for
reinforcement learning to find out, by verified outcomes alone.
"""

import random
import re
from collections.abc import Callable

from ponder.agents.equipment import TOOLS, plays_episode
from ponder.agents.tools.calculator import calculator
from ponder.agents.tools.tool import ToolError
from ponder.engine.counting import key
from ponder.recipe.stages.sft import Demonstrations, Habits
from ponder.tasks.programs import ARGUMENTS, ATOM, OPERATIONS, Step, extend, random_number, random_step, write_program
from ponder.tasks.task import Task

_EXPRESSION = re.compile(r"Calculate ([^=]+?)(?: =|\.)$")
_SUM = re.compile(r"(\d+) ([+-]) (\d+)(?: =|\.)$")


def demonstrate(task: Task, demonstrations: Demonstrations, seed: int) -> list[dict]:
    """A chat in which the pupil solves the task, or fails to, by the procedure for tasks of its kind.

    Raises:
        ValueError: no procedure that the recipe names is for such tasks.
    """
    kind = "calls" if plays_episode(task) else "programs" if task.verifier == "code" else "columns"
    habits = getattr(demonstrations, kind)
    if habits is not None:
        return PROCEDURES[kind](task, habits, seed)
    named = [name for name in PROCEDURES if getattr(demonstrations, name) is not None]
    raise ValueError(
        f"the demonstrations name only {' and '.join(named)}, and nothing for tasks like this one of {task.domain!r}: "
        f"{task.question[:80]!r}; name a procedure for it as well, or take its source out of the recipe, or of the stage's mixture"
    )


def program_demonstration(task: Task, habits: Habits, seed: int) -> list[dict]:
    """A chat in which the pupil writes a program: at once, or step by step, one expression a line.

    Raises:
        ValueError: the task is not of a source of kind programs.
    """
    if not task.metadata.keys() >= {"kind", "steps", "max_number"}:
        raise ValueError(f"program demonstrations are for sources of kind programs, not for: {task.question[:80]!r}")
    rng = random.Random(key("demonstration", seed, task.id))
    if rng.random() < habits.guess:
        # Whoever guesses does not think of brackets, or half of the times.
        lines, thinking = _expressions(task, habits.slip, 0.5, rng), "easy"
    else:
        lines = _expressions(task, habits.slip, habits.slip, rng)
        thinking = "\n".join(lines)
        if rng.random() < habits.check:
            lines = _expressions(task, habits.slip / 4, habits.slip / 4, rng)
            thinking += "\ncheck\n" + "\n".join(lines)
    argument = ARGUMENTS[task.metadata["kind"]]
    content = f"```python\n{write_program(argument, lines[-1])}\n```"
    return [*task.messages, {"role": "assistant", "reasoning_content": thinking, "content": content}]


def _expressions(task: Task, slip: float, forget: float, rng: random.Random) -> list[str]:
    """The expression after each step. `slip` is the chance that a step is misread, `forget` that brackets are missing."""
    expression, holds, lines = ARGUMENTS[task.metadata["kind"]], ATOM, []
    for name, number in task.metadata["steps"]:
        step = (name, number) if rng.random() >= slip else _misread(name, task.metadata["max_number"], rng)
        expression, holds = extend(expression, holds, step, brackets=rng.random() >= forget)
        lines.append(expression)
    return lines


def _misread(name: str, max_number: int, rng: random.Random) -> Step:
    """Another number, or another operation, with equal chances; by chance it may be the right one after all."""
    operation = OPERATIONS[name]
    if operation.most and rng.random() < 0.5:
        return name, random_number(operation, max_number, rng)
    return random_step(operation.kind, max_number, rng)


def column_demonstration(task: Task, habits: Habits, seed: int) -> list[dict]:
    """A chat in which the pupil answers a two-term sum.

    Raises:
        ValueError: the task is no sum or difference of two terms (reasoning-gym: chain_sum, basic_arithmetic).
    """
    question = task.messages[-1]["content"]
    match = _SUM.search(question)
    if match is None:
        raise ValueError(
            f"column demonstrations are for sums or differences of two terms (chain_sum, basic_arithmetic), not for: {question[:80]!r}"
        )
    a, operator, b = int(match[1]), match[2], int(match[3])
    rng = random.Random(key("demonstration", seed, task.id))
    if rng.random() < habits.guess:
        thinking = "easy"
        answer = _slip_digits(str(a + b if operator == "+" else a - b), habits.slip, rng)
    else:
        swap = operator == "-" and a < b
        top, bottom = (b, a) if swap else (a, b)
        passes = 2 if rng.random() < habits.check else 1
        lines = ["swap"] if swap else []
        for turn in range(passes):
            # Whoever goes over it again looks closer.
            working, digits = _columns(top, bottom, operator, habits.slip if turn == 0 else habits.slip / 4, rng)
            lines += (["check"] if turn else []) + working
        thinking = "\n".join(lines)
        answer = ("-" if swap else "") + (digits.lstrip("0") or "0")
    content = f"\\boxed{{{answer}}}"
    return [*task.messages, {"role": "assistant", "reasoning_content": thinking, "content": content}]


def _columns(top: int, bottom: int, operator: str, slip: float, rng: random.Random) -> tuple[list[str], str]:
    """One line a column from the right, such as `7+8+1=16` or `3-5-0=18` (8, and one borrowed); and the digits.

    Every line has the same length, which makes it easy for a small model to find its place.
    """
    width = max(len(str(top)), len(str(bottom)))
    lines, digits, carry = [], "", 0
    for x, y in zip(reversed(str(top).zfill(width)), reversed(str(bottom).zfill(width)), strict=True):
        value = int(x) + int(y) + carry if operator == "+" else int(x) - int(y) - carry
        left = f"{x}{operator}{y}{operator}{carry}"
        digit, carry = value % 10, int(not 0 <= value <= 9)
        if rng.random() < slip:
            digit = (digit + rng.randint(1, 9)) % 10
        lines.append(f"{left}={carry}{digit}")
        digits = str(digit) + digits
    return lines, ("1" if operator == "+" and carry else "") + digits


def _slip_digits(number: str, slip: float, rng: random.Random) -> str:
    return "".join(str(rng.randrange(10)) if c.isdigit() and rng.random() < slip else c for c in number)


def call_demonstration(task: Task, habits: Habits, seed: int) -> list[dict]:
    """A chat in which the pupil calls the calculator, or guesses. A slip is a call that is no arithmetic, which the calculator
    says and the pupil mends with the chance of `check`, or one with a wrong number.

    Raises:
        ValueError: the task has no calculator, or is no arithmetic of reasoning-gym's basic_arithmetic.
    """
    match = _EXPRESSION.search(task.question)
    if match is None or "calculator" not in task.metadata.get(TOOLS, ()):
        raise ValueError(
            "call demonstrations are for basic_arithmetic in a source with tools: [calculator], not for: "
            f"{task.question[:80]!r}"
        )
    expression, rng = match[1], random.Random(key("demonstration", seed, task.id))
    if rng.random() < habits.guess:
        digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, len(expression) - 3)))
        return [*task.messages, _said("easy", f"\\boxed{{{digits.lstrip('0') or '0'}}}")]
    chat, answer = list(task.messages), ""
    asked = _slipped(expression, rng) if rng.random() < habits.slip else expression
    while True:
        call, result = _called(asked, len(chat))
        chat += [_said("ask", "") | {"tool_calls": [call]}, result]
        answer = result["content"]
        if answer.removeprefix("-").isdigit():
            return [*chat, _said("read", f"\\boxed{{{answer}}}")]
        if asked == expression or rng.random() >= habits.check:
            return [*chat, _said("easy", f"\\boxed{{{rng.randint(0, 99)}}}")]
        asked = expression


def _slipped(expression: str, rng: random.Random) -> str:
    """One character is lost: most often it is no arithmetic then, or not the one that was asked for."""
    lost = rng.randrange(len(expression))
    return expression[:lost] + expression[lost + 1 :]


def _called(expression: str, number: int) -> tuple[dict, dict]:
    """The call, and what the calculator answers to it."""
    name = {"id": f"call_{number:05d}", "type": "function"}
    try:
        answer = calculator(expression)
    except ToolError as error:
        answer = f"Error: {error}"
    call = name | {"function": {"name": "calculator", "arguments": {"expression": expression}}}
    return call, {"role": "tool", "tool_call_id": name["id"], "name": "calculator", "content": answer}


def _said(thinking: str, content: str) -> dict:
    return {"role": "assistant", "reasoning_content": thinking, "content": content}


PROCEDURES: dict[str, Callable[[Task, Habits, int], list[dict]]] = {
    "columns": column_demonstration,
    "programs": program_demonstration,
    "calls": call_demonstration,
}
