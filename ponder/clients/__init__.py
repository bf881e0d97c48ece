"""People and scripts at the API: the chat page, the terminal, answers for scripts."""
