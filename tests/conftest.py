import os

from hypothesis import settings

# One thread makes small matrix products faster and float32 results repeatable; it must be set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long one example takes is the machine's affair, and speed has its place in benchmarks/.
settings.register_profile("ponder", deadline=None)
settings.load_profile("ponder")
