"""Scores by reasoning-gym's own scorers. Runs in worker processes only: scorers may hang, and some evaluate answers."""

import ast
import json
import math
import re
import sys
from functools import lru_cache

from reasoning_gym.factory import create_dataset

from ponder.tasks.gym import from_json_value

# Scorers that call eval() on the answer (reasoning-gym 0.1.25): given literals only.
EVALUATE_LITERALS = ("binary_matrix", "n_queens", "spiral_matrix", "string_insertion")
# Scorers that hand the answer to sympy's parse_expr, which is eval() too: given plain formulas only.
EVALUATE_FORMULAS = (
    "countdown",
    "intermediate_integration",
    "polynomial_multiplication",
    "puzzle24",
    "simple_integration",
)
FORMULA = re.compile(r"(?!.*(?:__|\.\s*[A-Za-z_]))[-+*/^(),.|\s\w]*", re.ASCII | re.DOTALL)
FUNCTIONS = {"sin", "cos", "tan", "sec", "csc", "cot", "asin", "acos", "atan", "sinh", "cosh", "tanh"}
FUNCTIONS |= {"exp", "log", "ln", "sqrt", "Abs", "pi"}
NOT_A_NUMBER = re.compile(r"\bnanj?\b", re.IGNORECASE)


def score(job: dict) -> dict:
    """Result for {"family", "settings", "entry", "answer"}; the entry is as ponder.tasks.gym wrote it."""
    answer, family = job["answer"], job["family"]
    entry = from_json_value(job["entry"])
    scorer = _scorer(family, json.dumps(job["settings"], sort_keys=True))
    if refusal := _refusal(family, answer, entry):
        return {"status": "unparseable", "score": 0.0, "reason": refusal}
    try:
        value = float(scorer(answer, entry))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Some scorers raise on an answer they cannot read. That is the answer's fault only if the scorer works.
        if entry["answer"] is None or float(scorer(entry["answer"], entry)) != 1.0:
            raise
        return {
            "status": "unparseable",
            "score": 0.0,
            "reason": f"the scorer of {family} cannot read the answer: {type(error).__name__}: {error}",
        }
    if not 0.0 <= value <= 1.0 or math.isnan(value):
        return {"status": "error", "score": None, "reason": f"the scorer of {family} says {value}"}
    status = "correct" if value == 1.0 else "wrong"
    return {"status": status, "score": value, "reason": f"{value:g} by the scorer of {family}"}


@lru_cache(maxsize=256)
def _scorer(family: str, settings: str):
    """The scoring method of a family under its settings (JSON)."""
    dataset = create_dataset(family, **json.loads(settings), seed=0, size=1)
    if family in EVALUATE_LITERALS:
        sys.modules[type(dataset).__module__].eval = ast.literal_eval
    return dataset.score_answer


def _refusal(family: str, answer: str, entry: dict) -> str | None:
    """Why the scorer must not see this answer, if it must not."""
    if NOT_A_NUMBER.search(answer) and not NOT_A_NUMBER.search(str(entry["answer"])):
        return "the answer is not a number"  # comparisons with nan can come out as a full score
    if family in EVALUATE_FORMULAS:
        names = set(re.findall(r"[A-Za-z_]\w*", answer))
        if not FORMULA.fullmatch(answer) or any(len(name) > 1 and name not in FUNCTIONS for name in names):
            return "the answer is not a plain formula"
    return None
