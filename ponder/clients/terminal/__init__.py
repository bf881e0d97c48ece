"""`ponder chat`: a conversation in the terminal, with a model of this machine or behind any OpenAI-compatible server.

It is a client like others: a model of this machine is served in this process, on a loopback port.
"""
