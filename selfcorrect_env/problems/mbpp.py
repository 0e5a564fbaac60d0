"""MBPP: write a short Python function from a sentence and three asserts (arXiv 2108.07732).

Austin et al. 2021. The columns of a row: ``task_id`` (1 to 974), ``text``, ``code``, ``test_list``
(asserts, shown in the prompt), ``test_setup_code``, ``challenge_test_list``. Licence of the data:
CC BY 4.0. The splits are the authors' ranges of ``task_id``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from selfcorrect_env.errors import HubUnavailableError, ProblemSetError
from selfcorrect_env.problems.code_rows import (
    code_problem,
    names_used,
    text_of,
    texts_of,
)
from selfcorrect_env.problems.files import check_count, given_file
from selfcorrect_env.problems.hub import hub_rows
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.row_files import Row, read_rows
from selfcorrect_env.problems.splits import check_split
from selfcorrect_env.prompts import MBPP_FRAME, PROMPTS, Prompts, worked_example
from selfcorrect_env.types import Problem

REPO = "google-research-datasets/mbpp"
"""Repository id on the hub; the configuration is ``full``."""

VARIABLE = "SELFCORRECT_MBPP_PATH"
"""The environment variable for the path of its file."""

SPLITS = {
    "prompt": range(1, 11),
    "test": range(11, 511),
    "validation": range(511, 601),
    "train": range(601, 975),
}
"""Task ids of each split; ``"prompt"`` is reserved for worked examples."""

SHOTS = (2, 3, 4)
"""The tasks in the three-shot prompt (paper, appendix C)."""


def load(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    challenge: bool = False,
    revision: str | None = None,
) -> ProblemSet:
    """Load MBPP.

    Args:
        split: ``"train"`` (374 problems), ``"validation"`` (90), ``"test"`` (500) or
            ``"prompt"`` (10).
        path: a file of all 974 rows or of one split, or a folder with a file for each split.
            Default: ``SELFCORRECT_MBPP_PATH``, then the hub.
        challenge: also use the challenge tests, which few tasks have and no prompt shows.
        revision: a commit or tag of the repository on the hub, ``"main"`` for the newest; by
            default the commit in `selfcorrect_env.problems.hub.PINNED`.

    The statement shows the three asserts, as in the paper. If the size differs from the published
    one, a `ProblemSetWarning` is issued.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: it is not available (the message lists the ways to get it), or a row is
            invalid.
    """
    check_split("mbpp", split, SPLITS)
    where, located = located_rows(split, path, revision)
    problems = (_problem(location, row, challenge) for location, row in located)
    found = [problem for problem in problems if problem.metadata["task_id"] in SPLITS[split]]
    if not found:
        raise ProblemSetError(f"{where} contains no task of MBPP's split {split!r}.")
    loaded = ProblemSet(found, name="MBPP", split=split)
    check_count(loaded, len(SPLITS[split]), where)
    return loaded


def three_shot(
    path: str | os.PathLike[str] | None = None, *, revision: str | None = None
) -> Prompts:
    """Return the paper's three-shot prompts, whose examples are MBPP's tasks 2, 3 and 4.

    The examples are read from the data; this package contains no text of MBPP.

    Raises:
        ProblemSetError: MBPP is not available, or one of the three tasks is missing.
    """
    _, located = located_rows("prompt", path, revision)
    rows = {row.get("task_id"): (location, row) for location, row in located}
    missing = [str(shot) for shot in SHOTS if shot not in rows]
    if missing:
        raise ProblemSetError(
            f"The three-shot prompt needs MBPP's tasks 2, 3 and 4; {', '.join(missing)} is missing."
        )
    examples = [
        worked_example(statement(*rows[shot]), text_of(*rows[shot], "code")) for shot in SHOTS
    ]
    attempt = "\n\n".join([*examples, MBPP_FRAME])
    return Prompts("mbpp-three-shot", attempt, PROMPTS["mbpp"].correction)


def located_rows(
    split: str, path: str | os.PathLike[str] | None, revision: str | None
) -> tuple[str, Iterable[tuple[str, Row]]]:
    """Return the source of MBPP, and its rows with the location of each.

    Raises:
        ProblemSetError: MBPP is not available.
    """
    file = given_file(path, VARIABLE, split)
    if file is not None:
        return str(file), read_rows(file)
    try:
        rows = hub_rows((REPO,), split, "full", revision)
    except HubUnavailableError as error:
        raise ProblemSetError(
            f"MBPP is not available: {error}. Three ways to get it: (1) with a network, pip "
            f"install 'selfcorrect-env[data]', which loads {REPO} from the Hugging Face hub; "
            "(2) path=FILE, such as mbpp.jsonl; (3) the environment variable "
            f"{VARIABLE}=FILE. SelfCorrect-Code-v0 needs no data."
        ) from error
    return (
        f"{REPO} on the Hugging Face hub",
        ((f"row {number} of {REPO}", row) for number, row in enumerate(rows)),
    )


def statement(where: str, row: Row, column: str = "text") -> str:
    """Return the statement of a row with its tests, in the paper's format."""
    text = text_of(where, row, column).strip()
    tests = "\n".join(texts_of(where, row, "test_list"))
    return f"{text} Your code should pass these tests:\n\n{tests}"


def task_of(where: str, row: Row) -> int:
    """Return the number of a row's task; raise `ProblemSetError` if there is none."""
    task = row.get("task_id")
    if isinstance(task, bool) or not isinstance(task, int):
        raise ProblemSetError(
            f"{where}: expected an int in the column 'task_id', got {task!r:.60}."
        )
    return task


def _problem(where: str, row: Row, challenge: bool) -> Problem:
    task = task_of(where, row)
    tests = texts_of(where, row, "test_list")
    if challenge:
        tests = [*tests, *(row.get("challenge_test_list") or [])]
    reference, setup = text_of(where, row, "code"), row.get("test_setup_code") or ""
    try:
        names, imports = names_used(reference, [*tests, setup])
    except SyntaxError as error:
        raise ProblemSetError(f"{where}: its code or a test is invalid Python: {error}.") from error
    return code_problem(
        id=str(task),
        prompt=statement(where, row),
        reference=reference,
        tests=tests,
        names=names,
        setup=f"{imports}\n{setup}" if imports else setup,
        metadata={"task_id": task, "text": text_of(where, row, "text")},
    )
