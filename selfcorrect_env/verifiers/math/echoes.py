r"""Answers that only repeat an expression of the problem's statement.

"Expand $(x+8)(x+2)$" is not answered by $(x+8)(x+2)$, though the two are equal: whoever may repeat
the statement needs to compute nothing. An answer repeats the statement if it is more than a number,
a letter or a word, if the statement contains it (in any order of its terms and factors), and if
the reference is written differently.
"""

from __future__ import annotations

import functools
import re

from selfcorrect_env.verifiers.math.formulas import formulas
from selfcorrect_env.verifiers.math.plain_text import plain_text

_RELATION = re.compile(r"(?<![<>!\\])=|\\(?:leq?|geq?|approx|equiv|neq?|[lg]t)(?![A-Za-z])|[<>≤≥≈]")
_LIST = re.compile(r"[,;]|\\q?quad(?![A-Za-z])")
_TYPED = re.compile(r"[\d(√.-](?:[\d\s.+*/^()×÷·%√!-]|\b[a-z]\b){0,200}[\d)!]")
_BARE = re.compile(r"[+-]?[\d.,]*(?:_\{?\d+\}?)?|\\?[A-Za-z]+")
_FRACTION = re.compile(r"\\frac\{([^{}]*)\}\{([^{}]*)\}")
_BINOMIAL = re.compile(r"\\[dt]binom")
_TOKEN = re.compile(r"\d+(?:\.\d+)?(?:/\d+)?|\\[A-Za-z]+|.", re.DOTALL)
_NEUTRAL = re.compile(r"[+-]0(?![.\d])|\A0(?=[+])|\.0+(?!\d)|/1(?![.\d])")
_LAYOUT = re.compile(r"[{}*×·\s]|(?<![\d.])1(?=[(\\])")


@functools.lru_cache(maxsize=4096)
def expressions(statement: str) -> tuple[str, ...]:
    r"""Return the expressions that a statement contains: formulas, their sides, typed sums.

    >>> expressions("Solve $2x = 3 + 4$. What is 5 * 6?")
    ('2x = 3 + 4', '2x', '3 + 4', '5 * 6')
    """
    found, _ = formulas(statement)
    texts = [formula.content.rstrip(".,;:?! ") for formula in found]
    sides = [part.strip() for text in texts for part in _parts(text)]
    outside = statement
    for formula in reversed(found):
        outside = f"{outside[: formula.start]}\n{outside[formula.end :]}"
    typed = [match.group() for match in _TYPED.finditer(outside)]
    return tuple(dict.fromkeys(text for text in [*texts, *sides, *typed] if not is_bare(text)))


def is_bare(expression: str) -> bool:
    """Return whether an expression is a number, a letter or a word: it may well be the answer."""
    return bool(_BARE.fullmatch(plain_text(expression)))


def repeats(statement: str, reference: str, answer: str) -> bool:
    r"""Return whether ``answer``, which is right, only repeats the statement.

    >>> repeats("Expand $(x+8)(x+2)$.", "x^2+10x+16", "(x+2)(x+8)")
    True
    >>> repeats("Which is larger, $2^{30}$ or $3^{20}$?", "3^{20}", "3^{20}")
    False
    """
    return contains(statement, answer) and _key(answer) != _key(reference)


def contains(statement: str, answer: str) -> bool:
    """Return whether a statement contains an answer that is more than a number or word."""
    return not is_bare(answer) and _key(answer) in _keys(statement)


@functools.lru_cache(maxsize=4096)
def _keys(statement: str) -> frozenset[str]:
    return frozenset(map(_key, expressions(statement)))


def _key(expression: str) -> str:
    """Return what two spellings of an expression share, whatever the order of its terms."""
    text = _BINOMIAL.sub(r"\\binom", _FRACTION.sub(r"\1/\2", plain_text(expression)))
    text = _NEUTRAL.sub("", _LAYOUT.sub("", text))
    return text if "," in text else " ".join(sorted(_TOKEN.findall(text)))


def _parts(text: str) -> list[str]:
    sides = _RELATION.split(text)
    listed = _LIST.split(text) if len(sides) == 1 else []
    return [*(sides if len(sides) > 1 else []), *(listed if len(listed) > 1 else [])]
