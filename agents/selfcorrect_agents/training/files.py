"""The files of a run folder: rows of JSON that are appended, and texts that are replaced."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selfcorrect_env import CheckpointError


class FolderLock:
    """A folder that one process at a time writes to; the system frees it when the process ends.

    A process may hold it several times. On Windows nothing is locked.

    Args:
        folder: an existing folder; it has a file ``.lock`` while it is held.

    Raises:
        CheckpointError: another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".lock"
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        self._close = weakref.finalize(self, os.close, descriptor)
        try:
            import fcntl

            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            return
        except OSError as error:
            self._close()
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                return  # a file system without locks
            raise CheckpointError(
                f"{folder} is being written by another process. Wait until that has ended, or name "
                "another folder."
            ) from error

    def release(self) -> None:
        """Let others write; safe to call twice."""
        if self._close.alive:
            with contextlib.suppress(OSError):
                self._path.unlink()
            self._close()


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (line, row); a last line that a killed process left half-written is dropped, and one
    that only lacks its end gets it.

    Raises:
        CheckpointError: another line is not valid JSON.
    """
    lines = path.read_text("utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            if number == len(lines) and not line.endswith("\n"):
                return
            raise CheckpointError(
                f"{path}, line {number}: not valid JSON ({error}). Correct or restore the file."
            ) from error
        yield line if line.endswith("\n") else f"{line}\n", row


def append_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Append rows as lines: all of them or, if there is no room, none."""
    append_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def append_text(path: Path, text: str) -> None:
    """Append a text: all of it or, if there is no room, nothing."""
    before = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        if path.exists():
            os.truncate(path, before)
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_atomically(path: Path, text: str) -> None:
    """Replace a file: by all of the text or, if there is no room, not at all."""
    written = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        written.write_text(text, "utf-8", "backslashreplace")
        written.replace(path)
    except OSError as error:
        written.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
