"""The math verifier: whether the answer that a response states equals a reference."""

from ponder.verifiers.math.extract import extract_answer
from ponder.verifiers.math.reference import reference_text
from ponder.verifiers.math.verifier import compare, decide, unreadable

__all__ = ["compare", "decide", "extract_answer", "reference_text", "unreadable"]
