"""The audit: each verifier against its labelled corpus, and against a second implementation."""
