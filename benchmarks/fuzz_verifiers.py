"""A million short hostile inputs: no crash, no hang, and no `correct` where the answer is not in the input.

    python benchmarks/fuzz_verifiers.py [--inputs N] [--seed S]

Inputs are text, a grammar of LaTeX, and token soup. The references are values that the generators cannot write, so
every `correct` is a fault. Prints each fault, then a table. Exit code 1 where there was one.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable

from headline import headline

from ponder.verifiers import Response, Verdict, Verification
from ponder.verifiers.api import task_of
from ponder.verifiers.audit.measure import HANG_S
from ponder.verifiers.files.rows import shown

TOOL = {"name": "area", "parameters": {"type": "dict", "properties": {"r": {"type": "integer"}}, "required": ["r"]}}
# No 7, no \\pi, no letter Z: nothing made of these has the value of a reference below.
SOUP = (
    *[
        r"\boxed{",
        r"}",
        r"{",
        r"\frac",
        r"\dfrac",
        r"\sqrt",
        r"^",
        r"_",
        r"(",
        r")",
        r"[",
        r"]",
        r"\left(",
        r"\right]",
        r",",
        r";",
        r".",
        r"+",
        r"-",
        r"*",
        r"/",
        r"=",
        r"<",
        r">",
        r"\le",
        r"\ne",
        r"\pm",
        r"\cup",
        r"\in",
        r"\{",
        r"\}",
    ],
    *[
        r"\begin{pmatrix}",
        r"\end{pmatrix}",
        r"&",
        r"\\",
        r"\text{",
        r"\mathrm{",
        r"\infty",
        r"\circ",
        r"\%",
        r"$",
        r"$$",
        r"\(",
        r"\)",
        r"\[",
        r"\]",
        r"!",
        r"|",
        r"\|",
        r"\binom",
        r"\log",
        r"\sin",
    ],
    *("0", "1", "2", "10", "0.5", ".", "1,000", "x", "y", "i", "e", "and", "or", "the answer is", "answer:", "####"),
    *("<think>", "</think>", "<tool_call>", "</tool_call>", '{"name": "area", "arguments": {', '"r": 2', "}}", "```"),
    *(
        '"answer":',
        '"A"',
        "'B'",
        "(C)",
        "Option D",
        "答案",
        "选",
        "，",
        "（",
        "\x00",
        "\ud800",
        "\u200b",
        "\u202e",
        "\u0301",
    ),
)
LETTERS = "abcdxy 0123456.,-+*/^_(){}[]<>|$\\%&#!?\"'\n"


def soup(draw: random.Random) -> str:
    return draw.choice((" ", "")).join(draw.choices(SOUP, k=draw.randint(1, 25)))


def text(draw: random.Random) -> str:
    return "".join(draw.choices(LETTERS, k=draw.randint(0, 60)))


def latex(draw: random.Random, depth: int = 0) -> str:
    """A well-formed expression, mostly; in a box at the top."""
    if depth == 0:
        return f"so it is $\\boxed{{{latex(draw, 1)}}}$"
    if depth > 4 or draw.random() < 0.25:
        return draw.choice(("0", "1", "2", "13", "0.25", "x", "y", "e", "i", "\\infty", "10^{400}"))
    a, b = latex(draw, depth + 1), latex(draw, depth + 1)
    forms = (f"{a}+{b}", f"{a}-{b}", f"{a}{b}", f"\\frac{{{a}}}{{{b}}}", f"\\sqrt{{{a}}}", f"\\sqrt[{a}]{{{b}}}")
    forms += (
        f"({a})^{{{b}}}",
        f"({a},{b})",
        f"[{a},{b})",
        f"\\{{{a},{b}\\}}",
        f"|{a}|",
        f"{a}!",
        f"{a}={b}",
        f"{a}<{b}",
    )
    forms += (f"\\log_{{{a}}} {b}", f"\\sin({a})", f"{a}\\pm {b}", f"\\binom{{{a}}}{{{b}}}", f"{a}\\cup {b}")
    return draw.choice(forms)


REFERENCES: dict[str, tuple] = {
    "math": ("\\frac{7\\pi}{977}", "Z^{77}", "(77777.7, 7)", "\\{7\\pi, 77\\pi\\}", "77\\text{ Zebras}"),
    "choice": ("Z",),
    "function_calls": ([{"area": {"r": [77]}}],),
    "instructions": (
        {"instruction_id_list": ["keywords:existence"], "kwargs": [{"keywords": ["zebra"]}]},
        {"instruction_id_list": ["detectable_format:title"], "kwargs": [{}]},
    ),
}
MAKERS: tuple[Callable[[random.Random], str], ...] = (text, latex, soup)


def faulty(verifier: str, response: str, verdict: Verdict, seconds: float) -> str | None:
    """What is wrong with a verdict, if anything is."""
    if seconds > HANG_S or verdict.status == "timeout":
        return f"hang of {seconds:.1f} s"
    if verdict.status == "error":
        return f"error: {verdict.reason}"
    if verdict.status == "correct" and not (verifier == "instructions" and "<<" in response):
        return f"correct: {verdict.parsed!r}"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(headline())
    draw, faults = random.Random(arguments.seed), 0
    counts: Counter = Counter()
    slowest, started = 0.0, time.perf_counter()
    with Verification() as verification:
        for number in range(arguments.inputs):
            verifier = draw.choices(tuple(REFERENCES), weights=(7, 1, 1, 1))[0]
            response = draw.choice(MAKERS)(draw)
            tools = (TOOL,) if verifier == "function_calls" else ()
            task = task_of(verifier, draw.choice(REFERENCES[verifier]), tools)
            began = time.perf_counter()
            verdict = verification.submit(task, Response("", response, True, False)).result()
            seconds = time.perf_counter() - began
            slowest = max(slowest, seconds)
            counts[verifier, verdict.status] += 1
            if fault := faulty(verifier, response, verdict, seconds):
                faults += 1
                print(f"{number} {verifier} {task.reference}: {shown(response, 200)!r}: {fault}")
            if number % 50_000 == 49_999:
                rate = (number + 1) / (time.perf_counter() - started)
                left = (arguments.inputs - number - 1) / rate
                print(f"{number + 1:,} inputs, {faults} faults, {rate:,.0f}/s, {left:.0f} s left", file=sys.stderr)
    seconds = time.perf_counter() - started
    for (verifier, status), count in sorted(counts.items()):
        print(f"  {verifier:16} {status:12} {count:10,}")
    print(f"{arguments.inputs:,} inputs, {faults} faults, slowest {1000 * slowest:.0f} ms, {seconds:.0f} s in all")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
