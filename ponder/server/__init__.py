"""Models in front of people and programs."""
