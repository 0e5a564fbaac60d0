"""Where files are kept between runs: each folder can be moved by an environment variable."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of this package's own cache, the tiny base models.

    It is ``$SELFCORRECT_CACHE``, or ``selfcorrect-env`` in ``$XDG_CACHE_HOME`` (``~/.cache``).
    """
    own = os.environ.get("SELFCORRECT_CACHE")
    return Path(own or f"{_xdg()}/selfcorrect-env").expanduser()


def hub_folder() -> Path:
    """Return the cache of the Hugging Face libraries: ``$HF_HOME``, or ``~/.cache/huggingface``."""
    return Path(os.environ.get("HF_HOME") or f"{_xdg()}/huggingface").expanduser()


def datasets_folder() -> Path:
    """Return the cache of ``datasets``: ``$HF_DATASETS_CACHE``, or a part of `hub_folder`."""
    own = os.environ.get("HF_DATASETS_CACHE")
    return Path(own).expanduser() if own else hub_folder() / "datasets"


def _xdg() -> str:
    return os.environ.get("XDG_CACHE_HOME") or "~/.cache"
