"""`Trainer`, the steps of a run, and `TrainedAgent`, the base class of every trained method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium.vector import VectorEnv

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.learner import Learner, adamw
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.references import reference_of
from selfcorrect_agents.rl.credit import Reach, Rewards, check_credit, discounted
from selfcorrect_agents.rl.loss import Batch
from selfcorrect_agents.rl.rollout import Rollout, collect, rollout_metrics
from selfcorrect_agents.rl.update import update
from selfcorrect_agents.training.checkpoint import latest_checkpoint, save_checkpoint, step_seed
from selfcorrect_agents.training.config import OnPolicyConfig, TrainingConfig
from selfcorrect_agents.training.progress import MetricsRow, progress_bar, stop_on_interrupt
from selfcorrect_agents.training.run_folder import RunFolder, open_run
from selfcorrect_agents.training.unjudged import UnjudgedWatch
from selfcorrect_env import AnyEnv, Episode, TrainingEnv, training_env


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The objective of a part of a run: ``E Σ_t [ R_t − β_t KL(π_θ(·|x_t) ‖ π_ref(·|x_t)) ]``."""

    rewards: Rewards
    """(B, K) scores -> (B, K) the reward of each turn."""
    betas: Sequence[float]
    """(K,) β_t of each turn, ≥ 0."""
    reach: Reach
    """``reach[s]``: the turns whose tokens the score of turn s trains (at γ = 0). It is checked
    against the loss before the stage's first step."""
    learning_rate: float
    """Of the stage, > 0."""


