"""The verifier of ``reasoning-gym``'s tasks: each task's own scorer, and full marks alone count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.base import failed
from selfcorrect_env.verifiers.math.extraction import final_answer
from selfcorrect_env.verifiers.workers.pool import Outcome, Status, WorkerPool

OPENING, CLOSING = "<answer>", "</answer>"


class ReasoningGymVerifier:
    """Gives a reply's answer to the task's scorer, in a worker process with a deadline.

    The answer is what stands in the last ``<answer>…</answer>``; else a boxed or a stated one
    (`verifiers.math.extraction`); else the whole reply. Many scorers pay part of the
    marks for an answer that merely contains the right one, so anything below 1 is wrong here; the
    detail says what it got.

    Args:
        deadline: seconds that a scorer may take, > 0.
        workers: worker processes.
    """

    name = "reasoning-gym"

    def __init__(self, deadline: float = 10.0, workers: int = 2) -> None:
        if not deadline > 0:
            raise ValueError(f"deadline must be above 0 seconds, got {deadline!r}.")
        self.deadline = deadline
        self._arguments = (deadline, workers)
        self._pool = WorkerPool(
            "selfcorrect_env.verifiers.reasoning_gym_scorer:score", workers=workers
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return ReasoningGymVerifier, self._arguments  # a copy has workers of its own

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response; safe to call from any thread."""
        return self.verify_batch([problem], [response])[0]

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many, spread over the workers."""
        verdicts: list[Verdict | None] = []
        calls: list[tuple[Any, ...]] = []
        for problem, response in zip(problems, responses, strict=True):
            facts, answer = problem.metadata, answer_of(response)
            if "entry" not in facts or "task" not in facts:
                why = f"problem {problem.id!r} is none of reasoning-gym's: no 'task' and 'entry'"
                verdicts.append(failed(why))
            elif answer is None:
                verdicts.append(Verdict(0.0, Reason.NO_ANSWER))
            else:
                verdicts.append(None)
                calls.append((facts["task"], facts.get("parameters", {}), facts["entry"], answer))
        outcomes = iter(zip(calls, self._pool.run_all(calls, deadline=self.deadline), strict=True))
        return [_verdict(*next(outcomes)) if verdict is None else verdict for verdict in verdicts]

    def close(self) -> None:
        """End the worker processes; they start again if they are needed."""
        self._pool.close()


def answer_of(response: str) -> str | None:
    """Find the answer in a reply, or None where the reply is blank."""
    _, found, rest = response.rpartition(OPENING)
    if found:
        return rest.partition(CLOSING)[0].strip() or None
    if "\\boxed" in response or "answer is" in response.lower() or "answer:" in response.lower():
        stated = final_answer(response)
        if stated is not None:
            return stated.answer
    return response.strip() or None


def _verdict(call: tuple[Any, ...], outcome: Outcome) -> Verdict:
    answer = call[-1]
    if outcome.status is Status.DONE:
        right = outcome.value >= 1.0
        detail = "" if right else f"the task's scorer gives {outcome.value:g}"
        reason = Reason.CORRECT if right else Reason.WRONG
        return Verdict(float(right), reason, answer, detail)
    if outcome.status in (Status.TIMEOUT, Status.MEMORY):
        return Verdict(0.0, Reason.TIMEOUT, answer, outcome.detail)
    return Verdict(0.0, Reason.ERROR, answer, outcome.detail)
