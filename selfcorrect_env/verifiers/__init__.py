"""Verifiers by name: one file, one verifier, and `VERIFIERS`, the table of them.

Other packages add theirs with an entry point in the group ``selfcorrect_env.verifiers``
(`selfcorrect_env.plugins`): a function ``(problem, response) -> score``, a `Verifier`, or a class
of one without arguments.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from selfcorrect_env.errors import VerifierError
from selfcorrect_env.plugins import Registry, import_attribute
from selfcorrect_env.types import ScoreFunction, Verifier
from selfcorrect_env.verifiers.answer_format import PLAIN, AnswerFormat
from selfcorrect_env.verifiers.base import FunctionVerifier, as_verifier, judge
from selfcorrect_env.verifiers.thoughts import without_thoughts

if TYPE_CHECKING:
    from selfcorrect_env.verifiers import exact, reasoning_gym, toycode
    from selfcorrect_env.verifiers.answer_line import AnswerLineVerifier
    from selfcorrect_env.verifiers.code import CodeVerifier
    from selfcorrect_env.verifiers.exact import ExactVerifier
    from selfcorrect_env.verifiers.first_digit import FirstDigitVerifier
    from selfcorrect_env.verifiers.math import MathVerifier
    from selfcorrect_env.verifiers.reasoning_gym import ReasoningGymVerifier
    from selfcorrect_env.verifiers.stdio import StdioVerifier
    from selfcorrect_env.verifiers.toycode import ToyCodeVerifier

__all__ = [
    "PLAIN",
    "REGISTRY",
    "VERIFIERS",
    "AnswerFormat",
    "AnswerLineVerifier",
    "CodeVerifier",
    "ExactVerifier",
    "FirstDigitVerifier",
    "FunctionVerifier",
    "MathVerifier",
    "Named",
    "ReasoningGymVerifier",
    "StdioVerifier",
    "ToyCodeVerifier",
    "answer_format",
    "as_verifier",
    "exact",
    "get_verifier",
    "judge",
    "reasoning_gym",
    "toycode",
    "without_thoughts",
]


@dataclass(frozen=True)
class Named:
    """Where a verifier of this package is, and what it is."""

    import_path: str
    """``"module:Class"``, imported on first use."""
    summary: str
    """One line for people."""


VERIFIERS: dict[str, Named] = {
    "math": Named(
        "selfcorrect_env.verifiers.math.verifier:MathVerifier",
        "Mathematical equality of the final answer (LaTeX, numbers, sets, intervals …)",
    ),
    "exact": Named(
        "selfcorrect_env.verifiers.exact:ExactVerifier",
        "The final answer equals the reference as text, up to case and spaces",
    ),
    "code": Named(
        "selfcorrect_env.verifiers.code:CodeVerifier",
        "The program passes the problem's tests, in a sandbox",
    ),
    "stdio": Named(
        "selfcorrect_env.verifiers.stdio:StdioVerifier",
        "The program prints the expected output for each input, in a sandbox; or as 'code'",
    ),
    "reasoning-gym": Named(
        "selfcorrect_env.verifiers.reasoning_gym:ReasoningGymVerifier",
        "The scorer of the task of reasoning-gym gives full marks",
    ),
    "first-digit": Named(
        "selfcorrect_env.verifiers.first_digit:FirstDigitVerifier",
        "The first digit of the reply equals the reference",
    ),
    "answer-line": Named(
        "selfcorrect_env.verifiers.answer_line:AnswerLineVerifier",
        "The first line of the reply is 'Answer:' and the reference",
    ),
    "toycode": Named(
        "selfcorrect_env.verifiers.toycode:ToyCodeVerifier",
        "The program with the reply's first operation passes its tests, in a toy language",
    ),
}
"""The verifiers of this package by name."""

REGISTRY = Registry(
    "verifier",
    "selfcorrect_env.verifiers",
    {name: entry.import_path for name, entry in VERIFIERS.items()},
    VerifierError,
)
"""The verifiers by name, of this package and of others."""


def get_verifier(verifier: str | Verifier | ScoreFunction, **options: Any) -> Verifier:
    """Return the verifier called ``verifier``; a `Verifier` or a function passes through.

    ``"module:attribute"`` names one that is installed nowhere: a function, a verifier or a class.
    A named verifier is made once for each process and set of options, and shared: it may hold
    worker processes.

    Args:
        verifier: a name, a `Verifier` or a function. A name may carry options, wherever names are
            accepted: ``"math,tolerance=0.01,units=ignore"``.
        options: arguments of the named class, such as ``tolerance=0.01``.

    Raises:
        UnknownNameError: there is none of that name.
        VerifierError: the verifier of that name cannot be imported, built or called, or does not
            have such an option.
        TypeError: it is neither a name, nor a verifier, nor a function ``(problem, response)``; or
            it has options and is no name.
    """
    if isinstance(verifier, str):
        name, given = _name_and_options(verifier)
        # those of equal options are shared, so options must be hashable
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
        return _named(name, tuple(sorted({**given, **options}.items())))
    if options:
        raise TypeError(f"Options {', '.join(options)} are for the name of a verifier only.")
    return as_verifier(verifier)


def _name_and_options(text: str) -> tuple[str, dict[str, Any]]:
    """Read ``"math,tolerance=0.01"``: numbers are numbers, all else is a str."""
    name, *settings = text.split(",")
    options: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not (key.isidentifier() and equals and value):
            raise VerifierError(f"Verifier {text!r}: {setting!r} is no option, such as key=value.")
        options[key] = _number_or_text(value)
    return name.strip(), options


def _number_or_text(value: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def answer_format(verifier: str | Verifier | ScoreFunction) -> AnswerFormat:
    """Return how replies give their answers to a verifier, without building or starting it.

    It is the attribute ``answer_format`` of the verifier, its class or its function, else `PLAIN`.

    Raises:
        UnknownNameError: there is no verifier of that name.
        VerifierError: the verifier cannot be imported, or the attribute is no `AnswerFormat`.
    """
    found: Any = verifier
    if isinstance(verifier, str):
        found = REGISTRY.load(_name_and_options(verifier)[0])
    value = getattr(found, "answer_format", PLAIN)
    if not isinstance(value, AnswerFormat):
        raise VerifierError(
            f"The answer_format of {found!r:.80} must be an AnswerFormat, "
            f"got {type(value).__name__}."
        )
    return value


@functools.cache
def _named(name: str, options: tuple[tuple[str, Any], ...]) -> Verifier:
    value = REGISTRY.load(name)
    if options and not isinstance(value, type):
        raise VerifierError(f"Verifier {name!r} has no options.")
    try:
        return as_verifier(value(**dict(options)) if isinstance(value, type) else value)
    except (TypeError, ValueError) as error:
        raise VerifierError(f"Verifier {name!r} cannot be used: {error}") from error


def __getattr__(name: str) -> Any:
    """Import a verifier's class on first use, from where `VERIFIERS` says that it is."""
    for named in VERIFIERS.values():
        if named.import_path.endswith(f":{name}"):
            return import_attribute(named.import_path)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
