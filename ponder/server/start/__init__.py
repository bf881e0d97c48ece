"""From a checkpoint on disk to a server that listens, and its orderly end."""
