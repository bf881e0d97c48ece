"""The process's heap: memory that tensors on a CPU come from and go back to."""

import ctypes

MUCH = 2**28  # bytes


class _Heap(ctypes.Structure):
    """What glibc tells of it (`mallinfo2`, from 2.33 on); fordblks: bytes that are free in it."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


def unused_bytes() -> int | None:
    """What the C library keeps, between blocks that are in use and behind them; None where it cannot tell."""
    told = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if told is None:
        return None
    told.restype = _Heap
    return told().fordblks


def give_back_unused() -> None:
    """What was used and let go of returns to the system, where the C library (glibc) can do that."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def give_back_much() -> None:
    """As `give_back_unused`, where it is much. Left to itself the C library keeps what lies between blocks in use: with tensors of
    ever other sizes, as in learning, that becomes several times what is needed."""
    if (unused_bytes() or 0) > MUCH:
        give_back_unused()
