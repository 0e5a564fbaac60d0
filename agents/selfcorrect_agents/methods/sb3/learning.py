"""One run of a stable-baselines3 algorithm: environments, random numbers, start and end."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.references import FrozenCopy
from selfcorrect_agents.methods.sb3.lm_policy import CausalLMPolicy
from selfcorrect_agents.methods.sb3.recording import Recorder
from selfcorrect_agents.methods.sb3.sb3 import SB3Config
from selfcorrect_agents.training.failures import explained
from selfcorrect_agents.training.progress import MetricsRow, progress_bar, stop_on_interrupt
from selfcorrect_agents.training.run_folder import RunFolder
from selfcorrect_agents.training.saving import write_model
from selfcorrect_env import (
    AttemptEpisodes,
    ProgressBonus,
    SelfCorrectEnv,
    TokenLevel,
    TrainingEnv,
    UnsupportedEnvError,
    longest_episode,
    training_env,
)
from selfcorrect_env.evaluation import AnyEnv


def learn(
    algorithm: type[OnPolicyAlgorithm],
    extra: dict[str, Any],
    policy: Policy,
    env: str | AnyEnv | TrainingEnv,
    config: SB3Config,
    run: RunFolder | None,
    progress: bool,
) -> list[MetricsRow]:
    """Train ``policy`` in place with ``algorithm``.

    Args:
        algorithm: ``stable_baselines3.PPO`` or another on-policy algorithm.
        extra: arguments specific to this algorithm.
        policy: the policy to train; its weights at the start are the KL's reference.
        env: where episodes are played: an environment's id, or an environment whose innermost one
            is a `SelfCorrectEnv` (`selfcorrect_env.training_env`).
        config: the configuration.
        run: the folder to log to and to save the model to.
        progress: whether to show a progress bar.

    Raises:
        UnsupportedEnvError: the environment cannot be trained in; the message names the reason.
        UnjudgedError: the verifier failed at most episodes of several rollouts in a row.
        KeyboardInterrupt: Ctrl-C, after the current update.
    """
    env = _single(env)
    if run is not None:
        run.rewind(0)
    policy.prepare_training()
    reference = FrozenCopy(policy)
    with (
        preserved_global_generators(policy.device),
        stop_on_interrupt() as stopping,
        progress_bar(progress, config.episodes, 0) as bar,
    ):
        model = algorithm(
            CausalLMPolicy,
            token_envs(env, policy, config),
            n_steps=config.tokens_per_env,
            learning_rate=config.learning_rate,
            gamma=1.0,
            gae_lambda=config.gae_lambda,
            ent_coef=config.beta,
            vf_coef=config.value_coefficient,
            max_grad_norm=config.max_grad_norm,
            policy_kwargs={
                "language_model": policy,
                "reference": reference if config.beta > 0 else None,
                "value_reaches_model": config.value_reaches_model,
                "optimizer_class": torch.optim.AdamW,
                "optimizer_kwargs": {"betas": (0.9, 0.99), "weight_decay": 0.0},
            },
            seed=config.seed,
            device=policy.device,
            **extra,
        )
        model.set_logger(Logger(folder=None, output_formats=[]))
        recorder = Recorder(config, reference, run, bar, stopping)
        # the recorder ends the run: this is more than the episodes can need
        tokens = (config.episodes + config.envs) * env.attempts * config.max_new_tokens
        model.learn(tokens + 2 * config.rollout, callback=recorder, log_interval=None)  # type: ignore[arg-type]
        model.get_env().close()  # type: ignore[union-attr]
        if recorder.interrupted:
            raise KeyboardInterrupt
        if failure := recorder.failure():
            raise failure
    if run is not None:
        with explained(lambda: len(recorder.history), run.checkpoints):
            write_model(run, policy.save_pretrained)
    return recorder.history


def _single(env: str | AnyEnv | TrainingEnv) -> SelfCorrectEnv:
    found = training_env(env)
    if not isinstance(found, SelfCorrectEnv):
        raise UnsupportedEnvError(
            f"stable-baselines3 trains on copies of a single SelfCorrectEnv, got a "
            f"{type(found).__name__}."
        )
    return found


def token_envs(env: SelfCorrectEnv, policy: Policy, config: SB3Config) -> DummyVecEnv:
    """Return ``config.envs`` token-level environments on copies of ``env``."""
    length = config.context_length
    length = length or longest_episode(env, policy.chat, config.max_new_tokens)

    def make() -> gym.Env[Any, Any]:
        one: gym.Env[Any, Any] = env.copy()
        if config.alpha > 0:
            one = ProgressBonus(one, alpha=config.alpha)
        one = TokenLevel(
            one, policy.chat, max_new_tokens=config.max_new_tokens, context_length=length
        )
        return AttemptEpisodes(one) if config.credit == "attempt" else one

    return DummyVecEnv([make] * config.envs)


@contextmanager
def preserved_global_generators(device: torch.device) -> Iterator[None]:
    """Restore the state of the global random generators after a run.

    stable-baselines3 seeds them and draws from them, which must not affect code outside of a run.
    """
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
