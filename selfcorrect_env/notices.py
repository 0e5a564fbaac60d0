"""Warnings: at the user's own line, and as one line on the command line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from selfcorrect_env.errors import PluginWarning, ProblemSetWarning, UnjudgedWarning

_INSIDE = frozenset({"selfcorrect_env", "selfcorrect_agents", "gymnasium"})
"""Packages whose lines tell a user nothing: the line that called them does."""

_OURS = (PluginWarning, ProblemSetWarning, UnjudgedWarning)


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line that is neither in this package nor in Gymnasium."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _package(frame.f_globals) in _INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def one_line_warnings() -> Iterator[None]:
    """Print warnings of this package as ``selfcorrect: warning: …``, without file and line."""
    before = warnings.formatwarning

    def formatted(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        line: str | None = None,
    ) -> str:
        if issubclass(category, _OURS):
            return f"selfcorrect: warning: {' '.join(str(message).split())}\n"
        return before(message, category, filename, lineno, line)

    warnings.formatwarning = formatted
    try:
        yield
    finally:
        warnings.formatwarning = before


def _package(names: dict[str, object]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]
