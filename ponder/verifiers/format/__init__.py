"""The format gate: whether a response has the right form, whatever it answers. To be put before a verifier."""

from ponder.verifiers.format.verifier import decide
from ponder.verifiers.verifier import Verifier

VERIFIER = Verifier(decide, row_reference=lambda row: None, structured=True)
