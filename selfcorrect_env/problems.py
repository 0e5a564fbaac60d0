"""`ProblemSet`: a named, immutable sequence of problems whose content has a fingerprint."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, overload

import numpy as np

from selfcorrect_env.errors import ProblemSetError, UnknownNameError
from selfcorrect_env.types import Problem

Row: TypeAlias = Mapping[str, Any]
Column: TypeAlias = "str | Callable[[Row], Any]"
"""A column's name, or a function that computes the value from the row."""


class ProblemSet(Sequence[Problem]):
    """A named, immutable, indexable sequence of `Problem`.

    Args:
        problems: the problems; their ids must be unique.
        name: what the set is called in ``repr(env)`` and in reports.
        split: ``"train"``, ``"test"`` … as its source calls it.

    Raises:
        ProblemSetError: the set is empty, or two problems share an id.

    >>> ProblemSet.from_records([{"prompt": "1 + 1 = ?", "reference": 2}], name="sums")
    ProblemSet('sums', split='test', 1 problem, fingerprint='...')
    """

    def __init__(self, problems: Iterable[Problem], *, name: str, split: str = "test") -> None:
        self._problems = tuple(problems)
        self.name = name
        self.split = split
        if not self._problems:
            raise ProblemSetError(
                f"Problem set {name!r} (split {split!r}) is empty; it needs at least one problem."
            )
        self._index_by_id = {problem.id: i for i, problem in enumerate(self._problems)}
        if len(self._index_by_id) != len(self._problems):
            seen: set[str] = set()
            twice = next(p.id for p in self._problems if p.id in seen or seen.add(p.id))
            raise ProblemSetError(
                f"Problem set {name!r}: the id {twice!r} stands twice; ids must be unique."
            )

    # -- the sequence -------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self._problems)

    @overload
    def __getitem__(self, index: int) -> Problem: ...
    @overload
    def __getitem__(self, index: slice) -> ProblemSet: ...
    def __getitem__(self, index: int | slice) -> Problem | ProblemSet:
        if isinstance(index, slice):
            return self._view(self._problems[index])
        try:
            return self._problems[index]
        except IndexError:
            raise IndexError(
                f"Index {index} is outside problem set {self.name!r}, which has {len(self)} "
                f"problems (0 to {len(self) - 1})."
            ) from None

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._problems)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProblemSet):
            return NotImplemented
        return (self.name, self.split, self._problems) == (other.name, other.split, other._problems)

    def __hash__(self) -> int:
        return hash((self.name, self.split, self.fingerprint))

    def __repr__(self) -> str:
        plural = "" if len(self) == 1 else "s"
        return (
            f"ProblemSet({self.name!r}, split={self.split!r}, {len(self):,} problem{plural}, "
            f"fingerprint={self.fingerprint!r})"
        )

    @functools.cached_property
    def fingerprint(self) -> str:
        """16 hex digits of a SHA-256 over every problem's id, prompt, reference and metadata.

        Two sets with the same fingerprint hold the same problems in the same order,
        whatever they are called.
        """
        digest = hashlib.sha256()
        for problem in self._problems:
            row = [problem.id, problem.prompt, problem.reference, dict(problem.metadata)]
            digest.update(json.dumps(row, sort_keys=True, default=str).encode("utf-8"))
            digest.update(b"\n")
        return digest.hexdigest()[:16]

    # -- views --------------------------------------------------------------------------
    def by_id(self, id: str) -> Problem:
        """Return the problem called ``id``; `UnknownNameError` (a KeyError) if there is none."""
        try:
            return self._problems[self._index_by_id[id]]
        except KeyError:
            raise UnknownNameError.of(f"problem of {self.name!r}", id, self._index_by_id) from None

    def head(self, n: int) -> ProblemSet:
        """Return the first ``n`` problems (all of them where there are fewer)."""
        if n < 1:
            raise ProblemSetError(f"head(n) needs n >= 1, got {n}.")
        return self._view(self._problems[:n])

    def shuffle(self, seed: int) -> ProblemSet:
        """Return the same problems in an order drawn from ``seed``."""
        order = np.random.default_rng(seed).permutation(len(self))
        return self._view(self._problems[i] for i in order)

    def filter(self, keep: Callable[[Problem], bool]) -> ProblemSet:
        """Return the problems that ``keep`` accepts; `ProblemSetError` if none is left."""
        return self._view(problem for problem in self._problems if keep(problem))

    def _view(self, problems: Iterable[Problem]) -> ProblemSet:
        return ProblemSet(problems, name=self.name, split=self.split)

    # -- construction -------------------------------------------------------------------
    @classmethod
    def from_records(
        cls,
        records: Iterable[Row],
        *,
        name: str = "records",
        split: str = "test",
        prompt: Column = "prompt",
        reference: Column = "reference",
        id: Column | None = None,
    ) -> ProblemSet:
        """Build a set from dicts.

        Args:
            records: one mapping for each problem.
            name: the set's name.
            split: the set's split.
            prompt: the column of the statement, or a function of the row.
            reference: the column of the reference answer, or a function of the row.
            id: the column of the id, or a function of the row. By default the column
                ``"id"`` where a row has one, else the row's number.

        Columns that are not named become the problem's metadata. Numbers become text.

        Raises:
            ProblemSetError: a row lacks a column or holds something else than text or a
                number there. The message names the row.
        """
        located = ((f"record {i}", record) for i, record in enumerate(records))
        return cls._from_located(located, name, split, prompt, reference, id)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        name: str | None = None,
        split: str = "test",
        prompt: Column = "prompt",
        reference: Column = "reference",
        id: Column | None = None,
    ) -> ProblemSet:
        """Read a set from a ``.jsonl``, ``.jsonl.gz``, ``.json`` or ``.parquet`` file.

        The arguments are those of `from_records`; ``name`` defaults to the file's stem.
        Parquet needs ``pip install "selfcorrect-env[data]"``.

        Raises:
            ProblemSetError: the file is missing, of another kind, or a row of it is broken.
                The message names the file and the line.
        """
        path = Path(path)
        name = name or path.name.split(".")[0]
        return cls._from_located(_read_rows(path), name, split, prompt, reference, id)

    @classmethod
    def from_dataset(
        cls,
        dataset: Iterable[Row],
        *,
        name: str,
        split: str = "test",
        prompt: Column = "prompt",
        reference: Column = "reference",
        id: Column | None = None,
    ) -> ProblemSet:
        """Build a set from a Hugging Face ``datasets.Dataset`` by naming its columns.

        The arguments are those of `from_records`.
        """
        located = ((f"row {i} of {name}", row) for i, row in enumerate(dataset))
        return cls._from_located(located, name, split, prompt, reference, id)

    @classmethod
    def _from_located(
        cls,
        located: Iterable[tuple[str, Row]],
        name: str,
        split: str,
        prompt: Column,
        reference: Column,
        id: Column | None,
    ) -> ProblemSet:
        columns = {"prompt": prompt, "reference": reference}
        if id is not None:
            columns["id"] = id
        used = {column for column in columns.values() if isinstance(column, str)} | {"id"}
        problems = []
        for number, (where, row) in enumerate(located):
            if not isinstance(row, Mapping):
                raise ProblemSetError(
                    f"{where}: expected an object with columns, got {type(row).__name__}."
                )
            values = {key: _cell(where, row, key, column) for key, column in columns.items()}
            values.setdefault("id", str(row["id"]) if row.get("id") is not None else str(number))
            metadata = {key: value for key, value in row.items() if key not in used}
            problems.append(Problem(**values, metadata=metadata))
        return cls(problems, name=name, split=split)


