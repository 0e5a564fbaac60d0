"""Self-correction by prompting alone, without training."""

from selfcorrect_agents.prompting.prompting import Prompting, PromptingConfig, Style

__all__ = ["Prompting", "PromptingConfig", "Style"]
