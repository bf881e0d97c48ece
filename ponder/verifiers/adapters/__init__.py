"""Ponder's verifiers in other trainers: TRL, verl and PrimeIntellect's verifiers. docs/verifiers_elsewhere.md tells how.

Each module is imported by its full name; none imports the trainer it is for.
"""
