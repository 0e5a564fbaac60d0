"""Folders with a file, or a saved ``datasets.Dataset``, for each split."""

from __future__ import annotations

import json
import re
from pathlib import Path

from selfcorrect_env.errors import ProblemSetError, UnknownProblemSetError
from selfcorrect_env.problems.row_files import FORMATS, SUFFIXES

_SYNONYMS = {"validation": ("validation", "valid", "val", "dev")}


def file_of_split(folder: Path, split: str) -> Path:
    """Return the file of ``folder`` whose name says ``split``, such as ``train.jsonl``.

    In a folder that ``datasets.DatasetDict.save_to_disk`` wrote, this is the folder of the split.
    ``valid``, ``val`` and ``dev`` also name the split ``"validation"``.

    Raises:
        UnknownProblemSetError: a saved ``DatasetDict`` has no such split.
        ProblemSetError: no file or several files have the split in their name.
    """
    if is_saved_dataset_dict(folder):
        return folder / _known_split(folder, split)
    files = sorted(file for file in folder.iterdir() if file.name.lower().endswith(SUFFIXES))
    words = _SYNONYMS.get(split, (split,))
    word = re.compile(rf"(?<![a-z])({'|'.join(map(re.escape, words))})(?![a-z])")
    named = [file for file in files if word.search(file.name.lower())]
    exact = [file for file in named if file.name.split(".")[0].lower() in words]
    chosen = exact if len(exact) == 1 else named
    if len(chosen) == 1:
        return chosen[0]
    wrong = "several files whose names say" if chosen else "no file whose name says"
    raise ProblemSetError(
        f"The folder {str(folder)!r} has {wrong} {split!r}. Expected one such as {split}.jsonl "
        f"({FORMATS}). It holds {', '.join(f.name for f in files) or 'none of these'}. "
        "Name a file instead of the folder."
    )


def is_saved_dataset_dict(folder: Path) -> bool:
    """Return whether ``datasets.DatasetDict.save_to_disk`` wrote ``folder``."""
    return (folder / "dataset_dict.json").is_file()


def _known_split(folder: Path, split: str) -> str:
    index = folder / "dataset_dict.json"
    try:
        splits = [str(name) for name in json.loads(index.read_bytes())["splits"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProblemSetError(f"{index}: does not name the splits: {error!r}") from error
    if split not in splits:
        raise UnknownProblemSetError.of(f"split of {str(folder)!r}", split, splits)
    return split
