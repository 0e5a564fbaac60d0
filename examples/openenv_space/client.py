"""The client, where OpenEnv looks for it."""

from selfcorrect_env.serving.openenv import SelfCorrectClient

__all__ = ["SelfCorrectClient"]
