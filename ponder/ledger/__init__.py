"""What the policy saw and said, as token ids: the only truth of an episode (law 2). Imports no torch."""

from ponder.ledger.ledger import Ledger, Span, SpanKind
from ponder.ledger.stop import StopReason

__all__ = ["Ledger", "Span", "SpanKind", "StopReason"]
