"""How much of a server is read."""

MOST_BYTES = 16 * 2**20  # of a message
MOST_TOOLS = 1_000
MOST_PAGES = 100  # of a list of tools
MOST_DESCRIPTION = 4_000  # characters; of a longer one the rest is cut
MOST_SCHEMA = 65_536  # characters of JSON
TOO_LONG = 1  # code of an error, from the range that is free for applications


def told_too_long() -> str:
    return f"its answer has more than {MOST_BYTES // 2**20} MiB, which is more than is read"
