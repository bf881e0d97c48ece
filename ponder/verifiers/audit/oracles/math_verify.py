"""math-verify as it is commonly called: the whole text, the reference in dollars. Runs in worker processes: it may hang."""

import logging

from math_verify import parse, verify

logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that the time limits are off, as intended


def compare(job: dict) -> dict:
    """Result for {"reference", "text"}. Its time limits are alarm signals; here the worker's death is the limit."""
    reference = parse(f"${job['reference']}$", parsing_timeout=None)
    equal = verify(reference, parse(job["text"], parsing_timeout=None), timeout_seconds=None)
    return {"status": "correct" if equal else "wrong", "score": float(equal), "reason": "math-verify"}
