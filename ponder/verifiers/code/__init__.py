"""The code verifier: the program of a response, against tests, in a sandbox."""
