"""A checkpoint goes out: what of it, what is stated beside it, and what is checked before."""
