"""Stages: the runner (`runner.py`), what it asks of them (`kind.py`), and one file for each kind."""
