"""Ctrl-C while the console script is still importing: the process ends quietly with status 130.

Imports take most of a second, and a KeyboardInterrupt inside one ends in a long traceback, or is
swallowed by the module that is being imported. Importing this module calls `quit_at_once`, which
replaces the handler for that time; `raise_again` restores it before a command runs. Only a process
that was started as ``selfcorrect`` or ``python -m selfcorrect_env`` is affected: a program that
imports this package keeps its own handlers.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence

MESSAGE = "\nselfcorrect: interrupted."
STATUS = 130


def is_console_script(command: Sequence[str]) -> bool:
    """Return whether the command line of a process, ``sys.orig_argv``, runs our console script.

    >>> is_console_script(["python", "/usr/bin/selfcorrect", "list"])
    True
    >>> is_console_script(["python", "-m", "selfcorrect_env", "list"])
    True
    >>> is_console_script(["python", "-X", "dev", "train.py"]), is_console_script(["python"])
    (False, False)
    """
    words = iter(command[1:])
    for word in words:
        if word == "-m":
            return next(words, "").partition(".")[0] == "selfcorrect_env"
        if word == "-c":
            return False
        if word in ("-X", "-W"):  # the interpreter's options that have a value
            next(words, "")
        elif not word.startswith("-"):
            return os.path.basename(word).partition(".")[0] == "selfcorrect"
    return False


def quit_at_once() -> None:
    """Let Ctrl-C end this process at once, if it is our console script's and handles Ctrl-C."""
    main_thread = threading.current_thread() is threading.main_thread()
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if main_thread and usual and is_console_script(sys.orig_argv):
        signal.signal(signal.SIGINT, _quit)


def raise_again() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, if `quit_at_once` had changed that."""
    if signal.getsignal(signal.SIGINT) is _quit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _quit(number: int, frame: object) -> None:
    os.write(2, f"{MESSAGE}\n".encode())
    os._exit(STATUS)  # nothing was started yet, so there is nothing to clean up


quit_at_once()
