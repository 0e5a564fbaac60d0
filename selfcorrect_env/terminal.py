"""Progress bars, status lines and notes: what ``--quiet`` leaves out of the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_quiet: ContextVar[bool] = ContextVar("selfcorrect_quiet", default=False)


@contextmanager
def quietly(quiet: bool = True) -> Iterator[None]:
    """Leave out progress bars, status lines and notes in this context; warnings stay."""
    token = _quiet.set(quiet)
    try:
        yield
    finally:
        _quiet.reset(token)


def is_quiet() -> bool:
    """Return whether progress bars, status lines and notes are left out (`quietly`)."""
    return _quiet.get()


def progress_console() -> Console:
    """Return rich's console on stderr, for progress.

    In a notebook it writes lines as to a file: rich's own display there calls itself without end
    once a library prints while a bar is shown.
    """
    from rich.console import Console

    return Console(stderr=True, force_jupyter=False)


@contextmanager
def status_line(text: str) -> Iterator[Callable[[str], None]]:
    """Show a line on stderr while the context lasts; yields the function that changes it."""
    if is_quiet():
        yield lambda text: None
        return
    with progress_console().status(text) as status:
        yield status.update
