"""`Trainer`: the steps of a run."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.learner import Learner, make_optimizer
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.references import reference_of
from selfcorrect_agents.lm.samplers import CachedSampler, Turn
from selfcorrect_agents.rl.credit import (
    Reach,
    Rewards,
    check_credit,
    comparable_turns,
    discounted,
)
from selfcorrect_agents.rl.loss import Batch
from selfcorrect_agents.rl.rollout import Rollout, collect, rollout_metrics, written
from selfcorrect_agents.rl.scoring import score_in_parts
from selfcorrect_agents.rl.update import update
from selfcorrect_agents.training.checkpoint import (
    checkpoint_of,
    latest_checkpoint,
    open_checkpoint,
    save_checkpoint,
    step_seed,
)
from selfcorrect_agents.training.config import OnPolicyConfig, TrainingConfig
from selfcorrect_agents.training.failures import (
    check_rewards,
    check_sampled,
    diverging,
    kl_failure,
)
from selfcorrect_agents.training.held_out import (
    best_step,
    held_out_of,
    is_due,
    is_over,
    metric_of,
)
from selfcorrect_agents.training.memory_split import Split, resumed, split_of
from selfcorrect_agents.training.progress import (
    SAME_WEIGHTS,
    MetricsRow,
    progress_bar,
    stop_on_interrupt,
)
from selfcorrect_agents.training.run_folder import RunFolder
from selfcorrect_agents.training.saving import write_model
from selfcorrect_agents.training.unjudged import UnjudgedWatch
from selfcorrect_env import CheckpointError, Episode, TrainingEnv, UnjudgedWarning
from selfcorrect_env.evaluation import episode_text


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
    roles: Sequence[int] | None = None
    """(K,) the role of each turn, if advantages are normalised role by role
    (`selfcorrect_agents.rl.objectives.role_normalised`)."""


class Trainer:
    """Steps of one run: collects, updates, logs, saves, stops and resumes.

    Args:
        policy: the policy to train, in place. Its weights at the start are the reference
            π_ref, also if a resumed run then loads others.
        env: the environment that episodes are played in.
        config: the size of a step and how it samples.
        run: the folder to log to and to resume from; None keeps everything in memory.
        progress: whether to show a progress bar.
        held_out: the environment of evaluations in the course of training; None holds out
            training problems, if the configuration says so.
        evaluated: what evaluations of held-out training problems play; by default ``env``.

    Raises:
        LearningError: the policy drops the thoughts of earlier replies, or has quantised weights
            and no adapter; `HeldOut` refuses the held-out problems or the best metric; or the best
            model is to be kept without a run.
    """

    def __init__(
        self,
        policy: Policy,
        env: TrainingEnv,
        config: TrainingConfig,
        run: RunFolder | None = None,
        progress: bool = False,
        *,
        held_out: TrainingEnv | None = None,
        evaluated: TrainingEnv | None = None,
    ) -> None:
        if policy.chat.template.thoughts == "drop":
            raise LearningError(
                "template.thoughts='drop' is for measuring: training scores an episode as one "
                "sequence, with the thoughts of earlier replies. Train with 'keep'."
            )
        policy.prepare_training()
        self.policy = policy
        self.reference = reference_of(policy)
        self.config = config
        self.run = run
        self.progress = progress
        self.history: list[MetricsRow] = []
        """One dict of metrics for each step taken (see `selfcorrect_agents.rl.update.LOGGED`)."""
        self.pool: list[Episode] = []
        """Episodes that a method keeps from step to step; a checkpoint holds them."""
        optimizer = make_optimizer(policy.model, config.learning_rate, config.optimizer)
        self.learner = Learner(policy.model, optimizer, max_grad_norm=config.max_grad_norm)
        self.split = split_of(policy, env, config)
        """How a step is cut to fit into memory."""
        self.attempts = env.attempts
        """Attempts in an episode of the environment."""
        self._env = env
        self._held_out = held_out_of(policy, evaluated or env, held_out, config, run is not None)
        left_out = self._held_out.of_training if self._held_out else frozenset()
        self._indices = np.array([i for i in range(len(env.problems)) if i not in left_out])
        self._best_metric = metric_of(config.evaluation, env.attempts)
        self._vector_envs: dict[int, VectorEnv[Any, Any, Any]] = {}
        self._checked: list[tuple[Stage, set[int]]] = []  # the turns that were compared
        self._running: Generator[int, None, None] | None = None
        self._total: int | None = None
        self._patience_from = 0
        self._sampled = (0, 0)  # episodes and tokens of this step so far
        self._unjudged = UnjudgedWatch()
        self._first_episode = ""  # as the model read and wrote it; written with the first log

    def steps(self, total: int, *, patience_from: int = 0) -> Iterator[int]:
        """Return the numbers of the steps to take, from 0 to ``total - 1``, one after another.

        Resumes from the run's newest checkpoint. After Ctrl-C the current step is finished, a
        checkpoint is written and KeyboardInterrupt is raised; a second Ctrl-C stops at once.

        With ``eval_patience`` it ends before ``total`` where evaluations stop getting better; with
        ``keep_best`` the policy then has the weights of the best one.

        Args:
            total: the steps of the run.
            patience_from: ``eval_patience`` counts evaluations after this many steps: the start of
                the last stage of a method with stages, whose others it must not end.

        Raises:
            UnjudgedError: the verifier failed at most episodes of several steps in a row
                (`selfcorrect_agents.training.unjudged`); a checkpoint is written before.
            DivergenceError: the KL of a step is above ``max_kl``; no checkpoint is written.
        """
        self._running = self._taken(total, patience_from)
        return self._running

    def close(self) -> None:
        """End `steps`, which handles Ctrl-C until then: an error in a step does not end it."""
        if self._running is not None:
            self._running.close()

    def _taken(self, total: int, patience_from: int) -> Generator[int, None, None]:
        self._total, self._patience_from = total, patience_from
        start = self._resume()
        if self.run is not None and start < total:
            self.run.reach_trackers(start + 1)
        with stop_on_interrupt() as stopping, progress_bar(self.progress, total, start) as bar:
            for step in range(start, total):
                if self._is_over():
                    break
                yield step
                bar(step + 1, self.history[-1])
                diverged = kl_failure(self.history[-1], self.config.execution.max_kl)
                if diverged:
                    fitted = any(key.startswith("after_fit/") for key in self.history[-1])
                    diverged.after = step + fitted  # the KL of an update is that before it
                    raise diverged
                last, stop = step + 1 == total or self._is_over(), stopping()
                failure = self._unjudged.failure(total)
                if stop or last or failure or self._saves_after(step + 1):
                    self._save(step + 1)
                if failure:
                    raise failure
                if stop and not last:
                    raise KeyboardInterrupt
        if self.run is not None:
            self._take_best()
            write_model(self.run, self.policy.save_pretrained)

    def _is_over(self) -> bool:
        patience = self.config.evaluation.eval_patience
        return is_over(self.history, self._best_metric, patience, self._patience_from)

    def _saves_after(self, step: int) -> bool:
        due = step % self.config.execution.checkpoint_every == 0
        return due or (self.config.evaluation.keep_best and self._best_step() == step)

    def _best_step(self) -> int | None:
        return best_step(self.history, self._best_metric)

    def best_checkpoint(self, before: int | None = None) -> Path | None:
        """Return the checkpoint of the best evaluation, if the best model is to be kept.

        Args:
            before: only evaluations after fewer steps count; by default all.
        """
        rows = self.history if before is None else self.history[: max(0, before - 1)]
        best = best_step(rows, self._best_metric) if self.config.evaluation.keep_best else None
        folder = None if self.run is None or not best else checkpoint_of(self.run.checkpoints, best)
        return folder if folder is not None and folder.is_dir() else None

    def _take_best(self) -> None:
        """Load the weights of the best evaluation, if they are to be kept and are not here."""
        best = self._best_step()
        if self.run is None or not self.config.evaluation.keep_best:
            return
        if best is None:
            warnings.warn(
                f"No evaluation has {self._best_metric}: it counts judged episodes, and none was. "
                "The model is that of the last step.",
                UnjudgedWarning,
                stacklevel=2,
            )
            return
        if best != len(self.history):
            checkpoint = open_checkpoint(checkpoint_of(self.run.checkpoints, best))
            self.policy.load_weights(checkpoint.model)
        self.run.log_best(best, self._best_metric, self.history[best - 1][self._best_metric])

    # -- episodes -----------------------------------------------------------------------
    def collect(
        self,
        step: int,
        problems: int | None = None,
        *,
        first: Policy | None = None,
        after: Sequence[Episode] = (),
        purpose: str = "",
        counted: bool = True,
    ) -> Rollout:
        """Sample the episodes of a step: fresh problems, ``samples`` episodes of each.

        Args:
            step: the step's number, from 0: the seed of problems and samples.
            problems: how many; by default the configuration's.
            first: samples the first attempts; by default the policy that is trained.
            after: play the problems of these episodes, one for each problem, and continue from
                their first attempts, which are given instead of sampled.
            purpose: distinguishes rollouts of one step, so that their seeds differ.
            counted: False leaves them out of the run's sampled episodes and tokens.
        """
        config, size = self.config.sampling, len(self._indices)
        wanted = config.problems_per_step if problems is None else problems
        rng = np.random.default_rng(step_seed(config.seed, step, f"problems{purpose}"))
        chosen = self._indices[rng.choice(size, wanted, replace=wanted > size)].tolist()
        given: Policy | Turn | None = first
        if after:
            index_of = {problem.id: index for index, problem in enumerate(self._env.problems)}
            chosen = [index_of[episode.problem.id] for episode in after]
            repeated = [e.attempts[0] for e in after for _ in range(config.samples)]
            given = written(self.policy, repeated)
        generator = torch.Generator(self.policy.device)
        for player in (self.policy, given):
            if isinstance(player, Policy) and isinstance(player.sampler, CachedSampler):
                player.sampler.rows_at_once = self.split.rows_at_once
        with diverging(after=len(self.history) + (not counted)):
            rollout = collect(
                self.policy,
                self._vector_env(len(chosen) * config.samples),
                chosen,
                samples=config.samples,
                max_new_tokens=config.max_new_tokens,
                temperature=config.temperature,
                generator=generator.manual_seed(step_seed(config.seed, step, f"samples{purpose}")),
                first=given,
                seed=step_seed(config.seed, step, f"episodes{purpose}") % (1 << 31),
            )
            check_sampled(rollout)
        self._unjudged.add(rollout.episodes)
        if step == 0 and not self._first_episode:
            first_row = rollout.ids[0][rollout.attention_mask[0]]
            self._first_episode = self.policy.chat.decode_all(first_row.tolist())
        if counted:
            episodes, tokens = self._sampled
            sampled = [e.attempts[1:] if after else e.attempts for e in rollout.episodes]
            spent = sum(attempt.tokens or 0 for attempts in sampled for attempt in attempts)
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
            DivergenceError: a reward or the gradient is not finite; no step is taken on it.
        """
        config = self._on_policy()
        self.learner.learning_rate = stage.learning_rate * config.rate_factor(step)
        rewards = [stage.rewards(rollout.scores) for rollout in rollouts]
        for rollout, of in zip(rollouts, rewards, strict=True):
            check_rewards(of, rollout.scores)
        self._check_credit(stage, rollouts)
        if config.optimization.epochs > 1:
            rollouts = [self._scored(rollout) for rollout in rollouts]
        metrics = update(
            self.policy,
            self.reference,
            self.learner,
            [
                Batch(rollout=rollout, rewards=of, betas=stage.betas, roles=stage.roles)
                for rollout, of in zip(rollouts, rewards, strict=True)
            ],
            config.objective,
            epochs=config.optimization.epochs,
            tokens_per_forward=self.split.tokens_per_forward,
        )
        metrics["train/learning_rate"] = self.learner.learning_rate
        for rollout in rollouts[1:]:
            offline = rollout_metrics(rollout)
            metrics |= {f"offline/{key}": value for key, value in offline.items()}
        learned = "train/skipped" not in metrics
        return self.log(step, metrics, rollouts[0].episodes, learned=learned)

    def log(
        self,
        step: int,
        metrics: MetricsRow,
        episodes: Sequence[Episode] = (),
        *,
        learned: bool = True,
    ) -> MetricsRow:
        """Log a step's metrics, with the numbers of episodes and tokens so far; returns them.

        After every ``eval_every`` steps, after each fit and after the last step the policy is
        evaluated, and its metrics are added.

        Args:
            step: the step's number, from 0.
            metrics: of the step.
            episodes: of the step.
            learned: False if the step left the weights as they were: an evaluation that would
                find those of the one before is not made.
        """
        before = self.history[-1] if self.history else {}
        sampled, tokens = self._sampled
        self._sampled = (0, 0)
        metrics = {
            "episodes": before.get("episodes", 0) + sampled,
            "tokens": before.get("tokens", 0) + tokens,
            "gradient_tokens": before.get("gradient_tokens", 0)
            + sum(metrics.get(f"{part}/gradient_tokens", 0) for part in ("train", "fit")),
            "train/unjudged_share": self._unjudged.finish_step(step),
            **({} if learned else {SAME_WEIGHTS: 1.0}),
            **metrics,
        }
        self.history.append(metrics)
        if self._held_out and is_due(self.history, self.config.evaluation.eval_every, self._total):
            with diverging(after=len(self.history)):
                metrics |= self._held_out.measure()
        if self.run is not None:
            self.run.log(step + 1, metrics)
            self.run.log_split(asdict(self.split))
            if self._first_episode:
                self.run.log_first_episode(self._first_episode)
            self.run.log_episodes(step + 1, tuple(episodes))
            self._show_sample(step + 1, episodes)
        return metrics

    def _check_credit(self, stage: Stage, rollouts: Sequence[Rollout]) -> None:
        """Check which turns each score trains, until every turn could be compared once."""
        config = self._on_policy()
        compared = set[int]().union(*(comparable_turns(rollout) for rollout in rollouts))
        before = next((turns for each, turns in self._checked if each is stage), None)
        if before is not None and compared <= before:
            return
        for rollout in rollouts:
            check_credit(
                self.policy,
                rollout,
                stage.rewards,
                discounted(stage.reach, config.objective.gamma),
                config.objective,
                self.split.tokens_per_forward,
            )
        if before is None:
            self._checked.append((stage, compared))
        else:
            before |= compared

    def _scored(self, rollout: Rollout) -> Rollout:
        """Return a rollout with the log-probabilities that an update computes before its steps.

        Those of sampling are of other products of the same matrices, which differ in bfloat16; the
        ratio of a turn is of the sum over its tokens.
        """
        tokens = self.split.tokens_per_forward
        logps = score_in_parts(self.policy, self.policy, rollout, tokens).logps
        return replace(rollout, logps=logps)

    def _show_sample(self, step: int, episodes: Sequence[Episode]) -> None:
        """Write the first episode of every ``show_every``-th step, and print it."""
        every = 0 if self.run is None else self.run.show_every
        if self.run is None or not every or not episodes or (step != 1 and step % every):
            return
        text = episode_text(episodes[0])
        self.run.log_sample(step, text)
        if self.progress:
            print(f"step {step}\n{text}", file=sys.stderr, flush=True)

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
            before = self.run.split()
            known = None if before is None else Split(**before)
            self.split = resumed(self.split, known, self.config)
            return 0
        checkpoint.restore(self.policy, self.learner)
        self.pool = checkpoint.episodes()
        self.split = resumed(self.split, checkpoint.split, self.config)
        rows = self.run.rewind(checkpoint.step)
        if [row["step"] for row in rows] != list(range(1, checkpoint.step + 1)):
            raise CheckpointError(
                f"{self.run.path}/metrics.jsonl has {len(rows)} steps, and the newest checkpoint "
                f"comes after {checkpoint.step}: its budget and its best step are not known. "
                f"Restore the file, or delete {self.run.checkpoints} to train from the start."
            )
        self.history = [{key: row[key] for key in row if key != "step"} for row in rows]
        self._unjudged.resume([row.get("train/unjudged_share", 0.0) for row in self.history])
        return checkpoint.step

    def _save(self, step: int) -> None:
        if self.run is not None:
            best = self._best_step() if self.config.evaluation.keep_best else None
            save_checkpoint(
                self.run.checkpoints,
                step,
                self.policy,
                self.learner,
                episodes=self.pool,
                spared=best,
                split=self.split,
            )
            self.run.draw_curves(self.history)
