"""What a model may call: Python functions, a calculator, the sandbox's Python."""
