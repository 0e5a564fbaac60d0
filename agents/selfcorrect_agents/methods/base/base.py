"""The base agent: a language model as it is, prompted twice, without training."""

from __future__ import annotations

from selfcorrect_agents.lm.agent import LanguageModelAgent


class Base(LanguageModelAgent):
    """A language model without training: the starting point of every method."""
