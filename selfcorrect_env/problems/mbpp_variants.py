"""MBPP sanitized and MBPP+: the tasks of MBPP that were checked by hand, and more tests for them.

The columns of a row are ``task_id``, ``prompt`` (the statement), ``code``, ``test_imports``,
``test_list`` (asserts, shown in the prompt) and, in MBPP+, ``test``: a program with the asserts of
EvalPlus, which imports numpy. MBPP sanitized: Austin et al., arXiv 2108.07732, CC BY 4.0. MBPP+:
Liu et al., arXiv 2305.01210, Apache 2.0.
"""

from __future__ import annotations

import os

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems import mbpp
from selfcorrect_env.problems.code_rows import code_problem, names_used, text_of, texts_of
from selfcorrect_env.problems.files import check_count, given_file
from selfcorrect_env.problems.located import rows_or_ways
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.row_files import Row
from selfcorrect_env.problems.splits import check_split
from selfcorrect_env.types import Problem

PLUS_REPO = "evalplus/mbppplus"
"""Repository id of MBPP+ on the hub."""

SANITIZED_VARIABLE = "SELFCORRECT_MBPPSANITIZED_PATH"
PLUS_VARIABLE = "SELFCORRECT_MBPPPLUS_PATH"
"""The environment variables for the paths of their files."""

SANITIZED_SIZES = {"prompt": 7, "test": 257, "validation": 43, "train": 120}
"""Number of problems of each split of MBPP sanitized."""

PLUS_SIZE = 378
"""Number of problems of MBPP+ v0.2, all of them in the test split."""


def load_sanitized(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    revision: str | None = None,
) -> ProblemSet:
    """Load MBPP sanitized: the 427 tasks of MBPP that its authors checked by hand.

    Args:
        split: ``"train"`` (120 problems), ``"validation"`` (43), ``"test"`` (257) or ``"prompt"``
            (7): the ranges of task ids are MBPP's.
        path: a file of all rows (``sanitized-mbpp.json``) or of one split, or a folder with a file
            for each split. Default: ``SELFCORRECT_MBPPSANITIZED_PATH``, then the hub.
        revision: a commit or tag of the repository on the hub, ``"main"`` for the newest; by
            default the commit in `selfcorrect_env.problems.hub.PINNED`.

    If the size differs from the published one, a `ProblemSetWarning` is issued.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: it is not available, or a row is invalid.
    """
    check_split("mbpp-sanitized", split, mbpp.SPLITS)
    where, located = rows_or_ways(
        given_file(path, SANITIZED_VARIABLE, split),
        mbpp.REPO,
        split,
        "sanitized",
        revision,
        name="MBPP sanitized",
        variable=SANITIZED_VARIABLE,
    )
    found = [_problem(*pair) for pair in located if mbpp.task_of(*pair) in mbpp.SPLITS[split]]
    if not found:
        raise ProblemSetError(f"{where} contains no task of MBPP's split {split!r}.")
    loaded = ProblemSet(found, name="MBPP-sanitized", split=split)
    check_count(loaded, SANITIZED_SIZES[split], where)
    return loaded


def load_plus(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    revision: str | None = None,
) -> ProblemSet:
    """Load MBPP+: 378 tasks of MBPP with about 35 times as many tests.

    Args:
        split: ``"test"``, the only one.
        path: a file of the rows. Default: ``SELFCORRECT_MBPPPLUS_PATH``, then the hub.
        revision: as in `load_sanitized`.

    The statement shows the asserts of ``test_list``; the reply is judged by ``test``.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: it is not available, or a row is invalid.
    """
    check_split("mbpp-plus", split, ("test",))
    where, located = rows_or_ways(
        given_file(path, PLUS_VARIABLE, split),
        PLUS_REPO,
        split,
        revision=revision,
        name="MBPP+",
        variable=PLUS_VARIABLE,
    )
    loaded = ProblemSet((_problem(*pair, "test") for pair in located), name="MBPP+", split=split)
    check_count(loaded, PLUS_SIZE, where)
    return loaded


def _problem(where: str, row: Row, column: str | None = None) -> Problem:
    """Return the problem of a row, judged by the asserts, or by the program in a column."""
    task, shown = mbpp.task_of(where, row), texts_of(where, row, "test_list")
    tests = shown if column is None else [text_of(where, row, column)]
    reference = text_of(where, row, "code")
    try:
        names, imports = names_used(reference, [*shown, *tests])
    except SyntaxError as error:
        raise ProblemSetError(f"{where}: its code or a test is invalid Python: {error}.") from error
    given = texts_of(where, row, "test_imports") if row.get("test_imports") else []
    return code_problem(
        id=str(task),
        prompt=mbpp.statement(where, row, "prompt"),
        reference=reference,
        tests=tests,
        names=names,
        setup="\n".join([*given, *([imports] if imports else [])]),
        metadata={"task_id": task, "text": text_of(where, row, "prompt")},
    )
