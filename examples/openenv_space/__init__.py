"""selfcorrect-env as an OpenEnv environment: the client and its types."""

from selfcorrect_env.serving.openenv import (
    SelfCorrectAction,
    SelfCorrectClient,
    SelfCorrectObservation,
)

__all__ = ["SelfCorrectAction", "SelfCorrectClient", "SelfCorrectObservation"]
