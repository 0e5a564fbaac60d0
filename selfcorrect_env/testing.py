"""Checks of third-party problem sets, verifiers and agents, to be called in their tests.

    from selfcorrect_env.testing import check_verifier

    def test_my_verifier():
        check_verifier(my_verifier, my_problems)

Each check returns None, or raises `ContractError` (an AssertionError) with the symptom and its
likely cause. They need no model and no network.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from selfcorrect_env.errors import ContractError
from selfcorrect_env.evaluation.agents import agent_name, as_agent
from selfcorrect_env.types import (
    Agent,
    Conversation,
    Message,
    Problem,
    ReplyFunction,
    ScoreFunction,
    Verdict,
    Verifier,
)
from selfcorrect_env.verifiers import answer_format, get_verifier, judge

__all__ = ["HOSTILE_REPLIES", "check_agent", "check_problem_set", "check_verifier"]

T = TypeVar("T")
RightReply = Callable[[Problem], str]

HOSTILE_REPLIES: tuple[str, ...] = (
    "",
    " \n\t ",
    "\x00" * 1_000,
    "\ud800 lone surrogate \udfff",
    "{" * 50_000,
    "\\boxed{" * 10_000,
    "(" * 50_000 + ")" * 50_000,
    r"\boxed{9^{9^{9^9}}}",
    r"\boxed{10^{10^{10}}}",
    r"\boxed{\frac{1}{0}}",
    "\\boxed{" + "9" * 50_000 + "}",
    "%s %n {0} {prompt} $(reboot)",
    "\u202e\u200b\ufeff" + "é" + "\u0301" * 1_000,
    "lorem ipsum 1 2 3 " * 60_000,
)
"""Replies that must not break a verifier: empty, huge, binary, deeply nested, explosive."""


def check_problem_set(
    problems: Sequence[Problem],
    verifier: str | Verifier | ScoreFunction,
    *,
    right_reply: RightReply | None = None,
) -> None:
    """Check that the verifier accepts the reference answer of every problem.

    Args:
        problems: a `ProblemSet` or any sequence of problems.
        verifier: the verifier that the set is used with.
        right_reply: writes a right reply to a problem; by default in the first form of the
            verifier's `AnswerFormat`, which is the reference itself if it has none.

    Raises:
        ContractError: a problem's statement is blank, or its right reply does not score 1.
    """
    verifier = get_verifier(verifier)
    write = right_reply or _usual_reply(verifier)
    for problem in problems:
        _require(
            bool(problem.prompt.strip()),
            f"Problem {problem.id!r} has a blank prompt",
            "the wrong column was read, or a row of the source is empty",
        )
    replies = [write(problem) for problem in problems]
    verdicts = judge(verifier, problems, replies)
    for problem, reply, verdict in zip(problems, replies, verdicts, strict=True):
        _require(
            verdict.correct,
            f"{verifier.name} does not accept the right reply {reply!r:.100} to problem "
            f"{problem.id!r} (reference {problem.reference!r:.100}): {verdict}",
            "the reference is not in the form that the verifier reads; pass right_reply= if a "
            "reply needs more than the reference, such as \\boxed{...}",
        )


def check_verifier(
    verifier: str | Verifier | ScoreFunction,
    problems: Sequence[Problem],
    *,
    right_reply: RightReply | None = None,
    hostile: Iterable[str] = HOSTILE_REPLIES,
    seconds: float = 10.0,
) -> None:
    """Check that a verifier is correct, never raises, is bounded in time and is repeatable.

    - The right reply to each problem scores 1, in the main thread and in another one.
    - An empty reply scores 0. No hostile reply raises, takes longer than ``seconds`` or counts
      as right (unless it holds the reference); ``timeout`` and ``error`` are legal reasons there.
    - The same reply gets the same verdict again, and ``verify_batch`` returns the
      verdicts of ``verify``, in order.

    Args:
        verifier: the object, function or name to check.
        problems: a few problems with references; at least one.
        right_reply: writes a right reply to a problem; by default in the first form of the
            verifier's `AnswerFormat`, which is the reference itself if it has none.
        hostile: replies that must not break the verifier.
        seconds: the longest that one verdict may take.

    Raises:
        ContractError: a check failed; the message names it.
    """
    verifier = get_verifier(verifier)
    check_problem_set(problems, verifier, right_reply=right_reply)
    write, first = right_reply or _usual_reply(verifier), problems[0]

    def verify(problem: Problem, reply: str) -> Verdict:
        what = f"{verifier.name}.verify of {reply!r:.60} ({len(reply)} characters)"
        verdict = _within(seconds, what, lambda: verifier.verify(problem, reply))
        _require(
            isinstance(verdict, Verdict),
            f"{what} returned a value of type {type(verdict).__name__}",
            "verify() must return a Verdict; a plain function is wrapped by get_verifier",
        )
        return verdict

    again = verify(first, write(first))
    _require(
        again.correct,
        f"{verifier.name} accepts the right reply to {first.id!r} in the main thread but not in "
        f"another one: {again}",
        "it uses signal.alarm or other state of the main thread",
    )
    empty = verify(first, "")
    _require(
        empty.score == 0.0 and empty.judged,
        f"{verifier.name} gives {empty} to an empty reply",
        "an empty reply has no answer: it scores 0 with reason 'no answer' or 'wrong'",
    )
    for reply in hostile:
        verdict = verify(first, reply)
        _require(
            not verdict.correct or first.reference in reply,
            f"{verifier.name} accepts the hostile reply {reply!r:.60}: {verdict}",
            "the comparison is too lenient, or an error inside counts as right",
        )
    cases = [(p, reply) for p in problems for reply in (write(p), "", "no idea")]
    _check_batch(verifier, cases, [verify(*case) for case in cases], seconds)


def check_agent(
    agent: Agent | ReplyFunction, conversations: Sequence[Conversation] | None = None
) -> None:
    """Check that an agent follows the protocol `Agent`.

    It gets one conversation, then all of them together. It must return a sequence with one str
    for each, and not change the conversations.

    Args:
        agent: the agent or function to check.
        conversations: the conversations to answer; by default three short ones, of one turn and
            of two.

    Raises:
        ContractError: a check failed; the message names it.
        TypeError: ``agent`` is not an agent.
    """
    agent = as_agent(agent)
    asked = list(_CONVERSATIONS if conversations is None else conversations)
    for batch in ([asked[0]], asked):
        before = copy.deepcopy(batch)
        replies = agent.act(batch)
        name = f"{agent_name(agent)}.act of {len(batch)} conversation(s)"
        _require(
            isinstance(replies, Sequence) and not isinstance(replies, str),
            f"{name} returned a value of type {type(replies).__name__}",
            "act() answers many conversations: return a list, also for one of them",
        )
        _require(
            len(replies) == len(batch),
            f"{name} did not return as many replies, but {len(replies)}",
            "some conversations were dropped, or several replies were drawn for each",
        )
        for i, reply in enumerate(replies):
            _require(
                isinstance(reply, str),
                f"{name}: reply {i} is of type {type(reply).__name__}",
                "a model's output was not decoded, or an async function was not awaited",
            )
        _require(
            batch == before,
            f"{name} changed the conversations that it was given",
            "it appends its reply or a system message in place: work on a copy",
        )


_CONVERSATIONS: tuple[Conversation, ...] = (
    (Message(role="user", content="What is 2 + 3?"),),
    (
        Message(role="user", content="What is \\frac{6}{2}? {braces} ü 数"),
        Message(role="assistant", content="4"),
        Message(role="user", content="There might be an error in the answer above. Correct it."),
    ),
    (Message(role="user", content="What is 7 - 7?"),),
)


def _usual_reply(verifier: Verifier) -> RightReply:
    return lambda problem: answer_format(verifier).examples(problem.reference)[0]


def _check_batch(
    verifier: Verifier,
    cases: Sequence[tuple[Problem, str]],
    alone: Sequence[Verdict],
    seconds: float,
) -> None:
    problems, replies = [p for p, _ in cases], [reply for _, reply in cases]
    together = _within(
        seconds * len(cases),
        f"{verifier.name}.verify_batch of {len(cases)} replies",
        lambda: verifier.verify_batch(problems, replies),
    )
    _require(
        len(together) == len(cases),
        f"{verifier.name}.verify_batch returned {len(together)} verdicts for {len(cases)} replies",
        "replies that fail to parse are dropped, which shifts all later verdicts",
    )
    for (problem, reply), one, batched in zip(cases, alone, together, strict=True):
        _require(
            (one.score, one.reason) == (batched.score, batched.reason),
            f"{verifier.name} gives {reply!r:.60} to problem {problem.id!r} {one} alone and "
            f"{batched} in a batch",
            "verdicts come back in another order, or judging depends on chance or on what was "
            "judged before",
        )


def _within(seconds: float, what: str, call: Callable[[], T]) -> T:
    """Return ``call()``, made in another thread so that a hanging one can be reported."""
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(call())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    _require(
        not thread.is_alive(),
        f"{what} took longer than {seconds} s",
        "the time that one reply may take is not bounded: judge in a process that can be killed",
    )
    if errors:
        raise ContractError(
            f"{what} raised {type(errors[0]).__name__}: {errors[0]}. Likely cause: it trusts what "
            "a model wrote, or works in the main thread only."
        ) from errors[0]
    return results[0]


def _require(condition: bool, symptom: str, cause: str) -> None:
    if not condition:
        raise ContractError(f"{symptom}. Likely cause: {cause}.")
