"""The choice verifier: which letter a response settles on."""
