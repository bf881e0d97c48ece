"""A helping process: `python -m ponder.engine.process PIPE PARENT THREAD_STAYS`, started by ponder.engine.processes.

What it is to serve comes over the pipe. Reading that imports what takes seconds, and so comes last.
"""

import multiprocessing
import multiprocessing.connection
import sys
import traceback

from ponder.engine.orphans import end_with_parent


def main(pipe: int, parent: int, thread_stays: bool) -> None:
    end_with_parent(parent, pipe, thread_stays)
    connection = multiprocessing.connection.Connection(pipe)
    try:
        multiprocessing.current_process().authkey = connection.recv()
        serve, arguments = connection.recv()
        import torch

        torch.set_num_threads(1)
        serve(connection, *arguments)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent has closed the pipe
    except Exception:
        connection.send(("error", traceback.format_exc()))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1")
