"""Tools of MCP servers: programs that this machine starts, and servers behind HTTP."""
