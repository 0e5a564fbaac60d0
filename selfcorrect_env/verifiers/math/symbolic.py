"""Comparison with evaluation in high precision; only worker processes import this module."""

from __future__ import annotations

import sys

from selfcorrect_env.verifiers.math import numeric
from selfcorrect_env.verifiers.math.equality import AnswerComparison, Deciders, Options

sys.setrecursionlimit(5000)
_DECIDERS = Deciders(numeric.equal, numeric.constant_ratio, numeric.number)


def equal(reference: str, answer: str, tolerance: float = 0.0, units: str = "match") -> bool | None:
    """Return whether two answers are equal; None if that cannot be found out."""
    return AnswerComparison(Options(tolerance, units), _DECIDERS).same(reference, answer)
