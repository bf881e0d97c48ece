"""Verdicts on the rows of a file: `ponder verify FILE`."""
