"""The action, the observation and the state, where OpenEnv looks for them."""

from selfcorrect_env.serving.openenv import (
    SelfCorrectAction,
    SelfCorrectObservation,
    SelfCorrectState,
)

__all__ = ["SelfCorrectAction", "SelfCorrectObservation", "SelfCorrectState"]
