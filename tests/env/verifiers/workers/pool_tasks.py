"""What the worker processes of test_pool.py run."""

import os
import signal
import time


def square(number: int) -> int:
    return number * number


def act(what: str, argument: float = 0) -> object:
    """Do what a hostile input makes a library do."""
    if what == "sleep":
        time.sleep(argument)
    elif what == "spin in C":
        return len(str(9 ** (9**8)))  # holds the GIL all the while
    elif what == "eat memory":
        return len(bytearray(int(argument)))
    elif what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "raise":
        raise ValueError("no such thing")
    elif what == "print":
        print("noise")
        os.write(1, b"noise")
    return what
