"""Multi-turn STaR: iterated fine-tuning on one's own successful corrections."""

from selfcorrect_agents.star.star import STaR, STaRConfig

__all__ = ["STaR", "STaRConfig"]
