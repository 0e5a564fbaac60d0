"""The verifier of ``reasoning-gym``'s tasks: each task's own scorer; only full marks count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.answer_format import ANSWER, AnswerFormat
from selfcorrect_env.verifiers.base import failed
from selfcorrect_env.verifiers.math.extraction import final_answer
from selfcorrect_env.verifiers.thoughts import without_thoughts
from selfcorrect_env.verifiers.workers.pool import CallResult, Status, WorkerPool

OPENING, CLOSING = "<answer>", "</answer>"


class ReasoningGymVerifier:
    """Scores a reply's answer with the task's scorer, in a worker process with a deadline.

    The answer is the content of the last ``<answer>…</answer>``; otherwise a boxed or stated one
    (`verifiers.math.extraction`); otherwise the whole reply. Thoughts are left out
    (`verifiers.thoughts`). Many scorers give partial marks to an answer that only contains the
    right one, so a score below 1 is wrong here; the detail has the score.

    Args:
        deadline: seconds of processor time per answer for the scorer, > 0.
        workers: number of worker processes.
    """

    name = "reasoning-gym"
    answer_format = AnswerFormat(
        replies=(f"{OPENING}{ANSWER}{CLOSING}", ANSWER), read=lambda reply: answer_of(reply)
    )

    def __init__(self, deadline: float = 10.0, workers: int = 2) -> None:
        if not deadline > 0:
            raise ValueError(f"deadline must be above 0 seconds, got {deadline!r}.")
        self.deadline = deadline
        self._arguments = (deadline, workers)
        self._pool = WorkerPool(
            "selfcorrect_env.verifiers.reasoning_gym_scorer:score", workers=workers
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return ReasoningGymVerifier, self._arguments  # a copy has its own workers

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response; thread-safe."""
        return self.verify_batch([problem], [response])[0]

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many responses, distributed over the workers."""
        verdicts: list[Verdict | None] = []
        calls: list[tuple[Any, ...]] = []
        for problem, response in zip(problems, responses, strict=True):
            metadata, answer = problem.metadata, answer_of(response)
            if "entry" not in metadata or "task" not in metadata:
                why = (
                    f"problem {problem.id!r} is not from reasoning-gym: its metadata lack 'task' "
                    "or 'entry'"
                )
                verdicts.append(failed(why))
            elif answer is None:
                verdicts.append(Verdict(0.0, Reason.NO_ANSWER))
            else:
                verdicts.append(None)
                parameters = metadata.get("parameters", {})
                calls.append((metadata["task"], parameters, metadata["entry"], answer))
        outcomes = iter(zip(calls, self._pool.run_all(calls, deadline=self.deadline), strict=True))
        return [_verdict(*next(outcomes)) if verdict is None else verdict for verdict in verdicts]

    def close(self) -> None:
        """Kill the worker processes; they start again when needed."""
        self._pool.close()


def answer_of(response: str) -> str | None:
    """Return the answer in a reply, or None if nothing but thoughts is in it.

    >>> answer_of("<think>Is it <answer>4</answer>?</think>It is <answer>5</answer>.")
    '5'
    """
    reply = without_thoughts(response)
    _, found, rest = reply.rpartition(OPENING)
    if found:
        return rest.partition(CLOSING)[0].strip() or None
    if "\\boxed" in reply or "answer is" in reply.lower() or "answer:" in reply.lower():
        stated = final_answer(reply)
        if stated is not None:
            return stated.answer
    return reply.strip() or None


def _verdict(call: tuple[Any, ...], outcome: CallResult) -> Verdict:
    answer = call[-1]
    if outcome.status is Status.DONE:
        right = outcome.value >= 1.0
        detail = "" if right else f"the task's scorer returned {outcome.value:g}"
        reason = Reason.CORRECT if right else Reason.WRONG
        return Verdict(float(right), reason, answer, detail)
    if outcome.status in (Status.TIMEOUT, Status.MEMORY):
        return Verdict(0.0, Reason.TIMEOUT, answer, outcome.detail)
    return Verdict(0.0, Reason.ERROR, answer, outcome.detail)
