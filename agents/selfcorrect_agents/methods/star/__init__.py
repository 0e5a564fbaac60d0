"""Multi-turn STaR: iterated fine-tuning on one's own successful corrections."""

from selfcorrect_agents.methods.star.star import STaR, STaRConfig

__all__ = ["STaR", "STaRConfig"]
