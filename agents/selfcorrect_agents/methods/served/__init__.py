"""A model behind an OpenAI-compatible server, as an agent; needs no torch."""

from selfcorrect_agents.methods.served.config import ServedConfig
from selfcorrect_agents.methods.served.served import ServedModel

__all__ = ["ServedConfig", "ServedModel"]
