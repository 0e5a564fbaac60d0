"""Delete everything that a program created in its scratch folder.

Paths may be too long for the kernel and folders nested deeper than descriptors are allowed, so the
walk goes from one folder to the next by name and returns by ``..``, with two descriptors at a time.

Processes import this module without the rest of the package, so it uses the standard library only.
"""

from __future__ import annotations

import os
import stat

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def empty(folder: str) -> None:
    """Delete everything in a folder; symbolic links are deleted, not followed.

    Raises:
        OSError: something cannot be deleted.
    """
    here = os.open(folder, _FOLDER)
    names: list[str] = []  # the way from the folder to the one that is open
    try:
        while True:
            below = _delete_files(here)
            if below is not None:
                os.chmod(below, 0o700, dir_fd=here)  # its owner may have made it unreadable
                here = _go(here, below)
                names.append(below)
            elif names:
                here = _go(here, "..")
                os.rmdir(names.pop(), dir_fd=here)
            else:
                return
    finally:
        os.close(here)


def _go(here: int, name: str) -> int:
    there = os.open(name, _FOLDER, dir_fd=here)
    os.close(here)
    return there


def _delete_files(here: int) -> str | None:
    """Delete what is no folder; return the name of a folder, or None if there is none."""
    below = None
    for name in os.listdir(here):
        if stat.S_ISDIR(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
            below = name
        else:
            os.unlink(name, dir_fd=here)
    return below
