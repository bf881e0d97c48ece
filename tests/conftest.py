import os

# One thread makes small matrix products faster and float32 results repeatable; it must be set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
