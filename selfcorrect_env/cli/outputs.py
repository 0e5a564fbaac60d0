"""What commands print and write: results, notes, and outputs that are checked before the work."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from selfcorrect_env.errors import UsageError
from selfcorrect_env.terminal import is_quiet


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout: the only thing there that a command with --json prints."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """Print a line that is no result, such as where files are; --quiet leaves it out."""
    if not is_quiet():
        print(text)


def output_file(path: str, option: str = "--out") -> Path:
    """Return the path of a file that this process can write, and leave it untouched.

    Raises:
        UsageError: its folder does not exist or is not writable, or the path is taken by something
            else than a regular file.
    """
    file = Path(path)
    if not file.absolute().parent.is_dir():
        raise UsageError(f"{option}: there is no folder {str(file.parent)!r}.")
    if file.exists() and not file.is_file():
        raise UsageError(f"{option}: {path!r} is not a file. Name a file, existing or new.")
    _try(file.parent, path, option)
    return file


def output_folder(path: str, option: str = "--out") -> Path:
    """Return the path of a folder that this process can write, without creating it.

    Raises:
        UsageError: the path, or a parent of it, is a file, or the folder cannot be created or
            written.
    """
    folder = Path(path)
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if not existing.is_dir():
        raise UsageError(f"{option}: {str(existing)!r} is a file. Name a folder, existing or new.")
    _try(existing, path, option)
    return folder


def _try(folder: Path, path: str, option: str) -> None:
    """Create a folder in ``folder`` and remove it again: permissions alone do not tell."""
    try:
        tempfile.TemporaryDirectory(dir=folder, prefix=".selfcorrect-").cleanup()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{option}: cannot write to {path!r}: {reason}.") from error
