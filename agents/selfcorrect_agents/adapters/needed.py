"""The one-line error of an adapter whose library is not installed."""

from __future__ import annotations

import importlib


def require(library: str, extra: str) -> None:
    """Import ``library``, or say how to install it.

    Args:
        library: the name of its top-level module.
        extra: the extra of selfcorrect-env that installs it.

    Raises:
        ImportError: it is not installed; the message names the extra.
    """
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise ImportError(
            f"This needs the library {library}: pip install 'selfcorrect-env[{extra}]'."
        ) from error
