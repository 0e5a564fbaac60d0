"""The base agent: a language model as it is, prompted twice, without training."""

from __future__ import annotations

from selfcorrect_agents.lm.agent import LanguageModelAgent


class Base(LanguageModelAgent):
    """The untrained policy: every method's starting point and yardstick (section 4)."""
