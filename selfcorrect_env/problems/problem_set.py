"""`ProblemSet`: a named, immutable sequence of problems whose content has a fingerprint."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, overload

import numpy as np

from selfcorrect_env.errors import HubUnavailableError, ProblemSetError, UnknownProblemSetError
from selfcorrect_env.problems.columns import Column, Columns
from selfcorrect_env.problems.hub import hub_rows
from selfcorrect_env.problems.row_files import SUFFIXES, Row, is_saved_dataset, read_rows
from selfcorrect_env.problems.row_objects import has_rows_by_split, rows_of, rows_of_split
from selfcorrect_env.problems.split_folders import file_of_split
from selfcorrect_env.problems.splits import is_held_out
from selfcorrect_env.prompts import Prompts
from selfcorrect_env.types import Problem, ScoreFunction, Verifier

ALL = "all"
"""The split of a set that has only one, such as the rows of one file."""


class ProblemSet(Sequence[Problem]):
    """A named, immutable, indexable sequence of `Problem`.

    Two sets are equal if they have the same name, split and problems. The default verifier and
    prompts do not count for equality or for the fingerprint.

    Args:
        problems: the problems; their ids must be unique.
        name: the name in ``repr(env)`` and in reports.
        split: ``"train"``, ``"test"`` … as its source calls it; ``"all"`` if there is only one.
        verifier: the default verifier of an environment with these problems: a verifier's name,
            a `Verifier` or a function; None if the set has none.
        prompts: the default prompts of an environment with these problems: a name or a
            `Prompts`; None if the set has none.

    Raises:
        ProblemSetError: the set is empty, or two problems have the same id.
        TypeError: one of ``problems`` is not a `Problem`.

    >>> ProblemSet.from_records([{"prompt": "1 + 1 = ?", "reference": 2}], name="sums")
    ProblemSet('sums', split='all', 1 problem, fingerprint='30591da31c2a9b88')
    """

    def __init__(
        self,
        problems: Iterable[Problem],
        *,
        name: str,
        split: str = ALL,
        verifier: str | Verifier | ScoreFunction | None = None,
        prompts: str | Prompts | None = None,
    ) -> None:
        self._problems = tuple(problems)
        self.name = name
        self.split = split
        self.verifier = verifier
        self.prompts = prompts
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
                f"Problem set {name!r}: two problems have the id {twice!r}; ids must be unique."
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

        Two sets with the same fingerprint hold the same problems in the same order; their
        names may differ.

        Raises:
            ProblemSetError: a problem's metadata holds a value that is not JSON-able.
        """
        digest = hashlib.sha256()
        for problem in self._problems:
            row = [problem.id, problem.prompt, problem.reference, dict(problem.metadata)]
            try:
                line = json.dumps(row, sort_keys=True, default=_json_able)
            except (TypeError, ValueError) as error:
                raise ProblemSetError(
                    f"Problem {problem.id!r} of {self.name!r}: its metadata must be JSON-able "
                    f"to have a fingerprint: {error}."
                ) from error
            digest.update(line.encode("utf-8"))
            digest.update(b"\n")
        return digest.hexdigest()[:16]

    def summary(self) -> dict[str, Any]:
        """Return a new dict of ``name``, ``split``, ``size`` and ``fingerprint``."""
        return {
            "name": self.name,
            "split": self.split,
            "size": len(self),
            "fingerprint": self.fingerprint,
        }

    # -- views --------------------------------------------------------------------------
    def by_id(self, id: str) -> Problem:
        """Return the problem called ``id``; `UnknownProblemSetError` if there is none."""
        try:
            return self._problems[self._index_by_id[id]]
        except KeyError:
            raise UnknownProblemSetError(
                f"{self.name!r} has no problem with id {id!r}. It has {len(self):,}, "
                f"the first of them {self._problems[0].id!r}."
            ) from None

    def head(self, n: int) -> ProblemSet:
        """Return the first ``n`` problems, or all of them if there are fewer."""
        if n < 1:
            raise ProblemSetError(f"The number of problems must be at least 1, got {n}.")
        return self._view(self._problems[:n])

    def shuffle(self, seed: int) -> ProblemSet:
        """Return the same problems in an order drawn from ``seed``."""
        order = np.random.default_rng(seed).permutation(len(self))
        return self._view(self._problems[i] for i in order)

    def filter(self, keep: Callable[[Problem], bool]) -> ProblemSet:
        """Return the problems that ``keep`` accepts; `ProblemSetError` if none is left."""
        return self._view(problem for problem in self._problems if keep(problem))

    def train_test_split(self, holdout: float) -> tuple[ProblemSet, ProblemSet]:
        """Split the set in two by a hash of each problem's statement.

        The same statement is always on the same side, in every set and in any order, and stays
        there when problems are added. So the test set has about this share of the problems, not
        exactly.

        Args:
            holdout: the share of the test set, in (0, 1).

        Returns:
            The training set (split ``"train"``) and the test set (split ``"test"``).

        Raises:
            TypeError: ``holdout`` is not a number.
            ProblemSetError: it is not in (0, 1), or one of the two sets would be empty.
        """
        if isinstance(holdout, bool) or not isinstance(holdout, int | float):
            raise TypeError(f"holdout must be a number between 0 and 1, got {holdout!r:.60}.")
        if not 0 < holdout < 1:
            raise ProblemSetError(f"holdout must be a number between 0 and 1, got {holdout!r}.")
        parts: dict[str, list[Problem]] = {"train": [], "test": []}
        for problem in self._problems:
            parts["test" if is_held_out(problem.prompt, holdout) else "train"].append(problem)
        for split, part in parts.items():
            if not part:
                raise ProblemSetError(
                    f"holdout={holdout:g} puts none of the {len(self):,} problems of {self.name!r} "
                    f"in the split {split!r}. Choose another share, or make two files."
                )
        train, test = (self._view(part, split=split) for split, part in parts.items())
        return train, test

    def with_defaults(
        self,
        *,
        verifier: str | Verifier | ScoreFunction | None = None,
        prompts: str | Prompts | None = None,
    ) -> ProblemSet:
        """Return the set with another default verifier and other default prompts.

        An argument that is None keeps the set's own.
        """
        verifier = self.verifier if verifier is None else verifier
        prompts = self.prompts if prompts is None else prompts
        if verifier is self.verifier and prompts is self.prompts:
            return self
        changed = copy.copy(self)
        changed.verifier, changed.prompts = verifier, prompts
        return changed

    def _view(self, problems: Iterable[Problem], *, split: str | None = None) -> ProblemSet:
        return ProblemSet(
            problems,
            name=self.name,
            split=split or self.split,
            verifier=self.verifier,
            prompts=self.prompts,
        )

    # -- construction -------------------------------------------------------------------
    @classmethod
    def from_records(
        cls,
        records: Iterable[Row],
        *,
        name: str = "records",
        split: str = ALL,
        prompt_column: Column = "prompt",
        reference_column: Column = "reference",
        id_column: Column | None = None,
    ) -> ProblemSet:
        """Build a set from dicts.

        Args:
            records: one mapping for each problem; a pandas or polars ``DataFrame`` also works.
            name: the set's name.
            split: the name of the set's split.
            prompt_column: the column of the statement, or a function of the row. A list with one
                user message (``{"role": "user", "content": …}``) counts as its content.
            reference_column: the column of the reference answer, or a function of the row. Of a
                list, any element is a right answer: the first is `Problem.reference`, the others
                are `Problem.accepted`. An answer of several parts is one text: ``"1, 2"``.
            id_column: the column of the id, or a function of the row. By default the column
                ``"id"``. If a row has none, or the function returns None, the id is the row's
                number, counted from 0.

        Columns that are not named become the problem's metadata. Numbers become text.

        Raises:
            ProblemSetError: a row lacks a column, or its value is neither text nor a number.
                The message names the row.
        """
        located = ((f"record {i}", record) for i, record in enumerate(rows_of(records)))
        return cls._from_located(
            located, name, split, Columns(prompt_column, reference_column, id_column)
        )

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        name: str | None = None,
        split: str | None = None,
        prompt_column: Column = "prompt",
        reference_column: Column = "reference",
        id_column: Column | None = None,
    ) -> ProblemSet:
        """Read a set from a file, or from a folder with a file for each split.

        Files end in ``.jsonl``, ``.ndjson``, ``.json``, ``.csv``, ``.tsv`` (each also with
        ``.gz``) or ``.parquet``. A folder holds ``train.jsonl`` and ``test.jsonl`` or the like,
        or is what ``save_to_disk`` of a ``datasets.Dataset`` or ``DatasetDict`` wrote. Parquet
        and ``save_to_disk`` need ``pip install "selfcorrect-env[data]"``.

        Args:
            path: the file or folder.
            name: the set's name; by default the file's name without its ending.
            split: for a folder with several splits, the split to read, by default ``"test"``;
                otherwise the name of the set's split, by default ``"all"``.
            prompt_column: as in `from_records`.
            reference_column: as in `from_records`.
            id_column: as in `from_records`.

        Raises:
            ProblemSetError: the file is missing, of another format, or a row of it is invalid.
                The message names the file and the line.
        """
        path = Path(path).expanduser()
        name = name or path.name.split(".")[0] or "problems"
        if path.is_dir() and not is_saved_dataset(path):
            split = split or "test"
            path = file_of_split(path, split)
        columns = Columns(prompt_column, reference_column, id_column)
        return cls._from_located(read_rows(path), name, split or ALL, columns)

    @classmethod
    def from_dataset(
        cls,
        dataset: Iterable[Row] | Mapping[str, Iterable[Row]] | str,
        *,
        name: str | None = None,
        split: str | None = None,
        prompt_column: Column = "prompt",
        reference_column: Column = "reference",
        id_column: Column | None = None,
        config: str | None = None,
        revision: str | None = None,
    ) -> ProblemSet:
        """Build a set from a Hugging Face data set, or from a file.

        Args:
            dataset: a ``datasets.Dataset``, a ``DatasetDict`` or other rows; an id on the hub,
                such as ``"openai/gsm8k"``; or the path of a file or folder, as in `from_file`.
            name: the set's name; by default the id, or the file's name.
            split: the split of a ``DatasetDict``, a folder or a data set on the hub, by default
                ``"test"``; otherwise the name of the set's split, by default ``"all"``.
            prompt_column: as in `from_records`.
            reference_column: as in `from_records`.
            id_column: as in `from_records`.
            config: the configuration of a data set on the hub.
            revision: a commit or tag of it; by default the newest.

        Raises:
            ProblemSetError: it cannot be loaded, or a row lacks a column or its value is
                neither text nor a number. The hub must answer within 2.5 seconds.
        """
        columns = Columns(prompt_column, reference_column, id_column)
        if isinstance(dataset, str | Path) and _is_local(dataset):
            return cls.from_file(
                dataset,
                name=name,
                split=split,
                prompt_column=prompt_column,
                reference_column=reference_column,
                id_column=id_column,
            )
        if isinstance(dataset, str):
            name, split = name or dataset, split or "test"
            try:
                rows = hub_rows((dataset,), split, config, revision)
            except HubUnavailableError as error:
                raise ProblemSetError(
                    f"{dataset!r} cannot be loaded (config {config!r}, split {split!r}): {error}. "
                    "There is no file or folder of this name either."
                ) from error
        elif has_rows_by_split(dataset):
            split = split or "test"
            rows = rows_of(rows_of_split(dataset, split))
        else:
            rows = rows_of(dataset)
        name = name or "dataset"
        located = ((f"row {i} of {name}", row) for i, row in enumerate(rows))
        return cls._from_located(located, name, split or ALL, columns)

    @classmethod
    def _from_located(
        cls, located: Iterable[tuple[str, Row]], name: str, split: str, columns: Columns
    ) -> ProblemSet:
        problems = (columns.problem(i, where, row) for i, (where, row) in enumerate(located))
        return cls(problems, name=name, split=split)


def _is_local(name: str | Path) -> bool:
    """Return whether a name is that of a file or folder, not of a data set on the hub."""
    text = str(name)
    return (
        isinstance(name, Path)
        or text.lower().endswith(SUFFIXES)
        or text.startswith((".", "/", "~"))
        or text.count("/") > 1
        or Path(text).exists()
    )


def _json_able(value: Any) -> Any:
    """Return a JSON-able value that represents ``value`` in a fingerprint."""
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
