"""The length gate: whether a response keeps within bounds, whatever it answers. To be put before a verifier."""

from ponder.verifiers.length.verifier import decide
from ponder.verifiers.verifier import Verifier

VERIFIER = Verifier(decide, row_reference=lambda row: None, structured=True)
