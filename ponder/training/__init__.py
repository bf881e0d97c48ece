"""Cold start, reinforcement learning, and the stages that a recipe strings together."""
