"""The reasoning_gym verifier: the scorers of reasoning-gym's own families."""
