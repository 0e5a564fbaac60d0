"""MATH as its authors publish it: a folder with a JSON file for each problem.

``MATH/train/algebra/1.json`` holds ``problem``, ``level`` (``"Level 5"``), ``type`` (the subject)
and ``solution``. The splits are the authors' own, 7,500 and 5,000 problems, and not those of the
paper that this package follows: its test split, MATH-500, is a selection of the authors' one, and
its training split has the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from selfcorrect_env.problems.row_files import Row, read_object

PUBLISHED = {"train": 7_500, "test": 5_000}
"""Number of problems in each of the authors' splits."""


def tree_of_split(folder: Path, split: str) -> Path | None:
    """Return the folder of a split in MATH's original tree, or None if it is no such tree.

    Args:
        folder: the folder ``MATH``, the one that holds it, or ``MATH/train`` itself.
        split: ``"train"`` or ``"test"``.
    """
    candidates = [folder / split, folder / "MATH" / split]
    if folder.name == split:
        candidates.insert(0, folder)
    return next((each for each in candidates if any(each.glob("*/*.json"))), None)


def read_tree(folder: Path) -> Iterator[tuple[str, Row]]:
    """Yield the problems of a split, each with its file, in an order that mixes the subjects.

    The problems of a subject keep their order and lie evenly among the others, so the first n of
    the split have about its share of each subject. The rows have the column ``unique_id`` in
    addition, as in MATH-500: ``test/algebra/1.json``.

    Raises:
        ProblemSetError: a file is no JSON object; the message names it.
    """
    placed: list[tuple[float, Path]] = []
    for subject in (path for path in folder.iterdir() if path.is_dir()):
        files = sorted(subject.glob("*.json"), key=_number)
        placed += [((index + 0.5) / len(files), file) for index, file in enumerate(files)]
    for _, file in sorted(placed):
        id = f"{folder.name}/{file.parent.name}/{file.name}"
        yield str(file), {**read_object(file), "unique_id": id}


def _number(file: Path) -> tuple[int, str]:
    digits = file.stem if file.stem.isdigit() else "0"
    return int(digits), file.name
