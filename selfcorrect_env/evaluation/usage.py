"""`Usage`: what the replies of a served model took, added up for a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from selfcorrect_env.types import Generation, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Totals over the replies whose generation is known (`Generation`).

    A total of tokens, or the cost, covers the replies that report it; None if none does.
    """

    replies: int
    """Number of replies."""
    requests: int
    """Requests that they took, repeated ones included."""
    prompt_tokens: int | None
    """Tokens of all conversations that were sent."""
    reply_tokens: int | None
    """Tokens of all replies, reasoning included."""
    reasoning_tokens: int | None
    """Those of them that are reasoning."""
    finish_reasons: Mapping[str, int] = field(default_factory=dict)
    """How many replies the server ended for each reason."""
    empty: Mapping[str, int] = field(default_factory=dict)
    """How many replies have no text, by cause."""
    cost: float | None = None
    """In the currency of the prices that were given."""

    @classmethod
    def of(cls, replies: Iterable[str]) -> Usage | None:
        """Add up what replies took; None if no generation is known."""
        known = [
            (reply, reply.generation)
            for reply in replies
            if isinstance(reply, Reply) and reply.generation is not None
        ]
        if not known:
            return None
        generations = [generation for _, generation in known]
        return cls(
            replies=len(known),
            requests=sum(generation.requests for generation in generations),
            prompt_tokens=_total(g.prompt_tokens for g in generations),
            reply_tokens=_total(reply.tokens for reply, _ in known),
            reasoning_tokens=_total(g.reasoning_tokens for g in generations),
            finish_reasons=_counts(g.finish_reason or "not given" for g in generations),
            empty=_counts(g.empty for g in generations if g.empty),
            cost=_cost(generations),
        )

    def lines(self) -> list[str]:
        """Return the totals as lines for people."""
        tokens = [
            f"{count:,} {name}"
            for name, count in (
                ("in conversations", self.prompt_tokens),
                ("in replies", self.reply_tokens),
                ("of these in reasoning", self.reasoning_tokens or None),
            )
            if count is not None
        ]
        lines = [
            f"{self.replies:,} replies in {self.requests:,} requests; finish reasons: "
            + _listed(self.finish_reasons)
        ]
        lines += [f"tokens: {', '.join(tokens)}"] if tokens else []
        lines += [f"replies without text: {_listed(self.empty)}"] if self.empty else []
        return [*lines, f"cost: {self.cost:.4g}"] if self.cost is not None else lines


def _total(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _cost(generations: Iterable[Generation]) -> float | None:
    known = [g.cost for g in generations if g.cost is not None]
    return sum(known) if known else None


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
