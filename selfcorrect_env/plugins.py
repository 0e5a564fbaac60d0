"""What stands at ``module:attribute``: how a person names an object on the command line."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any


def at_place(place: str) -> Any:
    """Import and return what stands at ``"module:attribute"``; the current folder is searched too.

    Raises:
        ImportError: there is no such module, or nothing of that name in it.
    """
    module, _, attribute = place.partition(":")
    if os.getcwd() not in sys.path:  # a console script does not look in the current folder
        sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (AttributeError, ValueError) as error:
        raise ImportError(f"{place!r}: {error}") from error
    return found
