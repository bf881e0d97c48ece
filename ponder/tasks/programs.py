"""Procedural programming tasks for small models: "Write f(x): add 3, multiply by 7.", judged by calls of f.

Synthetic through and through: a chain of a few small steps, to be written as one Python expression. The one thing to
think about is which brackets it needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

from ponder.tasks.mixture import keyed_number
from ponder.tasks.prompts import ask, check_prompt
from ponder.tasks.task import LazyTasks, Task

Kind = Literal["numbers", "text"]
Step = tuple[str, int]  # (operation, its number); an operation without a number has 0
SUM, PRODUCT, ATOM = range(3)  # how tightly an expression holds together


@dataclass(frozen=True)
class Operation:
    """`form` makes the expression from that of the step before, which must hold together as tightly as `needs`."""

    kind: Kind
    words: str
    form: str
    needs: int
    gives: int
    least: int = 1  # the smallest number; 0: it takes none
    most: int = 9


OPERATIONS = {
    "add": Operation("numbers", "add {n}", "{e}+{n}", SUM, SUM, most=99),
    "subtract": Operation("numbers", "subtract {n}", "{e}-{n}", SUM, SUM, most=99),
    "take_from": Operation("numbers", "take from {n}", "{n}-{e}", PRODUCT, SUM, most=99),
    "multiply": Operation("numbers", "times {n}", "{e}*{n}", PRODUCT, PRODUCT, least=2),
    "remainder": Operation("numbers", "mod {n}", "{e}%{n}", PRODUCT, PRODUCT, least=2),
    "drop": Operation("text", "drop {n}", "{e}[{n}:]", ATOM, ATOM, most=20),
    "keep": Operation("text", "keep {n}", "{e}[:{n}]", ATOM, ATOM, most=20),
    "repeat": Operation("text", "repeat {n}", "{e}*{n}", PRODUCT, PRODUCT, least=2),
    "reverse": Operation("text", "reverse", "{e}[::-1]", ATOM, ATOM, least=0, most=0),
}
ARGUMENTS: dict[Kind, str] = {"numbers": "x", "text": "s"}
INPUTS: dict[Kind, tuple] = {
    "numbers": (0, 1, 2, 7, 10, -5, 38, 1000),
    "text": ("", "z", "ponder", "Hello, world", "abcdefghijklmnopqrstuvwxyz"),
}


def program_tasks(
    kinds: Sequence[Kind] = ("numbers", "text"),
    min_steps: int = 2,
    max_steps: int = 3,
    max_number: int = 99,
    size: int = 1_000_000,
    seed: int = 0,
    domain: str = "code",
    prompt: str = "plain",
) -> LazyTasks:
    """`size` tasks; the i-th is made when looked at and depends on the arguments and i only.

    Numbers in a chain are at most `max_number` (and less where a step makes no sense of more). metadata["steps"] holds
    the chain, metadata["solution"] its program. ValueError for arguments that cannot be.
    """
    check_prompt(prompt)
    if not kinds or (unknown := set(kinds) - set(get_args(Kind))):
        raise ValueError(f"kinds of programs: {sorted(unknown) if kinds else 'none'}; there are {', '.join(INPUTS)}")
    if not 1 <= min_steps <= max_steps:
        raise ValueError(f"programs of {min_steps} to {max_steps} steps: at least 1, and no more than max_steps")
    if max_number < 2:
        raise ValueError(f"programs with numbers up to {max_number}: it must be at least 2")
    if size < 1:
        raise ValueError(f"size of the programs' source is {size}: it must be at least 1")
    kinds = tuple(kinds)

    def make(index: int) -> Task:
        rng = Random(keyed_number(("programs", kinds, min_steps, max_steps, max_number, seed, index), 1 << 64))
        kind = rng.choice(kinds)
        steps = [random_step(kind, max_number, rng) for _ in range(rng.randint(min_steps, max_steps))]
        return _task(kind, steps, max_number, domain, prompt)

    return LazyTasks(size, make, "programs")


def random_step(kind: Kind, max_number: int, rng: Random) -> Step:
    name = rng.choice([name for name, operation in OPERATIONS.items() if operation.kind == kind])
    return name, random_number(OPERATIONS[name], max_number, rng)


def random_number(operation: Operation, max_number: int, rng: Random) -> int:
    """One digit as often as more, where there may be more."""
    most = min(operation.most, max_number)
    return rng.randint(operation.least, 9 if most > 9 and rng.random() < 0.5 else most)


def extend(expression: str, holds: int, step: Step, brackets: bool = True) -> tuple[str, int]:
    """The expression with one more step, and how tightly it holds; without `brackets`, they are forgotten.

    >>> extend("x+3", SUM, ("multiply", 7))
    ('(x+3)*7', 1)
    """
    operation = OPERATIONS[step[0]]
    if brackets and holds < operation.needs:
        expression = f"({expression})"
    return operation.form.format(e=expression, n=step[1]), operation.gives


def write_program(argument: str, expression: str) -> str:
    return f"def f({argument}):\n return {expression}"


def _task(kind: Kind, steps: list[Step], max_number: int, domain: str, prompt: str) -> Task:
    argument = ARGUMENTS[kind]
    expression, holds = argument, ATOM
    for step in steps:
        expression, holds = extend(expression, holds, step)
    asked = ", ".join(OPERATIONS[name].words.format(n=n) for name, n in steps)
    tests = [{"function": "f", "args": [value], "expected": _run(steps, value)} for value in INPUTS[kind]]
    return Task(
        messages=({"role": "user", "content": ask(f"Write f({argument}): {asked}.", prompt)},),
        domain=domain,
        verifier="code",
        reference={"tests": tests},
        source="programs",
        metadata={
            "solution": write_program(argument, expression),
            "kind": kind,
            "max_number": max_number,
            "steps": [list(step) for step in steps],
        },
    )


def _run(steps: list[Step], value):
    """What the chain makes of a value: by its meaning, without the expression, so that the tests vouch for that."""
    for name, n in steps:
        match name:
            case "add":
                value = value + n
            case "subtract":
                value = value - n
            case "take_from":
                value = n - value
            case "multiply" | "repeat":
                value = value * n
            case "remainder":
                value = value % n
            case "drop":
                value = value[n:]
            case "keep":
                value = value[:n]
            case "reverse":
                value = value[::-1]
    return value
