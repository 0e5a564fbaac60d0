"""The Hugging Face hub: rows from its cache or, where it answers in time, from itself.

An unreachable hub makes ``load_dataset`` hang for 25 seconds. So the cache is read first,
without importing ``datasets`` at all; then one request with a deadline asks the hub whether it
has the data set; and only then is ``datasets`` imported and the data set loaded.

Each data set has a pinned revision, so that the same problems come tomorrow.
"""

from __future__ import annotations

import importlib.util
import os
import re
import threading
import time
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from selfcorrect_env.errors import HubUnavailableError, ProblemSetError, ProblemSetWarning
from selfcorrect_env.problems.row_files import Row, dataset_rows

DEADLINE = 2.5
"""Seconds that the hub has to answer the first request."""

REMEMBER = 60.0
"""Seconds during which a hub that did not answer is not asked for the same data set again, so
that eight sub-environments wait once."""

# As public code pins them in 2026, several projects each (for HumanEval and MBPP, inspect_evals
# among them). For MATH-500, one of them gives the sha256 of the file there: that of PRM800K's own
# test split.
PINNED = {
    "HuggingFaceH4/MATH-500": "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be",
    "nlile/hendrycks-MATH-benchmark": "465bcdb36f5962aa3512891498966df785fc3c18",
    "openai/gsm8k": "740312add88f781978c0658806c59bc2815b9866",
    "openai/openai_humaneval": "7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
    "google-research-datasets/mbpp": "4bb6404fdc6cacfda99d4ac4205087b89d32030c",
}
"""Repository -> the commit that is loaded by default."""

_silent: dict[str, tuple[float, str]] = {}  # repo -> until when, and why

_TRUE = {"1", "on", "yes", "true"}


def hub_rows(
    repos: Sequence[str], split: str, config: str = "default", revision: str | None = None
) -> Iterable[Row]:
    """Return the rows of a data set of the hub, from the cache if they are there.

    Args:
        repos: ids that hold this split, such as ``"openai/gsm8k"``. The first that is cached
            is taken; if none is, the hub is asked for the first.
        split: which split of it.
        config: which configuration of it.
        revision: a commit, branch or tag of it, ``"main"`` for the newest; by default the
            commit in `PINNED`.

    Where the default is not cached and the hub cannot be had, another revision is taken from
    the cache, with a `ProblemSetWarning`. A revision that was asked for is never replaced.

    Raises:
        HubUnavailableError: it is not cached, and the hub did not answer within `DEADLINE` seconds,
            is switched off (``HF_HUB_OFFLINE``, ``HF_DATASETS_OFFLINE``) or does not have it.
    """
    for repo in repos:
        wanted = revision or PINNED.get(repo)
        if wanted is None or re.fullmatch("[0-9a-f]{40}", wanted):
            rows = cached_rows(repo, split, config, wanted)
            if rows is not None:
                return rows
    repo = repos[0]
    try:
        return _from_hub(repo, split, config, revision or PINNED.get(repo))
    except HubUnavailableError as error:
        other = _another_revision(repos, split, config, str(error)) if revision is None else None
        if other is None:
            raise
        return other


def _from_hub(repo: str, split: str, config: str, revision: str | None) -> Iterable[Row]:
    """Return the rows of the hub itself; HubUnavailableError where it can't be had."""
    at = f" at revision {revision[:12]}" if revision else ""
    if importlib.util.find_spec("datasets") is None:
        raise HubUnavailableError(
            f"{repo}{at} is not cached and the package 'datasets' is not installed"
        )
    for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").lower() in _TRUE:
            raise HubUnavailableError(f"{repo}{at} is not cached and {variable} is set")
    until, reason = _silent.get(repo, (0.0, ""))
    if time.monotonic() < until:
        raise HubUnavailableError(reason)
    try:
        _ask(repo, revision)
    except HubUnavailableError as error:
        _silent[repo] = time.monotonic() + REMEMBER, str(error)
        raise
    return _load(repo, split, config, revision)


def _another_revision(
    repos: Sequence[str], split: str, config: str, reason: str
) -> Iterable[Row] | None:
    """Return the rows of whatever revision is cached, with a warning, or None without any."""
    for repo in repos:
        found = _cached(repo, split, config)
        if found is None:
            continue
        place, files = found
        known = re.fullmatch("[0-9a-f]{40}", place.name)
        held = f"revision {place.name}" if known else "a revision that it does not tell"
        warnings.warn(
            f"The pinned revision of {repo}, {PINNED.get(repo)}, cannot be had ({reason}). The "
            f"cache holds {held}, which is taken; the set's fingerprint says what it is.",
            ProblemSetWarning,
            stacklevel=4,
        )
        return _read_arrow(files)
    return None


def cached_rows(
    repo: str, split: str, config: str = "default", revision: str | None = None
) -> Iterable[Row] | None:
    """Return the rows that ``datasets`` left in its cache, or None where there are none.

    Args:
        repo: the data set's id.
        split: which split of it.
        config: which configuration of it.
        revision: a commit, in full; None for the newest copy, as ``load_dataset`` takes it
            without a network. ``datasets`` names the copy's folder by the commit.

    Raises:
        HubUnavailableError: the cached file cannot be read.
    """
    found = _cached(repo, split, config, revision or "*")
    return None if found is None else _read_arrow(found[1])


def _cached(
    repo: str, split: str, config: str, revision: str = "*"
) -> tuple[Path, list[Path]] | None:
    """Return the folder of the newest copy and its files, or None where there is none."""
    folder = _cache_folder() / repo.replace("/", "___").lower()
    stem = repo.rpartition("/")[2].lower()
    # <cache>/<owner>___<name>/<config>/<version>/<hash>/<name>-<split>[-00000-of-00002].arrow
    found = _folder_like(folder).glob(f"{config}/*/{revision}")
    places = [place for place in found if place.is_dir()]
    for place in sorted(places, key=lambda place: place.stat().st_mtime, reverse=True):
        files = [
            *place.glob(f"{stem}-{split}.arrow"),
            *sorted(place.glob(f"{stem}-{split}-[0-9]*-of-[0-9]*.arrow")),
        ]
        if files:
            return place, files
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


def _ask(repo: str, revision: str | None) -> None:
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
            huggingface_hub.HfApi().dataset_info(repo, revision=revision, timeout=DEADLINE)
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
