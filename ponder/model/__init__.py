"""The one decoder, its config and its weights."""
