"""Reading rows from files, so that a broken one is named by its file and line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

from selfcorrect_env.errors import ProblemSetError

Row: TypeAlias = Mapping[str, Any]
"""A row: values by column."""

SUFFIXES = (".jsonl", ".jsonl.gz", ".ndjson", ".json", ".parquet")
"""The kinds of file that `read_rows` knows, told by the end of the name in any case."""


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Read a file of rows.

    Returns:
        Pairs of where the row stands, for messages, and the row.

    Raises:
        ProblemSetError: the file is missing or of another kind, or a row of it is broken.
            The message names the file and the line.
    """
    if not path.is_file():
        raise ProblemSetError(f"There is no file {str(path)!r}. Expected {_kinds()}.")
    name = path.name.lower()
    if name.endswith((".jsonl", ".jsonl.gz", ".ndjson")):
        rows = _read_json_lines(path, packed=name.endswith(".gz"))
    elif name.endswith(".json"):
        rows = _read_json(path)
    elif name.endswith(".parquet"):
        rows = _read_parquet(path)
    else:
        raise ProblemSetError(
            f"Cannot tell what {str(path)!r} holds by its name. Expected {_kinds()}."
        )
    for where, row in rows:
        if not isinstance(row, Mapping):
            raise ProblemSetError(
                f"{where}: expected an object with columns, got {type(row).__name__}."
            )
        yield where, row


def dataset_rows(
    repo: str, config: str | None, split: str, revision: str | None = None
) -> Iterable[Row]:
    """Load the rows of a data set of the Hugging Face hub, or of a local folder.

    Raises:
        ProblemSetError: ``datasets`` is not installed, or cannot load it.
    """
    try:
        import datasets
    except ImportError:
        raise ProblemSetError(
            f"Loading {repo!r} needs the package 'datasets': pip install 'selfcorrect-env[data]'"
        ) from None
    try:
        loaded = datasets.load_dataset(repo, config, split=split, revision=revision)
    except Exception as error:  # its errors have no common base short of this one
        first_line = str(error).partition("\n")[0]
        raise ProblemSetError(
            f"{repo!r} (config {config!r}, split {split!r}) cannot be loaded: "
            f"{type(error).__name__}: {first_line}"
        ) from error
    return cast(Iterable[Row], loaded)


def _kinds() -> str:
    return ", ".join(SUFFIXES)


def _read_json_lines(path: Path, *, packed: bool) -> Iterator[tuple[str, Any]]:
    opener = gzip.open if packed else open
    try:
        with opener(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                where = f"{path}, line {number}"
                if line.strip():
                    yield where, _parse(where, line)
    except (OSError, EOFError, zlib.error) as error:  # truncated or corrupt, a disk error
        raise ProblemSetError(f"{path}: cannot be read: {error}") from error


def _read_json(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ProblemSetError(f"{path}: cannot be read: {error}") from error
    rows = _parse(str(path), text)
    if not isinstance(rows, list):
        raise ProblemSetError(f"{path}: expected a JSON list of objects.")
    for number, row in enumerate(rows):
        yield f"{path}, element {number}", row


def _read_parquet(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ProblemSetError(
            f"Reading {path} needs pyarrow: pip install 'selfcorrect-env[data]'"
        ) from None
    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise ProblemSetError(f"{path}: not a readable Parquet file: {error}") from error
    for number, row in enumerate(rows):
        yield f"{path}, row {number}", row


def _parse(where: str, text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: bad JSON or bad UTF-8
        raise ProblemSetError(f"{where}: not valid JSON ({error}).") from error
