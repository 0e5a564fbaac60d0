"""What an environment is made of: problems, a verifier, prompts and a number of attempts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from selfcorrect_env.datasets import load_problems, source
from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems import ProblemSet
from selfcorrect_env.prompts import Prompts, get_prompts
from selfcorrect_env.types import (
    Attempt,
    Conversation,
    Episode,
    Message,
    Problem,
    ScoreFunction,
    Verdict,
    Verifier,
)
from selfcorrect_env.verifiers import get_verifier

Problems: TypeAlias = "str | Path | ProblemSet | Iterable[Mapping[str, Any]]"
"""The name of a problem set, the path of a file, a set, or dicts with prompt and reference."""

_FILE_ENDINGS = (".jsonl", ".jsonl.gz", ".ndjson", ".json", ".parquet")


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
        named = isinstance(problems, str) and not problems.lower().endswith(_FILE_ENDINGS)
        if options and not named:
            raise TypeError(
                f"The options {', '.join(sorted(options))} belong to named problem sets; "
                f"with problems={type(problems).__name__} there are none."
            )
        if named:
            defaults = source(problems)
            loaded = load_problems(problems, split=split, **options)
            verifier = verifier or defaults.verifier
            prompts = prompts or defaults.prompts
        else:
            loaded = _given_problems(problems, split)
        return cls(
            loaded, get_verifier(verifier or "exact"), get_prompts(prompts or "plain"), attempts
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

    def index_of(self, index: int | None, id: str | None) -> int | None:
        """Return the place of the problem that reset's options name; None if they name none.

        Raises:
            TypeError: ``index`` is no int or ``id`` no str.
            IndexError: ``index`` lies outside the problem set.
            UnknownNameError: no problem has this id.
        """
        if index is not None and id is not None:
            raise TypeError("reset's options name a problem by 'index' or by 'id', not by both.")
        if id is not None:
            if not isinstance(id, str):
                raise TypeError(f"options['id'] must be a str, got {type(id).__name__}.")
            return self.problems.index(self.problems.by_id(id))
        if index is None:
            return None
        try:
            place = index.__index__()
        except AttributeError:
            raise TypeError(f"options['index'] must be an int, got {index!r}.") from None
        if not 0 <= place < len(self.problems):
            raise IndexError(
                f"Index {place} is outside problem set {self.problems.name!r} (split "
                f"{self.problems.split!r}), which has {len(self.problems):,} problems "
                f"(0 to {len(self.problems) - 1})."
            )
        return place


class Session:
    """An episode under way: its problem, its conversation and the attempts so far."""

    __slots__ = ("attempts", "conversation", "problem")

    def __init__(self, problem: Problem, prompts: Prompts) -> None:
        self.problem = problem
        self.conversation: Conversation = prompts.first(problem)
        self.attempts: tuple[Attempt, ...] = ()

    def add(self, attempt: Attempt, setup: Setup) -> bool:
        """Record an attempt, extend the conversation, and return whether the episode is over."""
        self.attempts = (*self.attempts, attempt)
        over = len(self.attempts) >= setup.attempts
        if over:
            last = Message(role="assistant", content=str(attempt.reply))
            self.conversation = (*self.conversation, last)
        else:
            self.conversation = setup.prompts.correct(self.conversation, attempt.reply)
        return over

    def observation(self) -> Conversation:
        """Return the conversation in messages of its own: a caller may keep or change them."""
        return tuple([message.copy() for message in self.conversation])

    def finished(self) -> Episode:
        """Return the episode as a record."""
        return Episode(
            problem=self.problem, attempts=self.attempts, conversation=self.observation()
        )


def require_reply(reply: object) -> str:
    """Return ``reply`` if it is a str; else raise a TypeError that says what was expected."""
    if isinstance(reply, str):
        return reply
    raise TypeError(
        f"A reply must be a str, got {type(reply).__name__} ({reply!r:.60}). "
        "Decode token ids to text first."
    )


def attempt_of(reply: str, verdict: Verdict) -> Attempt:
    """Return the attempt of a reply, with the facts that a `Reply` carries."""
    return Attempt(
        reply=reply,
        verdict=verdict,
        tokens=getattr(reply, "tokens", None),
        truncated=getattr(reply, "truncated", None),
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
