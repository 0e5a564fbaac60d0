"""The rows of a data set from the user's file or from the hub, each with its location."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from selfcorrect_env.errors import HubUnavailableError, ProblemSetError
from selfcorrect_env.problems.hub import hub_rows
from selfcorrect_env.problems.row_files import Row, read_rows

Located = tuple[str, Iterable[tuple[str, Row]]]
"""Where the rows are from, and the rows with the location of each, for messages."""


def located_rows(
    file: Path | None,
    repo: str,
    split: str,
    config: str | None = None,
    revision: str | None = None,
) -> Located:
    """Return the rows of ``file``, or of the hub's data set ``repo`` if it is None.

    Raises:
        HubUnavailableError: there is no file, and the hub does not give the data set.
    """
    if file is not None:
        return str(file), read_rows(file)
    rows = hub_rows((repo,), split, config, revision)
    where = f"{repo} on the Hugging Face hub"
    return where, ((f"row {number} of {repo}", row) for number, row in enumerate(rows))


def rows_or_ways(
    file: Path | None,
    repo: str,
    split: str,
    config: str | None = None,
    revision: str | None = None,
    *,
    name: str,
    variable: str,
) -> Located:
    """Return `located_rows`, or say how to get the data set.

    Args:
        file: the user's file, or None.
        repo: the data set's id on the hub.
        split: the split.
        config: its configuration.
        revision: a commit or tag.
        name: what the data set is called.
        variable: the environment variable that may name its file.

    Raises:
        ProblemSetError: it is not available; the message lists the three ways to get it.
    """
    try:
        return located_rows(file, repo, split, config, revision)
    except HubUnavailableError as error:
        raise unavailable(name, repo, variable, error) from error


def unavailable(name: str, repo: str, variable: str, error: Exception) -> ProblemSetError:
    """Return the error that says that a data set is not available, and how to get it."""
    return ProblemSetError(
        f"{name} is not available: {error}. Three ways to get it: (1) with a network, pip install "
        f"'selfcorrect-env[data]', which loads {repo} from the Hugging Face hub; (2) path=FILE; "
        f"(3) the environment variable {variable}=FILE. SelfCorrect-Code-v0 needs no data."
    )
