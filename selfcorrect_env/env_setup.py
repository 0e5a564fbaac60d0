"""`Setup`: what an environment is made of, resolved from its arguments."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from selfcorrect_env.problems.own_problems import Problems, resolve_problems
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.sources import source
from selfcorrect_env.prompts import Prompts, get_prompts
from selfcorrect_env.types import Problem, ScoreFunction, Verifier
from selfcorrect_env.verifiers import get_verifier


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
        *,
        split: str | None,
        verifier: str | Verifier | ScoreFunction | None,
        prompts: str | Prompts | None,
        attempts: int,
        defaults: str | None,
        options: Mapping[str, Any],
    ) -> Setup:
        """Return the setup that an environment's arguments describe (see `SelfCorrectEnv`).

        The verifier is the argument; else the problem set's own; else that of the problem set
        called ``defaults``; else ``"exact"``. Prompts likewise; else ``"plain"``. The setup's
        problem set has the resolved verifier and prompts as its own.

        Raises:
            TypeError: an argument is of a wrong type, or an option is unknown.
            ValueError: ``attempts`` is below 1.
            UnknownNameError: there is no problem set, split, verifier or prompts of that name.
            ProblemSetError: the problems cannot be loaded.
        """
        if isinstance(attempts, bool) or not isinstance(attempts, int):
            raise TypeError(f"attempts must be an int, got {type(attempts).__name__}.")
        if attempts < 1:
            raise ValueError(f"attempts must be at least 1, got {attempts}.")
        loaded = resolve_problems(problems, split=split, **options)
        fallback = None if defaults is None else source(defaults)
        verifier = get_verifier(
            _first(verifier, loaded.verifier, fallback and fallback.verifier, "exact")
        )
        prompts = get_prompts(
            _first(prompts, loaded.prompts, fallback and fallback.prompts, "plain")
        )
        return cls(
            loaded.with_defaults(verifier=verifier, prompts=prompts), verifier, prompts, attempts
        )

    def __str__(self) -> str:
        problems = self.problems
        return (
            f"{problems.name}/{problems.split}, {len(problems):,} problems, "
            f"fingerprint {problems.fingerprint}, verifier {self.verifier.name}, "
            f"prompts {self.prompts.name}, attempts {self.attempts}"
        )

    def find_problem(self, index: int | None = None, id: str | None = None) -> Problem | None:
        """Return the problem that the options of ``reset`` select, or None if they select none.

        Raises:
            TypeError: ``index`` is not an int or ``id`` not a str, or both are given.
            IndexError: ``index`` is outside the problem set (the first index is 0).
            UnknownNameError: no problem has this id.
        """
        if index is not None and id is not None:
            raise TypeError("reset's options select a problem by 'index' or by 'id', not by both.")
        if id is not None:
            if not isinstance(id, str):
                raise TypeError(f"options['id'] must be a str, got {type(id).__name__} ({id!r}).")
            return self.problems.by_id(id)
        if index is None:
            return None
        try:
            if isinstance(index, bool):  # an int to Python, and no number of a problem
                raise TypeError
            index = operator.index(index)
        except TypeError:
            raise TypeError(
                f"options['index'] must be an int, got {type(index).__name__} ({index!r:.60})."
            ) from None
        if index < 0:
            raise IndexError(f"options['index'] counts from 0, got {index}.")
        return self.problems[index]

    def draw_problem(self, generator: np.random.Generator) -> Problem:
        """Return a problem drawn uniformly by ``generator``."""
        return self.problems[int(generator.integers(len(self.problems)))]


class SetupProperties:
    """The read-only properties that `SelfCorrectEnv` and `SelfCorrectVectorEnv` share."""

    _setup: Setup

    @property
    def problems(self) -> ProblemSet:
        """The problem set; it has the environment's verifier and prompts as its defaults."""
        return self._setup.problems

    @property
    def verifier(self) -> Verifier:
        """The verifier that judges the replies."""
        return self._setup.verifier

    @property
    def prompts(self) -> Prompts:
        """The texts around a problem."""
        return self._setup.prompts

    @property
    def attempts(self) -> int:
        """Attempts in an episode, ≥ 1."""
        return self._setup.attempts


def _first(*values: Any) -> Any:
    """Return the first of ``values`` that is not None."""
    return next(value for value in values if value is not None)
