"""The untrained policy."""

from selfcorrect_agents.methods.base.base import Base

__all__ = ["Base"]
