"""Answers on the wire, whole and as events, by API."""
