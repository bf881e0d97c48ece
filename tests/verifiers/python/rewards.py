"""Functions as users write them, and as they should not."""

import os
import subprocess
import sys
import threading
import time


def score(response, reference):
    return response == reference


def part(response, reference, task):
    wanted = task["row"].get("words", [reference])
    return {"score": sum(word in response for word in wanted) / len(wanted), "reason": "words", "parsed": response}


def everything(**given):
    return {"status": "error", "reason": repr({name: given[name] for name in sorted(given)})}


def optional(reference, *, thinking="", tokens=0, other=7):
    return {"status": "error", "reason": repr((reference, thinking, tokens, other))}


def evaluate(response, task):
    return eval(task["question"])


def raises(response):
    return helper(response)


def helper(response):
    raise KeyError(response)


class UntellableError(Exception):
    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


def ends(response):
    match response:
        case "exit":
            sys.exit("enough")
        case "interrupt":
            raise KeyboardInterrupt
        case "untellable":
            raise UntellableError
        case "deep":
            return ends("deep")
        case "die":
            os._exit(3)
        case "crash":
            import ctypes

            ctypes.string_at(0)
    return 1.0


def hangs(response):
    if response == "busy":
        while True:
            pass
    if response == "floods":
        subprocess.Popen(["yes"])  # prints for ever, while this process does nothing
    time.sleep(1_000)


def noisy(response):
    print("hello" * 100_000)
    sys.stdout.buffer.write(b"\0\0\0\2{}")
    os.write(1, b"\0\0\0\2{}")
    if response == "asks":
        return input() == ""
    if response == "forks" and os.fork() == 0:
        return 0.0
    threading.Thread(target=lambda: [print("y" * 1_000) for _ in range(1_000)], daemon=True).start()
    return 1.0


def hoards(response):
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


def environment(response):
    return {"status": "error", "reason": os.environ.get("MY_JUDGE_KEY", "none")}


async def later(response):
    return 1.0


def completions(completions, answer):
    return [1.0]


def positional(response, /):
    return 1.0


class Reward:
    def __call__(self, response, reference):
        return response == reference


reward = Reward()
constant = 3
