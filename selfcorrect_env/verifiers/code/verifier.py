"""The code verifier: does the program in a reply pass the problem's tests?"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Sequence
from typing import Any

from selfcorrect_env.sandbox import Backend, Isolation, Job, Outcome, open_backend
from selfcorrect_env.sandbox.pool import MEBIBYTE
from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.answer_format import AnswerFormat
from selfcorrect_env.verifiers.base import failed
from selfcorrect_env.verifiers.code.programs import LONGEST, program_of
from selfcorrect_env.verifiers.code.syntax import Parser, binding, binds

MOST_REFERENCES = 4096
"""Number of problems of which a verifier remembers whether their references pass."""


class CodeVerifier:
    """Runs the program of a reply against the tests of its problem, in a sandbox.

    How the program is found in the reply: `selfcorrect_env.verifiers.code.programs`.

    The problem's metadata must have ``tests`` and ``names``, and may have ``setup`` and ``stub``
    (`selfcorrect_env.problems.code_rows.code_problem`). The tests run in a separate process,
    which receives the program's results as plain data: see `selfcorrect_env.sandbox`.

    Verdicts: ``correct`` if every test passed; ``wrong``, with the failure as detail; ``no
    answer``; ``timeout`` if the program exceeded its time or memory. ``error`` is never a program's
    doing: the sandbox failed, or the problem's own reference fails its tests (which is tried once,
    when a program of the problem fails first), so that they judge no program.

    Args:
        deadline: seconds per program, for all tests, without the time that it waits for a
            processor, > 0.
        workers: number of programs that run at the same time, ≥ 1.
        memory_mb: address space per program, in MiB.
        isolation: ``"strong"``, or ``"basic"``, with which a program can do everything that you
            can.
        backend: where programs run: ``"local"``, ``"docker"``, ``"podman"``, the name of another
            package's backend, ``"module:attribute"``, or a `selfcorrect_env.sandbox.Backend`.
        packages: installed packages that programs may import beside the standard library, such
            as ``["numpy"]``; one of them may be given alone, as in ``"code,packages=numpy"``.

    Raises:
        SandboxError: this machine does not support the requested isolation.
    """

    name = "code"
    answer_format = AnswerFormat(hedge=None, expressions=False)  # a program is one answer

    def __init__(
        self,
        deadline: float = 5.0,
        workers: int = 2,
        memory_mb: int = 512,
        isolation: Isolation = "strong",
        backend: str | Backend = "local",
        packages: str | Sequence[str] = (),
    ) -> None:
        packages = (packages,) if isinstance(packages, str) else tuple(packages)
        self._arguments = (deadline, workers, memory_mb, isolation, backend, packages)
        self._sandbox = open_backend(
            backend,
            deadline=deadline,
            workers=workers,
            memory=memory_mb * MEBIBYTE,
            isolation=isolation,
            **({"packages": packages} if packages else {}),
        )
        self._references: dict[Job, str] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return CodeVerifier, self._arguments  # a copy has its own processes

    def __repr__(self) -> str:
        deadline, workers, _, isolation, *_ = self._arguments
        return f"CodeVerifier(deadline={deadline:g}, workers={workers}, isolation={isolation!r})"

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response; thread-safe."""
        return self.verify_batch([problem], [response])[0]

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many responses, ``workers`` at a time; equal programs of a problem run once."""
        found = [job_of(*pair) for pair in zip(problems, responses, strict=True)]
        jobs = list(dict.fromkeys(job for job in found if isinstance(job, Job)))
        outcomes = dict(zip(jobs, self._sandbox.run_all(jobs), strict=True))
        failing = [
            problem
            for problem, job in zip(problems, found, strict=True)
            if isinstance(job, Job) and not outcomes[job].right
        ]
        self._try_references(failing)
        return [
            job if isinstance(job, Verdict) else self._verdict(problem, job, outcomes[job])
            for problem, job in zip(problems, found, strict=True)
        ]

    def _try_references(self, problems: Sequence[Problem]) -> None:
        """Find out whether problems can be judged: whether their references pass."""
        jobs = list(dict.fromkeys(filter(None, map(reference_job, problems))))
        jobs = [job for job in jobs if job not in self._references]
        for job, outcome in zip(jobs, self._sandbox.run_all(jobs), strict=True):
            exceeded = outcome.timeout or outcome.memory
            if not outcome.broken:
                self._references[job] = "" if outcome.right or exceeded else outcome.failed
        while len(self._references) > MOST_REFERENCES:
            self._references.pop(next(iter(self._references)), None)

    def _verdict(self, problem: Problem, job: Job, outcome: Outcome) -> Verdict:
        if outcome.broken:
            return failed(outcome.broken)
        if outcome.right:
            return Verdict(1.0, Reason.CORRECT, job.source)
        reference = reference_job(problem)
        failure = outcome.failed if outcome.cause == "problem" else ""
        failure = failure or (self._references.get(reference, "") if reference else "")
        if failure:
            return failed(
                f"the tests of problem {problem.id!r} judge no program, not even its reference: "
                + " ".join(failure.split())
            )
        exceeded = outcome.timeout or outcome.memory
        reason = Reason.TIMEOUT if exceeded else Reason.WRONG
        return Verdict(0.0, reason, job.source, " ".join(outcome.failed.split()))

    def close(self) -> None:
        """Kill the sandbox's idle processes; they start again when needed."""
        self._sandbox.close()


def job_of(problem: Problem, response: str) -> Job | Verdict:
    """Return the job to run, or the verdict if none has to run."""
    metadata = problem.metadata
    tests, names = metadata.get("tests"), metadata.get("names")
    if not tests or not names:
        return failed(
            f"problem {problem.id!r} is not a code problem: its metadata lack 'tests' or 'names'"
        )
    program = program_of(response, names[0], metadata.get("stub") or "", names[1:])
    if program is None:
        return Verdict(0.0, Reason.NO_ANSWER)
    if len(program) > LONGEST:
        detail = f"a program of {len(program):,} characters; more than {LONGEST:,} are not run"
        return Verdict(0.0, Reason.WRONG, program[:100], detail)
    program = with_prelude(program, metadata.get("prelude") or "")
    classes = classes_of(problem.reference, tuple(names))
    setup = metadata.get("setup") or ""
    return Job(program, tuple(tests), tuple(names), setup, classes=classes)


def with_prelude(program: str, prelude: str) -> str:
    """Return a program after the imports that its problem gives it.

    A program that begins with an import from ``__future__`` is left as it is: nothing may precede
    that.
    """
    if not prelude or re.search(r"^from __future__ import", program, re.MULTILINE):
        return program
    return f"{prelude}\n{program}"


def reference_job(problem: Problem) -> Job | None:
    """Return the job of a problem's reference, or None if the reference is no such program."""
    job = job_of(problem, problem.reference)
    if isinstance(job, Verdict) or not defines(job.source, job.names[0]):
        return None
    return job


@functools.lru_cache(1024)
def classes_of(reference: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the names that are classes: by the reference, else by their capital."""
    tree = Parser().parse(reference)
    defined = dict(binding(tree)) if tree is not None else {}
    return tuple(
        name
        for name in names
        if isinstance(defined.get(name), ast.ClassDef)
        or (name not in defined and name[:1].isupper())
    )


@functools.lru_cache(1024)
def defines(source: str, name: str) -> bool:
    """Return whether a program defines a name at its top level."""
    tree = Parser().parse(source)
    return tree is not None and binds(tree, name)
