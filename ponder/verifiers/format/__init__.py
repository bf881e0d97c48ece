"""Gates: whether a response has the right form."""
