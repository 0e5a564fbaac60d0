"""Symbolic equality by math-verify; only worker processes import this module."""

from __future__ import annotations

import sys

from math_verify import parse, verify
from math_verify.parser import ExprExtractionConfig, LatexExtractionConfig

sys.setrecursionlimit(5000)
_CONFIG = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())


def equal(reference: str, answer: str) -> str:
    """Compare two answers as mathematics.

    Returns:
        ``"equal"``, ``"different"``, ``"no reference"`` (the reference could not be parsed) or
        ``"no answer"`` (the answer could not be parsed).
    """
    # math-verify's time limits use signals; here the pool's deadline applies instead
    gold = parse(rf"$\boxed{{{reference}}}$", _CONFIG, parsing_timeout=0)
    if not gold:
        return "no reference"
    target = parse(rf"$\boxed{{{answer}}}$", _CONFIG, parsing_timeout=0)
    if not target:
        return "no answer"
    return "equal" if verify(gold, target, timeout_seconds=0) else "different"
