"""What a model does on its own: turns, tools and environments."""
