"""The code verifier: does the program in a reply pass the problem's tests?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selfcorrect_env.sandbox import Isolation, Job, Outcome, Sandbox
from selfcorrect_env.sandbox.pool import MEBIBYTE
from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.answer_format import AnswerFormat
from selfcorrect_env.verifiers.base import failed
from selfcorrect_env.verifiers.code.programs import LONGEST, program_of


class CodeVerifier:
    """Runs the program of a reply against the tests of its problem, in a sandbox.

    How the program is found in the reply: `selfcorrect_env.verifiers.code.programs`.

    The problem's metadata must have ``tests`` and ``names``, and may have ``setup`` and ``stub``
    (`selfcorrect_env.problems.code_rows.code_problem`). The tests run in a separate process,
    which receives the program's results as plain data: see `selfcorrect_env.sandbox`.

    Verdicts: ``correct`` if every test passed; ``wrong``, with the failure as detail; ``no
    answer``; ``timeout`` if the program exceeded its time or memory; ``error`` if the sandbox
    failed, which implies nothing about the program.

    Args:
        deadline: seconds of wall clock per program, for all tests, > 0. workers: number of
        programs that run at the same time, ≥ 1. memory_mb: address space per program, in MiB.
        isolation: ``"strong"``, or ``"basic"``, with which a program can do everything that you
        can.

    Raises:
        SandboxError: this machine does not support the requested isolation.
    """

    name = "code"
    answer_format = AnswerFormat(hedge=None)  # a program is one answer

    def __init__(
        self,
        deadline: float = 5.0,
        workers: int = 2,
        memory_mb: int = 512,
        isolation: Isolation = "strong",
    ) -> None:
        self._arguments = (deadline, workers, memory_mb, isolation)
        self._sandbox = Sandbox(
            deadline=deadline, workers=workers, memory=memory_mb * MEBIBYTE, isolation=isolation
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return CodeVerifier, self._arguments  # a copy has its own processes

    def __repr__(self) -> str:
        deadline, workers, _, isolation = self._arguments
        return f"CodeVerifier(deadline={deadline:g}, workers={workers}, isolation={isolation!r})"

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response; thread-safe."""
        return self.verify_batch([problem], [response])[0]

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many responses, ``workers`` at a time; equal programs of a problem run once."""
        verdicts: list[Verdict | None] = []
        jobs: dict[Job, list[int]] = {}
        for index, (problem, response) in enumerate(zip(problems, responses, strict=True)):
            job = job_of(problem, response)
            verdicts.append(job if isinstance(job, Verdict) else None)
            if isinstance(job, Job):
                jobs.setdefault(job, []).append(index)
        for (job, indices), outcome in zip(
            jobs.items(), self._sandbox.run_all(list(jobs)), strict=True
        ):
            for index in indices:
                verdicts[index] = _verdict(job, outcome)
        return [verdict for verdict in verdicts if verdict is not None]

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
    program = program_of(response, names[0], metadata.get("stub") or "")
    if program is None:
        return Verdict(0.0, Reason.NO_ANSWER)
    if len(program) > LONGEST:
        detail = f"a program of {len(program):,} characters; more than {LONGEST:,} are not run"
        return Verdict(0.0, Reason.WRONG, program[:100], detail)
    return Job(program, tuple(tests), tuple(names), metadata.get("setup") or "")


def _verdict(job: Job, outcome: Outcome) -> Verdict:
    if outcome.broken:
        return failed(outcome.broken)
    if outcome.right:
        return Verdict(1.0, Reason.CORRECT, job.source)
    exceeded = outcome.timeout or outcome.memory
    reason = Reason.TIMEOUT if exceeded else Reason.WRONG
    return Verdict(0.0, reason, job.source, " ".join(outcome.failed.split()))
