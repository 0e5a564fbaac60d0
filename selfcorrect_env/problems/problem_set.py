"""`ProblemSet`: a named, immutable sequence of problems whose content has a fingerprint."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias, overload

import numpy as np

from selfcorrect_env.errors import ProblemSetError, UnknownProblemSetError
from selfcorrect_env.problems.row_files import SUFFIXES, Row, dataset_rows, read_rows
from selfcorrect_env.types import Problem

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
        TypeError: one of ``problems`` is no `Problem`.

    >>> ProblemSet.from_records([{"prompt": "1 + 1 = ?", "reference": 2}], name="sums")
    ProblemSet('sums', split='test', 1 problem, fingerprint='30591da31c2a9b88')
    """

    def __init__(self, problems: Iterable[Problem], *, name: str, split: str = "test") -> None:
        self._problems = tuple(problems)
        self.name = name
        self.split = split
        if not self._problems:
            raise ProblemSetError(
                f"Problem set {name!r} (split {split!r}) is empty; it needs at least one problem."
            )
        for problem in self._problems:
            if not isinstance(problem, Problem):
                raise TypeError(
                    f"A ProblemSet holds Problem objects, not {type(problem).__name__} "
                    f"({problem!r:.60}). For dicts, use ProblemSet.from_records."
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

        Raises:
            ProblemSetError: a problem's metadata holds something that is not JSON-able.
        """
        digest = hashlib.sha256()
        for problem in self._problems:
            row = [problem.id, problem.prompt, problem.reference, dict(problem.metadata)]
            try:
                line = json.dumps(row, sort_keys=True, default=_plain)
            except (TypeError, ValueError) as error:
                raise ProblemSetError(
                    f"Problem {problem.id!r} of {self.name!r}: its metadata must be JSON-able "
                    f"to have a fingerprint: {error}."
                ) from error
            digest.update(line.encode("utf-8"))
            digest.update(b"\n")
        return digest.hexdigest()[:16]

    # -- views --------------------------------------------------------------------------
    def by_id(self, id: str) -> Problem:
        """Return the problem called ``id``; `UnknownNameError` (a KeyError) if there is none."""
        try:
            return self._problems[self._index_by_id[id]]
        except KeyError:
            raise UnknownProblemSetError(
                f"{self.name!r} has no problem with id {id!r}. It has {len(self):,}, "
                f"the first of them {self._problems[0].id!r}."
            ) from None

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
                ``"id"``. Where a row has none, or the function returns None, the row's
                number, counted from 0.

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
        return cls._from_located(read_rows(path), name, split, prompt, reference, id)

    @classmethod
    def from_dataset(
        cls,
        dataset: Iterable[Row] | str,
        *,
        name: str | None = None,
        split: str = "test",
        prompt: Column = "prompt",
        reference: Column = "reference",
        id: Column | None = None,
        config: str | None = None,
        revision: str | None = None,
    ) -> ProblemSet:
        """Build a set from any Hugging Face data set, or a file of rows, by naming its columns.

        Args:
            dataset: a ``datasets.Dataset`` or other rows; an id on the hub, such as
                ``"openai/gsm8k"``; or the path of a file, as in `from_file`.
            name: the set's name; by default the id, or the file's stem.
            split: which split of a data set on the hub; else what the set's split is called.
            prompt: as in `from_records`, like ``reference`` and ``id``.
            reference: as in `from_records`.
            id: as in `from_records`.
            config: which configuration of a data set on the hub.
            revision: which commit or tag of it; by default the newest.

        Raises:
            ProblemSetError: it cannot be loaded, or a row lacks a column or holds something else
                than text or a number there.
        """
        if isinstance(dataset, str) and dataset.lower().endswith(SUFFIXES):
            path = Path(dataset)
            return cls.from_file(
                path, name=name, split=split, prompt=prompt, reference=reference, id=id
            )
        if isinstance(dataset, str):
            name = name or dataset
            dataset = dataset_rows(dataset, config, split, revision)
        name = name or "dataset"
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
        used = {column for column in (prompt, reference, id or "id") if isinstance(column, str)}
        problems = []
        for number, (where, row) in enumerate(located):
            if not isinstance(row, Mapping):
                raise ProblemSetError(
                    f"{where}: expected an object with columns, got {type(row).__name__}."
                )
            named = _value(where, row, "id", id) if id is not None else row.get("id")
            problems.append(
                Problem(
                    id=str(number) if named is None else _text(where, "id", named),
                    prompt=_text(where, "prompt", _value(where, row, "prompt", prompt)),
                    reference=_text(where, "reference", _value(where, row, "reference", reference)),
                    metadata={key: value for key, value in row.items() if key not in used},
                )
            )
        return cls(problems, name=name, split=split)


def _value(where: str, row: Row, key: str, column: Column) -> Any:
    if callable(column):
        try:
            return column(row)
        except Exception as error:
            raise ProblemSetError(
                f"{where}: the function for {key!r} raised {type(error).__name__}: {error}"
            ) from error
    if column in row:
        return row[column]
    raise ProblemSetError(
        f"{where}: no column {column!r} for the problem's {key}; it has "
        f"{', '.join(map(repr, row)) or 'none'}. Name the column with {key}=…"
    )


def _text(where: str, key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
        return str(value)
    raise ProblemSetError(
        f"{where}: the problem's {key} must be text or a finite number, "
        f"got {type(value).__name__} ({value!r:.60})."
    )


def _plain(value: Any) -> Any:
    """Return a JSON-able value that stands for ``value`` in a fingerprint."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)  # their own order changes from process to process
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, date | time | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} ({value!r:.60}) is not JSON-able")
