"""`Copy` and `Resample`: second attempts that repeat the first, or are independent of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from selfcorrect_agents.lm.agent import LanguageModelAgent, PlayConfig
from selfcorrect_agents.lm.conversations import by_attempt, first_prompt, last_reply
from selfcorrect_env import Conversation, Reply


class Copy(LanguageModelAgent):
    """Reference: the second reply repeats the first; Δ = 0.

    Known: Δ = Δ^{i→c} = Δ^{c→i} = 0 exactly, all answers unchanged. A copy uses no tokens.
    """

    instrument: ClassVar[bool] = True

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Sample first attempts; copy later ones."""
        return by_attempt(conversations, super().act, _copies)


@dataclass(frozen=True, kw_only=True)
class ResampleConfig(PlayConfig):
    """The model; it samples by default."""

    temperature: float = 1.0
    """1 samples from the model. At 0 the second reply equals the first."""


class Resample(LanguageModelAgent):
    """Reference: every attempt is a new sample for the first prompt.

    Known, with p_i the probability of a right answer to problem i: Δ = 0 and Δ^{i→c} = Δ^{c→i}
    = mean of p_i (1 - p_i), in expectation; by Jensen at most P (1 - P) with P the mean of p_i.
    """

    instrument: ClassVar[bool] = True
    Config: ClassVar[type[ResampleConfig]] = ResampleConfig

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Sample an answer to the first prompt of each."""
        return super().act([first_prompt(conversation) for conversation in conversations])


def _copies(conversations: Sequence[Conversation]) -> list[Reply]:
    return [Reply(last_reply(c) or "", tokens=0) for c in conversations]
