"""Overlap: which problems of a test set were also trained on.

Two problems are the same if their statements have the same
`selfcorrect_env.problems.splits.statement_hash`. Ids, references and metadata don't matter.

A training run writes the hashes of the statements that it trained on to ``trained_on.json`` in
its folder, so that a later evaluation of its model can find the overlap.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.splits import statement_hash
from selfcorrect_env.types import Problem

FILE_NAME = "trained_on.json"
"""The file of a run folder that holds the hashes."""

_PARENTS = 3  # a run keeps models in model/ and in checkpoints/step-000120/model/


def shared_problems(trained: ProblemSet, tested: ProblemSet) -> list[Problem]:
    """Return the problems of ``tested`` whose statement is also in ``trained``, in order."""
    return _with_hashes(tested, {statement_hash(problem.prompt) for problem in trained})


@dataclass(frozen=True)
class TrainedOn:
    """What a model was trained on, as its run folder recorded it."""

    problem_sets: tuple[str, ...]
    """A line for each problem set: its name, split, size and fingerprint."""
    statement_hashes: frozenset[str]
    """The `statement_hash` of every problem of these sets."""

    def shared(self, tested: Iterable[Problem]) -> list[Problem]:
        """Return the problems of ``tested`` that the model was trained on, in order."""
        return _with_hashes(tested, self.statement_hashes)


def write_trained_on(
    folder: str | Path, problems: ProblemSet, *, model: str | Path | None = None
) -> None:
    """Record in ``folder`` that its run trains on ``problems``.

    Args:
        folder: the run folder, or a folder with a model.
        problems: what the run trains on.
        model: the model that training starts from. If it has a record of its own, the sets of
            that record are included.

    Raises:
        CheckpointError: the record of ``model`` is damaged.
        OSError: the file cannot be written.
    """
    earlier = None if model is None else read_trained_on(model)
    line = (
        f"{problems.name}, split {problems.split!r}, {len(problems):,} problems, "
        f"fingerprint {problems.fingerprint}"
    )
    hashes = {statement_hash(problem.prompt) for problem in problems}
    record = {
        "problem_sets": list(dict.fromkeys([*(earlier.problem_sets if earlier else ()), line])),
        "statement_hashes": sorted(hashes | (earlier.statement_hashes if earlier else frozenset())),
    }
    path = Path(folder) / FILE_NAME
    unfinished = path.with_name(f".{path.name}-{os.getpid()}")
    unfinished.write_text(json.dumps(record, indent=0) + "\n", encoding="utf-8")
    os.replace(unfinished, path)


def read_trained_on(model: str | Path) -> TrainedOn | None:
    """Return what ``model`` was trained on, or None if there is no record of it.

    Args:
        model: the folder of a model (or one of its files). The folder itself and the three above
            it are searched, so that a run's ``model`` and its checkpoints are both found. A name
            that is no path of this machine has no record.

    Raises:
        CheckpointError: the record is damaged.
    """
    start = Path(os.path.expanduser(model))
    if not os.path.exists(start):  # unlike Path.exists, False for a name that is too long
        return None
    start = start.resolve()
    for folder in (start, *start.parents[:_PARENTS]):
        path = folder / FILE_NAME
        if path.is_file():
            return _read(path)
    return None


def _read(path: Path) -> TrainedOn:
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
        sets, hashes = record["problem_sets"], record["statement_hashes"]
        if not all(isinstance(text, str) for text in [*sets, *hashes]):
            raise TypeError("expected lists of texts")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{path} is damaged ({type(error).__name__}: {error}): it must hold the hashes of the "
            "problems that the model was trained on. Delete it to evaluate without that check."
        ) from error
    return TrainedOn(tuple(sets), frozenset(hashes))


def _with_hashes(problems: Iterable[Problem], hashes: Iterable[str]) -> list[Problem]:
    known = frozenset(hashes)
    return [problem for problem in problems if statement_hash(problem.prompt) in known]
