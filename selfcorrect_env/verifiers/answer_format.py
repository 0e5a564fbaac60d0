"""How replies give their answers: an optional part of a verifier, used without judging anything.

A verifier, a class of one or a plain function carries it as the attribute ``answer_format``. With
it `selfcorrect_env.evaluation.validate` writes right and hedging replies, oracles write the
reference, and agents that may not know the score read an answer or write another one. Without it,
a reply is its answer: `PLAIN`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ANSWER, OTHER = "{answer}", "{other}"
"""The placeholders of the templates. Other braces mean nothing, so LaTeX needs no escapes."""


def whole_text(reply: str) -> str | None:
    """Return the reply with every run of white space as one space; None if it is blank."""
    return " ".join(reply.split()) or None


def random_word(answer: str | None, rng: np.random.Generator) -> str:
    """Return a random word, which is no answer to anything."""
    return f"x{rng.integers(16**12):012x}"


@dataclass(frozen=True)
class AnswerFormat:
    r"""How replies give their answers.

    >>> boxed = AnswerFormat(replies=(r"It is $\boxed{{answer}}$.",))
    >>> boxed.examples("7")
    ['It is $\\boxed{7}$.']
    >>> PLAIN.hedged("7", "8")
    '7 or 8'

    Raises:
        ValueError: a template lacks its placeholder, or there is no template.
    """

    replies: tuple[str, ...] = (ANSWER,)
    """Every form of a right reply, with ``{answer}`` for the answer; the usual one first."""
    hedge: str | None = f"{ANSWER} or {OTHER}"
    """A reply that offers two answers, ``{answer}`` and ``{other}``; None if a reply can hold one
    answer only, as a program does."""
    read: Callable[[str], str | None] = whole_text
    """A reply's answer, the same text for the same answer; None if the reply has none."""
    other: Callable[[str | None, np.random.Generator], str] = random_word
    """An answer that is not the given one, drawn at random."""

    expressions: bool = True
    """Whether an answer may be any expression. If not, as for a single digit or a program, an
    expression of the statement is no answer, and `validate` does not try it."""

    def __post_init__(self) -> None:
        templates = (*self.replies, *(() if self.hedge is None else (self.hedge,)))
        if not self.replies or not all(ANSWER in template for template in templates):
            raise ValueError(f"Templates of replies must contain {ANSWER!r}, got {templates!r}.")
        if self.hedge is not None and OTHER not in self.hedge:
            raise ValueError(f"AnswerFormat.hedge must contain {OTHER!r}, got {self.hedge!r}.")

    def examples(self, answer: str) -> list[str]:
        """Return a reply of each form that gives ``answer`` and no other."""
        return [template.replace(ANSWER, answer) for template in self.replies]

    def hedged(self, answer: str, other: str) -> str | None:
        """Return a reply that offers both answers, or None if there is no such reply."""
        if self.hedge is None:
            return None
        before, _, after = self.hedge.partition(ANSWER)  # an answer may contain a placeholder
        return f"{before.replace(OTHER, other)}{answer}{after.replace(OTHER, other)}"

    def another(self, answer: str | None, rng: np.random.Generator) -> str:
        """Return a reply in the usual form whose answer is not ``answer``."""
        return self.examples(self.other(answer, rng))[0]


PLAIN = AnswerFormat()
"""The format of a verifier that does not say: the reply is the answer."""
