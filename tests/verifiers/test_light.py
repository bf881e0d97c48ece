"""Verifiers and sandbox serve other trainers: importing and calling them brings no framework along."""

import json
import os
import subprocess
import sys

HEAVY = (
    "torch",
    "matplotlib",
    "gradio",
    "transformers",
    "tensorboard",
    "pandas",
    "pyarrow",
    "datasets",
    "reasoning_gym",
)
SCRIPT = f"""
import json, sys
import ponder.sandbox.client
import ponder.verifiers
from ponder.verifiers import *
from ponder.verifiers.adapters import trl, verifiers, verl
from ponder.verifiers.files import verify_file
from ponder.verifiers.python import worker

tool = {{"name": "area", "parameters": {{"type": "object", "properties": {{"radius": {{"type": "number"}}}}}}}}
verdicts = [
    verify_math("so \\\\boxed{{0.5}}", "\\\\frac{{1}}{{2}}"),
    verify_choice('"answer": "C"', "C"),
    verify_instructions("all in lower case", ["change_case:english_lowercase"], [{{}}]),
    verify_function_calls([{{"name": "area", "arguments": {{"radius": 2}}}}], [tool], [{{"area": {{"radius": [2]}}}}]),
    verify_code("no program", [{{"function": "f", "args": [3], "expected": 6}}]),
    *verify_batch("math", ["\\\\boxed{{1}}"], ["1"]),
    trl.reward_function("math")(["?"], ["\\\\boxed{{4}}"], answer=["4"])[0],
]
statuses = [verdict if isinstance(verdict, float) else verdict.status for verdict in verdicts]
print(json.dumps([statuses, [name for name in {HEAVY!r} if name in sys.modules]]))
"""


def test_importing_and_calling_them_loads_no_framework():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    statuses, heavy = json.loads(done.stdout)
    assert statuses == ["correct"] * 4 + ["unparseable", "correct", 1.0]
    assert heavy == []
