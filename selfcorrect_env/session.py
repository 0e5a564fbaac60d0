"""What an environment is made of (`Setup`), and one episode under way in it (`Session`)."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.row_files import SUFFIXES
from selfcorrect_env.problems.sources import load_problems, source
from selfcorrect_env.prompts import Prompts, get_prompts
from selfcorrect_env.types import (
    Attempt,
    Conversation,
    Episode,
    Message,
    Problem,
    Reply,
    ScoreFunction,
    Verdict,
    Verifier,
)
from selfcorrect_env.verifiers import get_verifier

Problems: TypeAlias = "str | Path | ProblemSet | Iterable[Mapping[str, Any]]"
"""The name of a problem set, the path of a file, a set, or dicts with prompt and reference."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Problems, verifier, prompts and attempts: what `SelfCorrectEnv` and its vector form share."""

    problems: ProblemSet
    verifier: Verifier
    prompts: Prompts
    attempts: int

    @classmethod
    def resolve(
        cls,
        problems: Problems,
        split: str,
        verifier: str | Verifier | ScoreFunction | None,
        prompts: str | Prompts | None,
        attempts: int,
        options: Mapping[str, Any],
    ) -> Setup:
        """Turn an environment's arguments into a setup (see `SelfCorrectEnv` for them).

        Raises:
            TypeError: an argument is of a wrong type, or an option is not the problem set's.
            ValueError: ``attempts`` is below 1.
            UnknownNameError: there is no problem set, split, verifier or prompts of that name.
            ProblemSetError: the problems can't be had.
        """
        if isinstance(attempts, bool) or not isinstance(attempts, int):
            raise TypeError(f"attempts must be an int, got {type(attempts).__name__}.")
        if attempts < 1:
            raise ValueError(f"attempts must be at least 1, got {attempts}.")
        if isinstance(problems, str) and not problems.lower().endswith(SUFFIXES):
            named = source(problems)
            loaded = load_problems(problems, split=split, **options)
            verifier = named.verifier if verifier is None else verifier
            prompts = named.prompts if prompts is None else prompts
        elif options:
            raise TypeError(
                f"Unknown option {', '.join(map(repr, sorted(options)))}: further options belong "
                f"to named problem sets; problems={type(problems).__name__} has none."
            )
        else:
            loaded = _given_problems(problems, split)
        return cls(
            loaded,
            get_verifier("exact" if verifier is None else verifier),
            get_prompts("plain" if prompts is None else prompts),
            attempts,
        )

    def __str__(self) -> str:
        problems = self.problems
        return (
            f"{problems.name}/{problems.split}, {len(problems):,} problems, "
            f"fingerprint {problems.fingerprint}, verifier {self.verifier.name}, "
            f"prompts {self.prompts.name}, attempts {self.attempts}"
        )

    def facts(self) -> dict[str, Any]:
        """Return a fresh dict of what the problem set is: name, split, size, fingerprint."""
        problems = self.problems
        return {
            "name": problems.name,
            "split": problems.split,
            "size": len(problems),
            "fingerprint": problems.fingerprint,
        }

    def chosen(self, index: int | None = None, id: str | None = None) -> Problem | None:
        """Return the problem that reset's options name, or None if they name none.

        Raises:
            TypeError: ``index`` is no int or ``id`` no str, or both are given.
            IndexError: ``index`` lies outside the problem set (places are counted from 0).
            UnknownNameError: no problem has this id.
        """
        if index is not None and id is not None:
            raise TypeError("reset's options name a problem by 'index' or by 'id', not by both.")
        if id is not None:
            if not isinstance(id, str):
                raise TypeError(f"options['id'] must be a str, got {type(id).__name__} ({id!r}).")
            return self.problems.by_id(id)
        if index is None:
            return None
        try:
            place = operator.index(index)
        except TypeError:
            raise TypeError(
                f"options['index'] must be an int, got {type(index).__name__} ({index!r:.60})."
            ) from None
        if place < 0:
            raise IndexError(f"options['index'] counts from 0, got {place}.")
        return self.problems[place]

    def drawn(self, generator: np.random.Generator) -> Problem:
        """Return a problem drawn uniformly by ``generator``."""
        return self.problems[int(generator.integers(len(self.problems)))]


class Session:
    """An episode under way: its problem, its conversation and the attempts so far."""

    __slots__ = ("attempts", "conversation", "problem", "setup")

    def __init__(self, problem: Problem, setup: Setup) -> None:
        self.problem = problem
        self.setup = setup
        self.conversation: Conversation = setup.prompts.first(problem)
        self.attempts: tuple[Attempt, ...] = ()

    @property
    def over(self) -> bool:
        """Whether the last attempt was made."""
        return len(self.attempts) >= self.setup.attempts

    def add(self, reply: str, verdict: Verdict) -> None:
        """Record an attempt; the instruction follows it unless it was the last."""
        facts = (reply.tokens, reply.truncated) if isinstance(reply, Reply) else (None, None)
        attempt = Attempt(reply=reply, verdict=verdict, tokens=facts[0], truncated=facts[1])
        self.attempts = (*self.attempts, attempt)
        if self.over:
            last = Message(role="assistant", content=str(reply))
            self.conversation = (*self.conversation, last)
        else:
            self.conversation = self.setup.prompts.correct(self.conversation, reply)

    def observation(self) -> Conversation:
        """Return the conversation in messages of its own: a caller may keep or change them."""
        return tuple([message.copy() for message in self.conversation])

    def info(self) -> dict[str, Any]:
        """Return a fresh info of the last reset or step, as `SelfCorrectEnv` describes it."""
        taken = len(self.attempts)
        info: dict[str, Any] = {"problem_id": self.problem.id, "attempt": taken}
        if not taken:
            info["problem_set"] = self.setup.facts()
            return info
        info["verdict"] = self.attempts[-1].verdict
        if self.over:
            info["finished"] = episode = Episode(
                problem=self.problem, attempts=self.attempts, conversation=self.observation()
            )
            info["transition"] = episode.transition
        return info


def require_reply(reply: object) -> str:
    """Return ``reply`` if it is a str; else raise a TypeError that says what was expected."""
    if isinstance(reply, str):
        return reply
    raise TypeError(
        f"A reply must be a str, got {type(reply).__name__} ({reply!r:.60}). "
        "Decode token ids to text first."
    )


def _given_problems(problems: Problems, split: str) -> ProblemSet:
    if isinstance(problems, ProblemSet):
        return problems
    if isinstance(problems, str | Path):
        return ProblemSet.from_file(problems, split=split)
    if isinstance(problems, Mapping) or not isinstance(problems, Iterable):
        raise ProblemSetError(
            "problems must be a name, a file's path, a ProblemSet or a list of dicts; "
            f"got {type(problems).__name__}."
        )
    return ProblemSet.from_records(problems, split=split)
