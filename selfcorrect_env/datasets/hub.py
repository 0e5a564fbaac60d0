"""The Hugging Face hub: rows from its cache or, where it answers in time, from itself.

An unreachable hub makes ``load_dataset`` hang for 25 seconds. So the cache is read first,
without importing ``datasets`` at all; then one request with a deadline asks the hub whether it
has the data set; and only then is ``datasets`` imported and the data set loaded.
"""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.rows import Row, dataset_rows

DEADLINE = 2.5
"""Seconds that the hub has to answer the first request."""

REMEMBER = 60.0
"""Seconds during which a hub that did not answer is not asked for the same data set again, so
that eight sub-environments wait once."""

_silent: dict[str, tuple[float, str]] = {}  # repo -> until when, and why

_TRUE = {"1", "on", "yes", "true"}


class HubUnavailableError(ProblemSetError):
    """A data set is neither cached nor to be had from the hub; the message says why."""


def hub_rows(
    repos: Sequence[str], split: str, config: str = "default", revision: str | None = None
) -> Iterable[Row]:
    """Return the rows of a data set of the hub, from the cache if they are there.

    Args:
        repos: ids that hold this split, such as ``"openai/gsm8k"``. The first that is cached
            is taken; if none is, the hub is asked for the first.
        split: which split of it.
        config: which configuration of it.
        revision: a commit or tag of it. The cache does not tell which revision it holds, so
            with one the hub itself is asked; by default the newest.

    Raises:
        HubUnavailableError: it is not cached, and the hub did not answer within `DEADLINE` seconds,
            is switched off (``HF_HUB_OFFLINE``, ``HF_DATASETS_OFFLINE``) or does not have it.
    """
    for repo in repos if revision is None else ():
        rows = cached_rows(repo, split, config)
        if rows is not None:
            return rows
    repo = repos[0]
    if importlib.util.find_spec("datasets") is None:
        raise HubUnavailableError(
            f"{repo} is not cached and the package 'datasets' is not installed"
        )
    for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").lower() in _TRUE:
            raise HubUnavailableError(f"{repo} is not cached and {variable} is set")
    until, reason = _silent.get(repo, (0.0, ""))
    if time.monotonic() < until:
        raise HubUnavailableError(reason)
    try:
        _ask(repo)
    except HubUnavailableError as error:
        _silent[repo] = time.monotonic() + REMEMBER, str(error)
        raise
    return _load(repo, split, config, revision)


def cached_rows(repo: str, split: str, config: str = "default") -> Iterable[Row] | None:
    """Return the rows that ``datasets`` left in its cache, or None where there are none.

    The newest copy is taken, as ``load_dataset`` does without a network.

    Raises:
        HubUnavailableError: the cached file cannot be read.
    """
    folder = _cache_folder() / repo.replace("/", "___").lower()
    stem = repo.rpartition("/")[2].lower()
    # <cache>/<owner>___<name>/<config>/<version>/<hash>/<name>-<split>[-00000-of-00002].arrow
    places = [place for place in _folder_like(folder).glob(f"{config}/*/*") if place.is_dir()]
    for place in sorted(places, key=lambda place: place.stat().st_mtime, reverse=True):
        files = [
            *place.glob(f"{stem}-{split}.arrow"),
            *sorted(place.glob(f"{stem}-{split}-[0-9]*-of-[0-9]*.arrow")),
        ]
        if files:
            return _read_arrow(files)
    return None


def _cache_folder() -> Path:
    """Return the cache of ``datasets``, by the environment variables that it documents."""
    xdg = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("HF_HOME", f"{xdg}/huggingface")
    return Path(os.environ.get("HF_DATASETS_CACHE", f"{home}/datasets")).expanduser()


def _folder_like(folder: Path) -> Path:
    """Return the folder of that name in any case: owners keep their capitals there."""
    if folder.parent.is_dir():
        for other in folder.parent.iterdir():
            if other.name.lower() == folder.name:
                return other
    return folder


def _read_arrow(files: list[Path]) -> list[Row]:
    try:
        import pyarrow
    except ImportError:
        raise HubUnavailableError(f"reading {files[0]} needs the package 'pyarrow'") from None
    rows: list[Row] = []
    for file in files:
        try:
            with pyarrow.memory_map(str(file)) as source:
                rows += pyarrow.ipc.open_stream(source).read_all().to_pylist()
        except (OSError, pyarrow.ArrowException) as error:
            raise HubUnavailableError(
                f"the cached file {file} cannot be read ({error}); delete its folder"
            ) from error
    return rows


def _ask(repo: str) -> None:
    """Ask the hub whether it has ``repo``; `HubUnavailableError` if it does not say so in time.

    The request goes through ``huggingface_hub``, which ``datasets`` uses too, so endpoint,
    proxies, certificates and token are the same. It runs in a thread because no time-out of a
    socket bounds a name look-up or a server that trickles.
    """
    import huggingface_hub

    failures: list[Exception] = []
    done = threading.Event()

    def ask() -> None:
        try:
            huggingface_hub.HfApi().dataset_info(repo, timeout=DEADLINE)
        except Exception as error:  # whatever it is, the hub did not say yes
            failures.append(error)
        done.set()

    threading.Thread(target=ask, name="selfcorrect-hub", daemon=True).start()
    if not done.wait(DEADLINE):
        raise HubUnavailableError(
            f"the hub did not answer within {DEADLINE} s when asked for {repo}"
        )
    if failures:
        error = failures[0]
        first_line = str(error).partition("\n")[0]
        raise HubUnavailableError(
            f"the hub did not give {repo}: {type(error).__name__}: {first_line}"
        ) from error


def _load(repo: str, split: str, config: str, revision: str | None) -> Iterable[Row]:
    try:
        return list(dataset_rows(repo, config, split, revision))
    except ProblemSetError as error:
        raise HubUnavailableError(f"the hub answered, but {error}") from error
