"""The Hugging Face hub: rows from its cache or, if it answers in time, from the hub itself.

With an unreachable hub, ``load_dataset`` hangs for 25 seconds. So the cache is read first,
without importing ``datasets``; then one request with a deadline checks that the hub has the
data set; only then is ``datasets`` imported and the data set loaded.

The data sets of this package have pinned revisions, so that their problems never change.
"""

from __future__ import annotations

import importlib.util
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import cast

from selfcorrect_env.caches import datasets_folder
from selfcorrect_env.errors import HubUnavailableError, ProblemSetError, ProblemSetWarning
from selfcorrect_env.notices import warn
from selfcorrect_env.problems.row_files import Row, read_arrow

DEADLINE = 2.5
"""Seconds within which the hub must answer the first request."""

REMEMBER = 60.0
"""After a failed request, the hub is not asked for the same data set again for this many seconds,
so that eight sub-environments wait only once."""

# As public code pins them in 2026, several projects each (for HumanEval and MBPP, inspect_evals
# among them). For MATH-500, one of them gives the sha256 of the file there: that of PRM800K's own
# test split.
PINNED = {
    "HuggingFaceH4/MATH-500": "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be",
    "nlile/hendrycks-MATH-benchmark": "465bcdb36f5962aa3512891498966df785fc3c18",
    "openai/gsm8k": "740312add88f781978c0658806c59bc2815b9866",
    "openai/openai_humaneval": "7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
    "google-research-datasets/mbpp": "4bb6404fdc6cacfda99d4ac4205087b89d32030c",
    "evalplus/humanevalplus": "d32357cf319e50e9c8d8dab5ea876c72b0fd321b",
    "evalplus/mbppplus": "9a36f31e81d5e1670b68e6de8ef23da0c4e1abb5",
    "codeparrot/apps": "21e74ddf8de1a21436da12e3e653065c5213e9d1",
    "livecodebench/code_generation_lite": "0fe84c3912ea0c4d4a78037083943e8f0c4dd505",
}
"""Repository -> the commit that is loaded by default."""

_silent: dict[str, tuple[float, str]] = {}  # repo -> until when, and why

_TRUE = {"1", "on", "yes", "true"}


