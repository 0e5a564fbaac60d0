"""Self-correction by prompting only, without training."""

from selfcorrect_agents.methods.prompting.prompting import Prompting, PromptingConfig, Style

__all__ = ["Prompting", "PromptingConfig", "Style"]
