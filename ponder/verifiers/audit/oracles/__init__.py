"""Second implementations, to compare verdicts with. None of them is needed to judge; each says if it is installed."""
