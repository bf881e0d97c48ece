"""The function-call verifier: the calls that a response makes, by the rules of BFCL."""