class Trainer:
    """Steps of one run: collects, updates, logs, saves, stops and resumes.

    Args:
        policy: the policy to train, in place. Its weights at the start are the reference
            π_ref, also if a resumed run then loads others.
        env: the environment that episodes are played in.
        config: the size of a step and how it samples.
        run: the folder to log to and to resume from; None keeps everything in memory.
        progress: whether to show a progress bar.

    Raises:
        LearningError: the policy drops the thoughts of earlier replies.
    """

    def __init__(
        self,
        policy: Policy,
        env: TrainingEnv,
        config: TrainingConfig,
        run: RunFolder | None = None,
        progress: bool = False,
    ) -> None:
        if policy.chat.template.thoughts == "drop":
            raise LearningError(
                "template.thoughts='drop' is for measuring: training scores an episode as one "
                "sequence, with the thoughts of earlier replies. Train with 'keep'."
            )
        self.policy = policy
        self.reference = reference_of(policy)
        self.config = config
        self.run = run
        self.progress = progress
        self.history: list[MetricsRow] = []
        """One dict of metrics for each step taken (see `selfcorrect_agents.rl.update.LOGGED`)."""
        self.pool: list[Episode] = []
        """Episodes that a method keeps from step to step; a checkpoint holds them."""
        optimizer = adamw(policy.model, config.learning_rate)
        self.learner = Learner(policy.model, optimizer, max_grad_norm=config.max_grad_norm)
        self.tokens_per_forward = config.execution.tokens_per_forward
        """Tokens in one forward pass of an update."""
        self.attempts = env.attempts
        """Attempts in an episode of the environment."""
        self._env = env
        self._vector_envs: dict[int, VectorEnv[Any, Any, Any]] = {}
        self._checked: list[Stage] = []
        self._sampled = (0, 0)  # episodes and tokens of this step so far
        self._unjudged = UnjudgedWatch()
        self._first_episode = ""  # as the model read and wrote it; written with the first log

    def steps(self, total: int) -> Iterator[int]:
        """Yield the numbers of the steps to take, from 0 to ``total - 1``.

        Resumes from the run's newest checkpoint. After Ctrl-C the current step is finished, a
        checkpoint is written and KeyboardInterrupt is raised; a second Ctrl-C stops at once.

        Raises:
            UnjudgedError: the verifier failed at most episodes of several steps in a row
                (`selfcorrect_agents.training.unjudged`); a checkpoint is written before.
        """
        start = self._resume()
        with stop_on_interrupt() as stopping, progress_bar(self.progress, total, start) as bar:
            for step in range(start, total):
                yield step
                bar(step + 1, self.history[-1])
                last, stop = step + 1 == total, stopping()
                failure = self._unjudged.failure(total)
                if (
                    stop
                    or last
                    or failure
                    or (step + 1) % self.config.execution.checkpoint_every == 0
                ):
                    self._save(step + 1)
                if failure:
                    raise failure
                if stop and not last:
                    raise KeyboardInterrupt
        if self.run is not None:
            self.policy.save_pretrained(self.run.model)

    # -- episodes -----------------------------------------------------------------------
    def collect(
        self,
        step: int,
        problems: int | None = None,
        *,
        first: Policy | None = None,
        purpose: str = "",
        counted: bool = True,
    ) -> Rollout:
        """Sample the episodes of a step: fresh problems, ``samples`` episodes of each.

        Args:
            step: the step's number, from 0: the seed of problems and samples.
            problems: how many; by default the configuration's.
            first: samples the first attempts; by default the policy that is trained.
            purpose: distinguishes rollouts of one step, so that their seeds differ.
            counted: False leaves them out of the run's sampled episodes and tokens.
        """
        config, size = self.config.sampling, len(self._env.problems)
        wanted = config.problems_per_step if problems is None else problems
        rng = np.random.default_rng(step_seed(config.seed, step, f"problems{purpose}"))
        chosen = rng.choice(size, wanted, replace=wanted > size)
        generator = torch.Generator(self.policy.device)
        rollout = collect(
            self.policy,
            self._vector_env(wanted * config.samples),
            chosen.tolist(),
            samples=config.samples,
            max_new_tokens=config.max_new_tokens,
            temperature=config.temperature,
            generator=generator.manual_seed(step_seed(config.seed, step, f"samples{purpose}")),
            first=first,
            seed=step_seed(config.seed, step, f"episodes{purpose}") % (1 << 31),
        )
        self._unjudged.add(rollout.episodes)
        if step == 0 and not self._first_episode:
            first_row = rollout.ids[0][rollout.attention_mask[0]]
            self._first_episode = self.policy.chat.decode_all(first_row.tolist())
        if counted:
            episodes, tokens = self._sampled
            spent = sum(attempt.tokens or 0 for e in rollout.episodes for attempt in e.attempts)
            self._sampled = episodes + len(rollout.episodes), tokens + spent
        return rollout

    # -- learning -----------------------------------------------------------------------
    def learn_from(self, step: int, stage: Stage) -> Rollout:
        """Take a whole on-policy step: collect, update, log. Returns its rollout."""
        rollout = self.collect_informative(step, stage)
        self.update(step, stage, [rollout])
        return rollout

    def collect_informative(self, step: int, stage: Stage, problems: int | None = None) -> Rollout:
        """Sample a step's episodes; with ``oversample`` keep the informative problems.

        Problems whose judged samples differ in reward come first, in the order in which they
        were drawn; where there are too few, others fill up.
        """
        config = self._on_policy()
        wanted = config.sampling.problems_per_step if problems is None else problems
        rollout = self.collect(step, config.oversample * wanted)
        if config.oversample == 1:
            return rollout
        rewards = stage.rewards(rollout.scores).view(-1, config.sampling.samples, rollout.turns)
        judged = rollout.judged.view(-1, config.sampling.samples)
        differs = [
            bool((of[ok] != of[ok][:1]).any()) for of, ok in zip(rewards, judged, strict=True)
        ]
        order = sorted(range(len(differs)), key=lambda group: not differs[group])
        return rollout.of_problems(sorted(order[:wanted]))

    def update(self, step: int, stage: Stage, rollouts: Sequence[Rollout]) -> MetricsRow:
        """Take the optimiser's step on a step's rollouts and log the metrics of the first.

        Raises:
            CreditError: the stage's rewards don't reach the turns of its ``reach``.
        """
        config = self._on_policy()
        self.learner.learning_rate = stage.learning_rate
        if not any(stage is checked for checked in self._checked):
            reach = discounted(stage.reach, config.objective.gamma)
            for rollout in rollouts:
                check_credit(
                    self.policy,
                    rollout,
                    stage.rewards,
                    reach,
                    config.objective,
                    self.tokens_per_forward,
                )
            self._checked.append(stage)
        metrics = update(
            self.policy,
            self.reference,
            self.learner,
            [
                Batch(rollout=rollout, rewards=stage.rewards(rollout.scores), betas=stage.betas)
                for rollout in rollouts
            ],
            config.objective,
            epochs=config.optimization.epochs,
            tokens_per_forward=self.tokens_per_forward,
        )
        for rollout in rollouts[1:]:
            offline = rollout_metrics(rollout)
            metrics |= {f"offline/{key}": value for key, value in offline.items()}
        return self.log(step, metrics, rollouts[0].episodes)

    def log(self, step: int, metrics: MetricsRow, episodes: Sequence[Episode] = ()) -> MetricsRow:
        """Log a step's metrics, with the numbers of episodes and tokens so far; returns them."""
        before = self.history[-1] if self.history else {}
        sampled, tokens = self._sampled
        self._sampled = (0, 0)
        metrics = {
            "episodes": before.get("episodes", 0) + sampled,
            "tokens": before.get("tokens", 0) + tokens,
            "train/unjudged_share": self._unjudged.finish_step(step),
            **metrics,
        }
        self.history.append(metrics)
        if self.run is not None:
            self.run.log(step + 1, metrics)
            if self._first_episode:
                self.run.log_first_episode(self._first_episode)
            self.run.log_episodes(step + 1, tuple(episodes))
        return metrics

    def _on_policy(self) -> OnPolicyConfig:
        if not isinstance(self.config, OnPolicyConfig):
            raise TypeError(
                f"Updates need an OnPolicyConfig, and this run has a {type(self.config).__name__}."
            )
        return self.config

    def _vector_env(self, size: int) -> VectorEnv[Any, Any, Any]:
        if size not in self._vector_envs:
            self._vector_envs[size] = self._env.vectorised(size)
        return self._vector_envs[size]

    def _resume(self) -> int:
        if self.run is None:
            return 0
        checkpoint = latest_checkpoint(self.run.checkpoints)
        if checkpoint is None:
            self.run.rewind(0)
            return 0
        checkpoint.restore(self.policy, self.learner)
        self.pool = checkpoint.episodes()
        rows = self.run.rewind(checkpoint.step)
        self.history = [{key: row[key] for key in row if key != "step"} for row in rows]
        return checkpoint.step

    def _save(self, step: int) -> None:
        if self.run is not None:
            folder = self.run.checkpoints
            save_checkpoint(folder, step, self.policy, self.learner, episodes=self.pool)


