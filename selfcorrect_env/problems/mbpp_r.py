"""MBPP-R: repair wrong programs for MBPP's tasks (Ni et al., arXiv 2404.14662; paper, table 3).

Each problem includes a wrong first program; there is one attempt, the correction. The wrong
programs of the paper, written by PaLM 2, are not published. So they are read from the user's file,
or made here from MBPP's references by one small change each. Scores on the latter are not scores
on the paper's MBPP-R.
"""

from __future__ import annotations

import os
from pathlib import Path

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems import mbpp
from selfcorrect_env.problems.code_rows import text_of
from selfcorrect_env.problems.mutants import mutants
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.row_files import read_rows
from selfcorrect_env.types import Problem, Reason
from selfcorrect_env.verifiers.code import CodeVerifier

_ROUNDS = 12
"""Maximum number of changed programs to try per task until one fails its tests."""


def load(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    programs: str | os.PathLike[str] | None = None,
    revision: str | None = None,
) -> ProblemSet:
    """Load MBPP's tasks, each with a wrong program to repair.

    Args:
        split: a split of MBPP (`selfcorrect_env.problems.mbpp`).
        path: the path of MBPP; see there.
        programs: a file of wrong programs, with the columns ``task_id`` and ``program``; a task
            may have several. Without it, the programs are made and the set is named MBPP-R-mutants.
        revision: the revision of MBPP; see there.

    The metadata contain ``first_attempt``, the wrong program, which is part of the conversation.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: MBPP is not available, or a row of ``programs`` is invalid.
        SandboxError: programs have to be made, and this machine cannot run them in isolation.
    """
    tasks = mbpp.load(split, path=path, revision=revision)
    if programs is not None:
        return ProblemSet(
            _from_file(tasks, Path(programs).expanduser()), name="MBPP-R", split=split
        )
    return ProblemSet(_from_mutants(tasks), name="MBPP-R-mutants", split=split)


def _from_file(tasks: ProblemSet, path: Path) -> list[Problem]:
    known = {problem.id: problem for problem in tasks}
    found: list[Problem] = []
    for where, row in read_rows(path):
        problem = known.get(str(row.get("task_id")))
        if problem is not None:
            number = sum(
                other.metadata["task_id"] == problem.metadata["task_id"] for other in found
            )
            found.append(_repair(problem, text_of(where, row, "program"), number))
    if not found:
        raise ProblemSetError(
            f"{path} contains no program for a task of MBPP's split {tasks.split!r}; it needs the "
            "columns task_id and program."
        )
    return found


def _from_mutants(tasks: ProblemSet) -> list[Problem]:
    """Return each task with the first changed program that fails its tests."""
    verifier = CodeVerifier(deadline=2.0)  # timeouts are not used as wrong programs
    waiting = {problem: mutants(problem.reference, problem.id) for problem in tasks}
    wrong: dict[Problem, str] = {}
    for n in range(_ROUNDS):
        tried = [p for p, programs in waiting.items() if p not in wrong and len(programs) > n]
        replies = [waiting[problem][n] for problem in tried]
        verdicts = verifier.verify_batch(tried, replies)
        for problem, reply, verdict in zip(tried, replies, verdicts, strict=True):
            if verdict.reason is Reason.WRONG:
                wrong[problem] = reply
    verifier.close()
    return [_repair(problem, wrong[problem], 0) for problem in tasks if problem in wrong]


def _repair(problem: Problem, program: str, number: int) -> Problem:
    return Problem(
        id=f"{problem.id}/{number}",
        prompt=problem.prompt,
        reference=problem.reference,
        metadata={**problem.metadata, "first_attempt": program},
    )
