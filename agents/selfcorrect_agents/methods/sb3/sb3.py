"""PPO and A2C of stable-baselines3 on a causal language model, token by token."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.methods.sb3.config import MISSING, SB3A2CConfig, SB3Config, SB3PPOConfig
from selfcorrect_agents.training.progress import MetricsRow
from selfcorrect_agents.training.run_folder import RunFolder
from selfcorrect_env import AgentError, TrainingEnv
from selfcorrect_env.evaluation import AnyEnv


class SB3PPO(LanguageModelAgent):
    """PPO of stable-baselines3, token by token, with a learned critic."""

    Learning: ClassVar[type[SB3PPOConfig]] = SB3PPOConfig

    def learn(
        self,
        env: str | AnyEnv | TrainingEnv,
        config: SB3PPOConfig | None = None,
        *,
        run: RunFolder | None = None,
        progress: bool = False,
    ) -> list[MetricsRow]:
        """Train the policy in place; returns one dict of metrics for each update.

        Args:
            env: where episodes are played; problems come from its problem set.
            config: the configuration; the default one where None.
            run: a folder to log to and to save the model to. A run is not resumed: what
                the folder had logged is dropped, and training starts again.
            progress: whether to show a progress bar.

        Raises:
            AgentError: stable-baselines3 is not installed.
            KeyboardInterrupt: Ctrl-C; ``self.policy`` is what had been learned by then.
        """
        config = config or SB3PPOConfig()
        extra = {
            "n_epochs": config.epochs,
            "batch_size": config.batch_size or config.rollout,
            "clip_range": config.clip_range,
            "normalize_advantage": False,
        }
        return _learn("PPO", extra, self, env, config, run, progress)


class SB3A2C(LanguageModelAgent):
    """A2C of stable-baselines3, token by token, with a learned critic."""

    Learning: ClassVar[type[SB3A2CConfig]] = SB3A2CConfig

    def learn(
        self,
        env: str | AnyEnv | TrainingEnv,
        config: SB3A2CConfig | None = None,
        *,
        run: RunFolder | None = None,
        progress: bool = False,
    ) -> list[MetricsRow]:
        """Train the policy in place; arguments, result and errors are those of `SB3PPO.learn`."""
        config = config or SB3A2CConfig()
        extra = {"use_rms_prop": False, "normalize_advantage": False}
        return _learn("A2C", extra, self, env, config, run, progress)


def _learn(
    algorithm: Literal["PPO", "A2C"],
    extra: dict[str, Any],
    agent: LanguageModelAgent,
    env: str | AnyEnv | TrainingEnv,
    config: SB3Config,
    run: RunFolder | None,
    progress: bool,
) -> list[MetricsRow]:
    try:
        import stable_baselines3
    except ImportError as error:
        raise AgentError(MISSING.format(error=error)) from error
    from selfcorrect_agents.methods.sb3.learning import learn

    return learn(
        getattr(stable_baselines3, algorithm), extra, agent.policy, env, config, run, progress
    )
