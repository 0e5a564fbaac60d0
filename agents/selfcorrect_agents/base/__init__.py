"""The untrained policy."""

from selfcorrect_agents.base.base import Base

__all__ = ["Base"]
