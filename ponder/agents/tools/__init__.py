"""What a model may call: Python functions, a calculator, the sandbox's Python, search over a folder, tools of MCP servers."""
