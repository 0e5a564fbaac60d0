"""Which files a program in the sandbox may read and write (landlock(7), Linux ≥ 5.13)."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Version -> all rights that concern files; later versions than 5 add none."""
_DEVICES = sum(1 << bit for bit in (6, 9, 10, 11))  # creating sockets, pipes and device files
_NETWORK = 0b11  # TCP bind and connect, from version 4
_SCOPES = 0b11  # abstract Unix sockets and signals to processes outside, from version 6
_FOR_FILES = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 14) | (1 << 15)


def version() -> int:
    """Return the kernel's version of landlock; 0 if the kernel has none."""
    return max(0, ctypes.CDLL(None, use_errno=True).syscall(_CREATE, None, 0, _VERSION))


def ruleset(readable: Iterable[str], listed: Iterable[str], writable: Iterable[str]) -> int:
    """Return the descriptor of a rule set that forbids access to all files except these.

    Versions 1 and 2 do not restrict truncation: `seccomp` refuses it. From version 6, signals to
    processes outside and connections to their abstract Unix sockets are forbidden as well.

    Args:
        readable: files and folders that may be read; missing ones are skipped.
        listed: folders whose entries may be listed, but not read.
        writable: folders in which files may be created, read, changed and deleted.

    Raises:
        OSError: the kernel has no landlock, or rejects the rules.
    """
    number = version()
    if not number:
        raise OSError("the kernel has no landlock")
    handled = _RIGHTS[min(number, 5)]
    network, scopes = _NETWORK if number >= 4 else 0, _SCOPES if number >= 6 else 0
    fields = 1 + (number >= 4) + (number >= 6)
    head = struct.pack("QQQ", handled, network, scopes)[: 8 * fields]
    rules = _call(_CREATE, head, len(head), 0)
    for paths, rights in (
        (readable, _READ_FILE | _READ_DIR),
        (listed, _READ_DIR),
        (writable, handled & ~_DEVICES & ~1),
    ):
        for path in paths:
            _allow(rules, path, rights)
    return rules


def restrict(rules: int) -> None:
    """Apply a rule set permanently to this thread; ``PR_SET_NO_NEW_PRIVS`` must be set."""
    _call(_RESTRICT, rules, 0)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        allowed = rights if os.path.isdir(path) else rights & _FOR_FILES
        _call(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", allowed, descriptor), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: int | bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(number, *arguments)
    if result < 0:
        failure = ctypes.get_errno()
        raise OSError(failure, f"landlock: {os.strerror(failure)}")
    return result