def _cell(where: str, row: Row, key: str, column: Column) -> str:
    if callable(column):
        try:
            value = column(row)
        except Exception as error:
            raise ProblemSetError(
                f"{where}: the function for {key!r} raised {type(error).__name__}: {error}"
            ) from error
    elif column in row:
        value = row[column]
    else:
        raise ProblemSetError(
            f"{where}: no column {column!r} for the problem's {key}; it has "
            f"{', '.join(map(repr, row)) or 'none'}. Name the column with {key}=…"
        )
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ProblemSetError(
            f"{where}: the problem's {key} must be text or a number, "
            f"got {type(value).__name__} ({value!r:.60})."
        )
    return str(value)


def _read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    if not path.is_file():
        raise ProblemSetError(f"No file {str(path)!r}. Expected .jsonl, .jsonl.gz, .json, .parquet.")
    kind = path.name.lower()
    if kind.endswith((".jsonl", ".jsonl.gz", ".ndjson")):
        yield from _read_json_lines(path)
    elif kind.endswith(".json"):
        yield from _read_json(path)
    elif kind.endswith(".parquet"):
        yield from _read_parquet(path)
    else:
        raise ProblemSetError(
            f"Cannot tell what {str(path)!r} holds by its name. "
            "Expected .jsonl, .jsonl.gz, .json or .parquet."
        )


def _read_json_lines(path: Path) -> Iterator[tuple[str, Row]]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                where = f"{path}, line {number}"
                if line.strip():
                    yield where, _parse(where, line)
    except (OSError, EOFError) as error:  # a truncated gzip file, a disk error
        raise ProblemSetError(f"{path}: cannot be read: {error}") from error


def _read_json(path: Path) -> Iterator[tuple[str, Row]]:
    rows = _parse(str(path), path.read_bytes())
    if not isinstance(rows, list):
        raise ProblemSetError(f"{path}: expected a JSON list of objects.")
    for number, row in enumerate(rows):
        yield f"{path}, element {number}", row


def _read_parquet(path: Path) -> Iterator[tuple[str, Row]]:
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