def hub_rows(
    repos: Sequence[str], split: str, config: str | None = None, revision: str | None = None
) -> Iterable[Row]:
    """Return the rows of a data set of the hub, from the cache if they are there.

    Args:
        repos: ids that hold this split, such as ``"openai/gsm8k"``. The first that is cached
            is used; if none is, the hub is asked for the first.
        split: the split.
        config: the configuration; by default the only one.
        revision: a commit, branch or tag, ``"main"`` for the newest; by default the commit in
            `PINNED`, and the newest for other data sets.

    If the default revision is not cached and the hub is not available, another revision is used
    from the cache, with a `ProblemSetWarning`. An explicit revision is never replaced.

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


def hub_file(repo: str, name: str, revision: str | None = None) -> Path:
    """Return a file of a data set of the hub, from its cache or from the hub itself.

    For data sets that are read by a script, which newer versions of ``datasets`` don't run.

    Args:
        repo: the data set's id.
        name: the file's path in the repository.
        revision: as in `hub_rows`.

    Raises:
        HubUnavailableError: it is not cached, and the hub does not have it, is switched off or
            did not answer within `DEADLINE` seconds.
    """
    revision = revision or PINNED.get(repo)
    if importlib.util.find_spec("huggingface_hub") is None:
        raise HubUnavailableError(f"{repo}: the package 'huggingface_hub' is not installed")
    import huggingface_hub

    cached = huggingface_hub.try_to_load_from_cache(
        repo, name, revision=revision, repo_type="dataset"
    )
    if isinstance(cached, str):
        return Path(cached)
    variable = offline_variable()
    if variable is not None:
        raise HubUnavailableError(f"{name} of {repo} is not cached and {variable} is set")
    ask_hub(lambda seconds: _dataset_info(repo, revision, seconds), repo)
    try:
        found = huggingface_hub.hf_hub_download(repo, name, revision=revision, repo_type="dataset")
    except Exception as error:  # its errors have no common base short of this one
        first_line = str(error).partition("\n")[0]
        raise HubUnavailableError(
            f"{name} of {repo} cannot be downloaded: {type(error).__name__}: {first_line}"
        ) from error
    return Path(found)


def _from_hub(repo: str, split: str, config: str | None, revision: str | None) -> Iterable[Row]:
    """Return the rows of the hub itself; HubUnavailableError if it is not available."""
    at = f" at revision {revision[:12]}" if revision else ""
    if importlib.util.find_spec("datasets") is None:
        raise HubUnavailableError(
            f"{repo}{at} is not cached and the package 'datasets' is not installed"
        )
    variable = offline_variable()
    if variable is not None:
        raise HubUnavailableError(f"{repo}{at} is not cached and {variable} is set")
    until, reason = _silent.get(repo, (0.0, ""))
    if time.monotonic() < until:
        raise HubUnavailableError(reason)
    try:
        ask_hub(lambda seconds: _dataset_info(repo, revision, seconds), repo)
    except HubUnavailableError as error:
        _silent[repo] = time.monotonic() + REMEMBER, str(error)
        raise
    try:
        return list(dataset_rows(repo, config, split, revision))
    except ProblemSetError as error:
        raise HubUnavailableError(f"the hub answered, but {error}") from error


def offline_variable() -> str | None:
    """Return the environment variable that switches the hub off, or None if none does."""
    names = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
    return next((name for name in names if os.environ.get(name, "").lower() in _TRUE), None)


def why_unreachable(repo: str) -> str | None:
    """Ask the hub for ``repo``; return why it does not answer, or None if it does.

    It takes at most `DEADLINE` seconds.
    """
    variable = offline_variable()
    if variable is not None:
        return f"{variable} is set"
    if importlib.util.find_spec("huggingface_hub") is None:
        return "the package 'huggingface_hub' is not installed"
    try:
        ask_hub(lambda seconds: _dataset_info(repo, None, seconds), repo)
    except HubUnavailableError as error:
        return str(error)
    return None


def is_cached(repo: str) -> bool:
    """Return whether the cache of ``datasets`` holds a copy of some split of ``repo``."""
    folder = _folder_like(datasets_folder() / repo.replace("/", "___").lower())
    return any(folder.glob("*/*/*/*.arrow"))


def _another_revision(
    repos: Sequence[str], split: str, config: str | None, reason: str
) -> Iterable[Row] | None:
    """Return the rows of any revision that is cached, with a warning; None if none is."""
    for repo in repos:
        found = _cached(repo, split, config)
        if found is None:
            continue
        folder, files = found
        known = re.fullmatch("[0-9a-f]{40}", folder.name)
        held = f"revision {folder.name}" if known else "an unknown revision"
        warn(
            f"The pinned revision of {repo}, {PINNED.get(repo)}, is not available ({reason}). The "
            f"cache has {held}, which is used instead; the fingerprint identifies its content.",
            ProblemSetWarning,
        )
        return _read_arrow(files)
    return None


def cached_rows(
    repo: str, split: str, config: str | None = None, revision: str | None = None
) -> Iterable[Row] | None:
    """Return the rows that are in the cache of ``datasets``, or None if there are none.

    Args:
        repo: the data set's id.
        split: the split.
        config: the configuration; by default ``"default"``, or the only one in the cache.
        revision: a commit, in full; None for the newest copy, as ``load_dataset`` chooses it
            without a network. ``datasets`` names the copy's folder by the commit.

    Raises:
        HubUnavailableError: the cached file cannot be read.
    """
    found = _cached(repo, split, config, revision or "*")
    return None if found is None else _read_arrow(found[1])


def _cached(
    repo: str, split: str, config: str | None, revision: str = "*"
) -> tuple[Path, list[Path]] | None:
    """Return the folder of the newest copy and its files, or None if there is none."""
    folder = _folder_like(datasets_folder() / repo.replace("/", "___").lower())
    if config is None:
        configs = [path.name for path in folder.glob("*") if path.is_dir()]
        config = configs[0] if len(configs) == 1 else "default"
    stem = repo.rpartition("/")[2].lower()
    # <cache>/<owner>___<name>/<config>/<version>/<hash>/<name>-<split>[-00000-of-00002].arrow
    copies = [path for path in folder.glob(f"{config}/*/{revision}") if path.is_dir()]
    for path in sorted(copies, key=lambda path: path.stat().st_mtime, reverse=True):
        files = [
            *path.glob(f"{stem}-{split}.arrow"),
            *sorted(path.glob(f"{stem}-{split}-[0-9]*-of-[0-9]*.arrow")),
        ]
        if files:
            return path, files
    return None


def _folder_like(folder: Path) -> Path:
    """Return the folder of that name in any case: owners keep their capital letters."""
    if folder.parent.is_dir():
        for other in folder.parent.iterdir():
            if other.name.lower() == folder.name:
                return other
    return folder


def _read_arrow(files: list[Path]) -> list[Row]:
    try:
        return read_arrow(files)
    except ProblemSetError as error:
        raise HubUnavailableError(
            f"{error} (a file of the cache; delete its folder if it is damaged)"
        ) from error


def ask_hub(request: Callable[[float], object], repo: str) -> None:
    """Send the hub one request and wait for its answer for `DEADLINE` seconds.

    It runs in a thread because the time-out of a socket limits neither a name look-up nor a
    server that sends its answer byte by byte.

    Args:
        request: sends it through ``huggingface_hub``, which ``datasets`` and ``transformers`` use
            as well, so endpoint, proxies, certificates and token are the same; it gets the
            deadline.
        repo: the repository, for messages.

    Raises:
        HubUnavailableError: the hub did not confirm in time that it has this repository.
    """
    failures: list[Exception] = []
    done = threading.Event()

    def ask() -> None:
        try:
            request(DEADLINE)
        except Exception as error:  # any error means that the hub did not confirm it
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
            f"the hub did not return {repo}: {type(error).__name__}: {first_line}"
        ) from error


def _dataset_info(repo: str, revision: str | None, seconds: float) -> None:
    import huggingface_hub

    huggingface_hub.HfApi().dataset_info(repo, revision=revision, timeout=seconds)


def dataset_rows(
    repo: str, config: str | None, split: str, revision: str | None = None
) -> Iterable[Row]:
    """Load a split with ``datasets.load_dataset``, which has no deadline of its own.

    Raises:
        ProblemSetError: ``datasets`` is not installed, or cannot load it.
    """
    try:
        import datasets
    except ImportError:
        raise ProblemSetError(
            f"loading {repo!r} needs the package 'datasets': pip install 'selfcorrect-env[data]'"
        ) from None
    try:
        loaded = datasets.load_dataset(repo, config, split=split, revision=revision)
    except Exception as error:  # its errors have no common base short of this one
        first_line = str(error).partition("\n")[0]
        raise ProblemSetError(
            f"{repo!r} (config {config!r}, split {split!r}) cannot be loaded: "
            f"{type(error).__name__}: {first_line}"
        ) from error
    return cast("Iterable[Row]", loaded)
