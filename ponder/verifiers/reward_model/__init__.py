"""The reward_model verifier: a reward model says how good a response is, in comparison with others to the same prompt."""
