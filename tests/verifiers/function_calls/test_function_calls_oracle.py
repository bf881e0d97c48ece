"""Our function-call verifier against BFCL's own AST checker, on calls changed at random."""

import json
import random
from importlib.resources import files

import pytest

from ponder.chat.call_forms import read_calls
from ponder.tasks import Task
from ponder.verifiers.audit.oracles import bfcl
from ponder.verifiers.function_calls.verifier import decide, reference_text
from ponder.verifiers.response import Response

pytestmark = pytest.mark.skipif(bfcl.available() is not None, reason=str(bfcl.available()))

CORPUS_FILE = files("ponder.verifiers.audit") / "corpus" / "function_calls.jsonl"
SCALARS = [
    0,
    1,
    -1,
    2.0,
    2.5,
    True,
    False,
    None,
    "",
    "x",
    "1",
    "hall",
    [],
    {},
    ["red"],
    [1.0],
    {"plant": "kale"},
    (2, 2),
]


def rows_in_bfcl_form() -> list[dict]:
    """The distinct tasks of our corpus whose tools are in BFCL's form, as the checker needs them."""
    rows = [json.loads(line) for line in CORPUS_FILE.open(encoding="utf-8")]
    tasks = {json.dumps([row["tools"], row["reference"]]): row for row in rows if row["reference"]}
    return [row for row in tasks.values() if all("function" not in tool for tool in row["tools"])]


def changed_value(value, rng: random.Random):
    if rng.random() < 0.2:
        return rng.choice(SCALARS)
    if isinstance(value, str):
        return rng.choice([value.upper(), value + ".", value + "!", value.replace(" ", "-"), value[1:], [value]])
    if isinstance(value, bool):
        return rng.choice([not value, int(value), str(value)])
    if isinstance(value, int | float):
        return rng.choice([value + 1, float(value), int(value), str(value), -value, [value]])
    if isinstance(value, dict) and value:
        key = rng.choice(sorted(value))
        rest = {k: v for k, v in value.items() if k != key}
        return rest if rng.random() < 0.3 else rest | {key: changed_value(value[key], rng)}
    if isinstance(value, list) and value:
        index = rng.randrange(len(value))
        item = changed_value(value[index], rng)
        return rng.choice([value[::-1], value[1:], value + value[:1], [*value[:index], item, *value[index + 1 :]]])
    return rng.choice(SCALARS)


def changed_calls(calls: list[dict], names: list[str], rng: random.Random) -> list[dict]:
    calls = json.loads(json.dumps(calls))
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        if not calls:
            break
        call = rng.choice(calls)
        arguments = call["arguments"]
        name = rng.choice([*sorted(arguments), "other"])
        match rng.choice(
            ["shuffle", "drop", "repeat", "rename", "leave out", "add", "value", "value", "value", "value"]
        ):
            case "shuffle":
                rng.shuffle(calls)
            case "drop":
                calls.remove(call)
            case "repeat":
                calls.append(json.loads(json.dumps(call)))
            case "rename":
                call["name"] = rng.choice([call["name"].upper(), call["name"].replace("_", "."), rng.choice(names)])
            case "leave out":
                arguments.pop(name, None)
            case "add":
                arguments[name] = rng.choice(SCALARS)
            case "value" if name in arguments:
                arguments[name] = changed_value(arguments[name], rng)
    return calls


def test_verdicts_equal_the_official_checkers():
    rng = random.Random(2024)
    rows = rows_in_bfcl_form()
    counts = {True: 0, False: 0}
    for _ in range(6_000):
        row = rng.choice(rows)
        task = Task(
            ({"role": "user", "content": "?"},), "test", "function_calls", row["reference"], tools=tuple(row["tools"])
        )
        right = [{"name": c.name, "arguments": c.arguments} for c in read_calls(reference_text(task), {})]
        calls = changed_calls(right, [tool["name"] for tool in row["tools"]], rng)
        category = "parallel_multiple" if len(row["reference"]) > 1 else "multiple"
        try:
            official = bfcl.check(calls, row["tools"], row["reference"], category)
        except (AttributeError, TypeError, KeyError):  # it meets something else where it expects a dict
            official = False
        ours = decide(task, Response("", "", True, False, tuple(calls)))
        assert (ours.status == "correct") is official, (row["id"], calls, ours.reason)
        counts[official] += 1
    assert min(counts.values()) > 1_000, counts


def test_the_stand_in_is_gone_after_the_import():
    import sys

    bfcl.check([], [], [], "parallel")
    assert bfcl.TABLE not in sys.modules
