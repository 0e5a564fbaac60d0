"""What the worker processes of test_pool.py run."""

import os
import signal
import time

_calls = 0


def slow_at_first() -> int:
    """Return the number of the call; the first one takes a second of processor time."""
    global _calls
    _calls += 1
    work(1.0 if _calls == 1 else 0.0)
    return _calls


def work(seconds: float) -> None:
    """Use that much processor time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def square(number: int) -> int:
    return number * number


def act(what: str, argument: float = 0) -> object:
    """Do what a hostile input makes a library do."""
    if what == "sleep":
        time.sleep(argument)
    elif what == "work":
        work(argument)
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
