"""Calling a function as if nothing had called it: programs that look down their stack see their own frames only.

How deep a program may recurse, `traceback.print_stack`, `inspect.stack`, pdb and faulthandler all depend on what lies
below it. A call that never returns needs nothing of what lies there; so it gets a new thread state in the same thread,
and the one frame left, the function's own, is passed over, since its code has no RESUME instruction. That is how
CPython 3.11 works inside; under other versions the frames stay, which does no harm.
"""

import ctypes
import itertools
import opcode
import sys
from collections.abc import Callable

KEYS = 1024  # PTHREAD_KEYS_MAX
STATE_BYTES = 96  # of a thread state that are looked through for the recursion limit


_python, _libc = ctypes.pythonapi, ctypes.CDLL(None)
for _name in ("PyThreadState_New", "PyThreadState_Swap", "PyThreadState_Get", "PyInterpreterState_Get"):
    getattr(_python, _name).restype = ctypes.c_void_p
_libc.pthread_getspecific.restype = ctypes.c_void_p
# Under which key a thread keeps its state, for code that is called back from C.
_KEY = next((key for key in range(KEYS) if _libc.pthread_getspecific(key) == _python.PyThreadState_Get()), None)


def call(function: Callable[[], None]) -> None:
    """Calls a function that ends the process."""
    if sys.version_info[:2] == (3, 11) and _KEY is not None:
        _leave_frames_behind()
        function.__code__ = _without_resume(function.__code__)
    # From C: the loop that runs this frame goes by the thread state that it began with.
    next(itertools.starmap(function, [()]))


def _leave_frames_behind() -> None:
    new = _python.PyThreadState_New(ctypes.c_void_p(_python.PyInterpreterState_Get()))
    _allow_more_calls(new, 3)  # the function's frame, the call of it from C, and its call of what it runs
    _libc.pthread_setspecific(_KEY, ctypes.c_void_p(new))
    _python.PyThreadState_Swap(ctypes.c_void_p(new))


def _allow_more_calls(state: int, count: int) -> None:
    """Raises what is left of the recursion limit in a new thread state, where it stands beside the limit itself."""
    words = (ctypes.c_int * (STATE_BYTES // 4)).from_address(state)
    limit = sys.getrecursionlimit()
    for left, whole in itertools.pairwise(range(len(words))):
        if words[left] == words[whole] == limit:
            words[left] += count
            return


def _without_resume(code):
    resume, nop = opcode.opmap["RESUME"], opcode.opmap["NOP"]
    instructions = bytearray(code.co_code)
    for place in range(0, len(instructions), 2):
        if instructions[place] == resume:
            instructions[place] = nop
    return code.replace(co_code=bytes(instructions))
