"""What a recipe may say, and how its YAML is read; imports no torch."""