class TrainedAgent(LanguageModelAgent):
    """A policy that learns in an environment: the base of every method that trains.

    A method sets `Learning`, its configuration, and implements `train`, its steps.
    """

    Learning: ClassVar[type[Any]]
    """The frozen dataclass of its configuration; every field has a default and a docstring."""
    attempts: ClassVar[int | None] = 2
    """The number of attempts that the method is defined for; None takes any."""
    least_attempts: ClassVar[int] = 1
    """The least number of attempts, if `attempts` is None."""

    def learn(
        self,
        env: str | AnyEnv | TrainingEnv,
        config: Any = None,
        *,
        run: RunFolder | str | Path | None = None,
        progress: bool = False,
    ) -> list[MetricsRow]:
        """Train the policy in place; returns one dict of metrics for each step.

        Args:
            env: an environment's id (its training split is played), an environment that
                ``gym.make`` returned, a `SelfCorrectEnv` or a subclass of it. Problems come from
                its problem set, rewards from its verdicts.
            config: a `Learning`; by default one with default values.
            run: a folder to log to and to save to. A path that holds a run of the same settings
                is resumed.
            progress: whether to show a progress bar.

        Raises:
            UnsupportedEnvError: the environment has a wrapper that training would not use, such
                as one that changes rewards.
            LearningError: the environment has another number of attempts than the method's.
            CheckpointError: ``run`` holds another run.
            CreditError: a reward does not reach the turns that it should; no step was taken.
            UnjudgedError: the verifier failed at most episodes of several steps in a row.
            KeyboardInterrupt: Ctrl-C, after a checkpoint was written.
        """
        env = training_env(env)
        self.check_attempts(env.attempts)
        config = self.Learning() if config is None else config
        if not isinstance(run, str | Path):
            return self._train(env, config, run, progress)
        with closing(open_run(run, type(self).__name__, env, config, self.fingerprint())) as folder:
            return self._train(env, config, folder, progress)

    def _train(
        self, env: TrainingEnv, config: Any, run: RunFolder | None, progress: bool
    ) -> list[MetricsRow]:
        trainer = Trainer(self.policy, env, config, run, progress)
        self.train(trainer, config)
        return trainer.history

    @classmethod
    def check_attempts(cls, attempts: int) -> None:
        """Refuse a number of attempts that the method is not defined for.

        Raises:
            LearningError: the message says which number to take.
        """
        name = cls.__name__
        if cls.attempts is not None and attempts != cls.attempts:
            raise LearningError(
                f"{name} is defined for {cls.attempts} attempts, and the environment has "
                f"{attempts}. Make it with attempts={cls.attempts}."
            )
        if attempts < cls.least_attempts:
            raise LearningError(
                f"{name} needs at least {cls.least_attempts} attempts, and the environment has "
                f"{attempts}. Make it with attempts={cls.least_attempts}."
            )

    def train(self, trainer: Trainer, config: Any) -> None:
        """Take every step of a run: ``for step in trainer.steps(total)``."""
        raise NotImplementedError
