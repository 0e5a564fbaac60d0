"""`TinkerSCoRe`: SCoRe's two stages with the model at a service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from tinker import SamplingClient, ServiceClient
from torch import Tensor

from selfcorrect_agents.adapters.tinker.learner import TinkerLearner, reference_logps
from selfcorrect_agents.adapters.tinker.sampler import TinkerSampler
from selfcorrect_agents.checks import check
from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.chat import Chat
from selfcorrect_agents.lm.player import Player
from selfcorrect_agents.methods.score import SCoReConfig
from selfcorrect_agents.methods.score.score import stage_one, stage_two
from selfcorrect_agents.rl.loss import Batch, turn_advantages
from selfcorrect_agents.rl.objectives import kl_k1, mean_of_valid
from selfcorrect_agents.rl.rollout import Rollout, collect, rollout_metrics
from selfcorrect_agents.training.checkpoint import step_seed
from selfcorrect_agents.training.failures import check_rewards, kl_failure
from selfcorrect_agents.training.trainer import Stage
from selfcorrect_agents.training.unjudged import UnjudgedWatch
from selfcorrect_env import AnyEnv, Conversation, Reply, TrainingEnv, training_env


class TinkerSCoRe:
    """A run of SCoRe whose model, a LoRA adapter, is trained and sampled at a service.

    Args:
        service: Tinker's, or that of another service with its API.
        model: the base model's name there. It is also the reference of the KL.
        env: the environment, in any form that `training_env` takes.
        config: stages, coefficients and the size of a step. ``kl`` must be ``k1_reward``.
        tokenizer: the model's; by default the one that the service names, from the hub.
        rank: of the adapter, ≥ 1.

    Raises:
        ValueError: the configuration asks for what a service can't do; the message names it.
        LearningError: the environment has one attempt.
    """

    def __init__(
        self,
        service: ServiceClient,
        model: str,
        env: str | AnyEnv | TrainingEnv,
        config: SCoReConfig,
        *,
        tokenizer: Any = None,
        rank: int = 32,
    ) -> None:
        _check(config)
        self.env, self.config = training_env(env), config
        if self.env.attempts < 2:
            raise LearningError("SCoRe needs at least 2 attempts, and the environment has 1.")
        self.client = service.create_lora_training_client(base_model=model, rank=rank).result()
        self.reference = service.create_sampling_client(base_model=model).result()
        self.learner = TinkerLearner(self.client, max_grad_norm=config.max_grad_norm)
        own = tokenizer is None
        self.chat = Chat(cast(Any, self.client.get_tokenizer() if own else tokenizer))
        sampling = config.sampling
        self._episodes = self.env.vectorised(sampling.problems_per_step * sampling.samples)
        self._stages = stage_one(config, self.env.attempts), stage_two(config, self.env.attempts)
        self._current: SamplingClient | None = None

    def steps(self) -> Iterator[dict[str, float]]:
        """Take all steps; yield the metrics of each (`selfcorrect_agents.rl.update.LOGGED`).

        Raises:
            UnjudgedError: the verifier failed at most episodes of several steps in a row.
            DivergenceError: the KL of a step, estimated from its samples, is above ``max_kl``.
        """
        unjudged = UnjudgedWatch()
        for step in range(self.config.total_steps):
            rollout = self._play(step)
            unjudged.add(rollout.episodes)
            metrics = self._learn(step, rollout)
            metrics["train/unjudged_share"] = unjudged.finish_step(step)
            if failure := unjudged.failure(self.config.total_steps):
                raise failure
            if diverged := kl_failure(metrics, self.config.execution.max_kl):
                raise diverged
            yield metrics

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Reply greedily with the weights as they are: an agent for `evaluate`."""
        player = self._player(self._sampled_from())
        turn = player.start(conversations).sample(self.config.sampling.max_new_tokens, 0.0)
        return player.replies(turn)

    # -- one step -----------------------------------------------------------------------
    def _play(self, step: int) -> Rollout:
        sampling, size = self.config.sampling, len(self.env.problems)
        wanted = sampling.problems_per_step
        rng = np.random.default_rng(step_seed(sampling.seed, step, "problems"))
        seed = step_seed(sampling.seed, step, "samples") % (1 << 31)
        return collect(
            self._player(self._sampled_from(), seed),
            self._episodes,
            rng.choice(size, wanted, replace=wanted > size).tolist(),
            samples=sampling.samples,
            max_new_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            seed=step_seed(sampling.seed, step, "episodes") % (1 << 31),
        )

    def _learn(self, step: int, rollout: Rollout) -> dict[str, float]:
        stage = self._stages[0 if self.config.in_stage_one(step) else 1]
        rewards = stage.rewards(rollout.scores)
        check_rewards(rewards, rollout.scores)
        kl = self._kl(stage, rollout)
        batch = Batch(rollout=rollout, rewards=rewards, betas=stage.betas)
        penalty = kl * torch.tensor(stage.betas)
        advantages = turn_advantages(batch, self.config.objective, penalty)
        rate = stage.learning_rate * self.config.rate_factor(step)
        told = self.learner.step(rollout, advantages, rate)
        self._current = None  # the weights have changed
        per_turn = {"reward": rewards, "kl": kl}
        means = {
            f"t{turn + 1}/{name}": float(mean_of_valid(values, rollout.judged)[turn])
            for name, values in per_turn.items()
            for turn in range(rollout.turns)
        }
        service = {f"service/{name}": value for name, value in told.items()}
        return {**rollout_metrics(rollout), **means, **service, "train/learning_rate": rate}

    def _kl(self, stage: Stage, rollout: Rollout) -> Tensor:
        """(B, K) ``log π − log π_ref`` of each turn; 0, unasked, without a coefficient."""
        if not any(stage.betas):
            return torch.zeros_like(rollout.scores)
        return rollout.turn_sum(kl_k1(rollout.logps, reference_logps(self.reference, rollout)))

    def _sampled_from(self) -> SamplingClient:
        if self._current is None:
            self._current = self.client.save_weights_and_get_sampling_client().result()
        return self._current

    def _player(self, client: SamplingClient, seed: int | None = None) -> Player:
        return Player(self.chat, TinkerSampler(client, self.chat.ends, seed=seed))


def _check(config: SCoReConfig) -> None:
    """Refuse what needs more than sampled tokens' log-probabilities, or is not written here."""
    kl, plain = config.objective.kl, SCoReConfig()
    check(kl == "k1_reward", "kl", "'k1_reward' (Objective(kl='k1_reward'))", kl)
    at_default = ("offline_share", "stage_two", "warm_start_steps", "oversample")
    for owner, default, names in (
        (config, plain, at_default),
        (config.objective, plain.objective, ("unit", "clip", "importance_cap")),
        (config.optimization, plain.optimization, ("optimizer", "epochs")),
        (config.evaluation, replace(plain.evaluation), ("eval_every",)),
        (config.sampling, plain.sampling, ("temperature",)),  # its log-probabilities are at 1
    ):
        for name in names:
            value, only = getattr(owner, name), getattr(default, name)
            check(value == only, name, f"{only!r} at a service", value)
