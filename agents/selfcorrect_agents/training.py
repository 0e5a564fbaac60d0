"""The ground that a method's ``learn`` stands on: steps, rollouts, resuming, stopping."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TypeAlias

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor

from selfcorrect_agents.checkpoint import latest_checkpoint, save_checkpoint, step_seed
from selfcorrect_agents.logging import RunFolder
from selfcorrect_agents.policy import Policy
from selfcorrect_agents.reinforce import KLTerm, Objective, update
from selfcorrect_agents.rollout import Rollout, collect
from selfcorrect_env import SelfCorrectEnv, SelfCorrectError, SelfCorrectVectorEnv


@dataclass(frozen=True, kw_only=True)
class OnPolicyConfig:
    """What every on-policy method is asked: the size of a step and how it samples."""

    problems_per_step: int = 32
    """Problems in one step, ≥ 1."""
    samples: int = 8
    """Episodes of each problem in one step, ≥ 2: they are each other's baseline (RLOO)."""
    learning_rate: float = 1e-3
    """Of AdamW, > 0. The paper: 5e-6 (MATH), 1e-5 (MBPP) for large models (table 5)."""
    temperature: float = 1.0
    """Of sampling, > 0. The paper: 1.0 (table 5)."""
    max_new_tokens: int = 16
    """Token cap of one reply, the same in both turns."""
    gamma: float = 0.0
    """Discount across turns, in [0, 1]; 0 credits each turn with its own reward (appendix A.2)."""
    kl: KLTerm = "full_loss"
    """How the KL to the base policy enters the objective."""
    max_grad_norm: float = 0.3
    """The gradient's norm is clipped to this, > 0: rare tokens make the KL's gradient spike."""
    rows_per_forward: int = 256
    """Episodes in one forward pass: lower it where memory is short; the result is the same."""
    seed: int = 0
    """Of problems and samples."""
    checkpoint_every: int = 50
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        """Refuse what can't be meant; an invalid configuration does not exist."""
        check(
            self.problems_per_step >= 1, "problems_per_step", "at least 1", self.problems_per_step
        )
        check(
            self.samples >= 2,
            "samples",
            "at least 2 (they are each other's baseline)",
            self.samples,
        )
        check(self.learning_rate > 0, "learning_rate", "above 0", self.learning_rate)
        check(
            self.temperature > 0,
            "temperature",
            "above 0 (learning needs samples)",
            self.temperature,
        )
        check(self.max_grad_norm > 0, "max_grad_norm", "above 0", self.max_grad_norm)
        check(self.max_new_tokens >= 1, "max_new_tokens", "at least 1", self.max_new_tokens)
        check(0 <= self.gamma <= 1, "gamma", "in [0, 1]", self.gamma)
        check(self.rows_per_forward >= 1, "rows_per_forward", "at least 1", self.rows_per_forward)
        check(self.seed >= 0, "seed", "at least 0", self.seed)
        check(self.checkpoint_every >= 1, "checkpoint_every", "at least 1", self.checkpoint_every)


class LearningError(SelfCorrectError, ValueError):
    """The environment is not one that the method can be trained on."""


def check(holds: bool, name: str, expected: str, value: object) -> None:
    """Raise a ValueError that names the field unless ``holds``."""
    if not holds:
        raise ValueError(f"{name} must be {expected}, got {value!r}.")


Figures: TypeAlias = dict[str, float]


class Trainer:
    """Steps of one on-policy run: it collects, updates, logs, saves, stops and goes on.

    Args:
        policy: the policy to train, in place. Its weights at the start are the reference
            π_ref, whatever a resumed run then loads.
        env: where episodes are played.
        config: the size of a step and how it samples.
        run: the folder to log to and to resume from; None keeps everything in memory.
        progress: whether to show a progress bar.
    """

    def __init__(
        self,
        policy: Policy,
        env: SelfCorrectEnv,
        config: OnPolicyConfig,
        run: RunFolder | None = None,
        progress: bool = False,
    ) -> None:
        self.policy = policy
        self.reference = policy.frozen_copy()
        self.config = config
        self.run = run
        self.progress = progress
        self.history: list[Figures] = []
        """One dict of figures for each step taken (see `reinforce.LOGGED`)."""
        self.optimizer = build_optimizer(policy.model, config.learning_rate)
        self._env = SelfCorrectVectorEnv.like(
            env, config.problems_per_step * config.samples, autoreset_mode=AutoresetMode.DISABLED
        )

    def steps(self, total: int) -> Iterator[int]:
        """Yield the numbers of the steps to take, from 0 to ``total - 1``.

        Goes on where the run's newest checkpoint stands. Ctrl-C lets the step that is under
        way finish, writes a checkpoint, and then raises KeyboardInterrupt; a second Ctrl-C
        stops at once.
        """
        start = self._resume()
        with stop_on_interrupt() as stopping, progress_bar(self.progress, total, start) as bar:
            for step in range(start, total):
                yield step
                bar(step + 1, self.history[-1])
                last, stop = step + 1 == total, stopping()
                if stop or last or (step + 1) % self.config.checkpoint_every == 0:
                    self._save(step + 1)
                if stop and not last:
                    raise KeyboardInterrupt
        if self.run is not None:
            self.policy.save_pretrained(self.run.model)

    def collect(self, step: int) -> Rollout:
        """Sample the episodes of a step: fresh problems, ``samples`` episodes of each."""
        config = self.config
        size = len(self._env.problems)
        rng = np.random.default_rng(step_seed(config.seed, step, "problems"))
        chosen = rng.choice(size, config.problems_per_step, replace=config.problems_per_step > size)
        generator = torch.Generator(self.policy.device)
        return collect(
            self.policy,
            self._env,
            chosen.tolist(),
            samples=config.samples,
            max_new_tokens=config.max_new_tokens,
            temperature=config.temperature,
            generator=generator.manual_seed(step_seed(config.seed, step, "samples")),
        )

    def update(
        self,
        step: int,
        rollout: Rollout,
        rewards: Tensor,
        betas: Sequence[float],
        learning_rate: float | None = None,
    ) -> Figures:
        """Take the optimiser's step on ``rewards`` (B, K) and log its figures.

        Args:
            step: the step's number, from 0.
            rollout: what `collect` returned for it.
            rewards: (B, K) what each turn is rewarded with.
            betas: (K,) each turn's coefficient of the KL to the reference.
            learning_rate: for this step; by default the configuration's.
        """
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate or config.learning_rate
        figures = update(
            self.policy,
            self.reference,
            self.optimizer,
            rollout,
            rewards,
            Objective(betas=betas, gamma=config.gamma, kl=config.kl),
            max_grad_norm=config.max_grad_norm,
            rows_per_forward=config.rows_per_forward,
        )
        self.history.append(figures)
        if self.run is not None:
            self.run.log(step + 1, figures)
            self.run.log_episodes(step + 1, rollout.episodes)
        return figures

    def _resume(self) -> int:
        if self.run is None:
            return 0
        checkpoint = latest_checkpoint(self.run.checkpoints)
        if checkpoint is None:
            self.run.rewind(0)
            return 0
        trained = Policy.from_pretrained(checkpoint.model)
        self.policy.model.load_state_dict(trained.model.state_dict())
        checkpoint.restore(self.optimizer)
        self.history = self.run.rewind(checkpoint.step)
        return checkpoint.step

    def _save(self, step: int) -> None:
        if self.run is not None:
            save_checkpoint(self.run.checkpoints, step, self.policy, self.optimizer)


def build_optimizer(model: torch.nn.Module, learning_rate: float) -> torch.optim.AdamW:
    """Return AdamW over the trainable weights: betas (0.9, 0.99), no weight decay."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    return torch.optim.AdamW(weights, lr=learning_rate, betas=(0.9, 0.99), weight_decay=0.0)


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag; yields the function that reads it.

    Outside the main thread, where Python can't handle signals, it never becomes true.
    """
    asked: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)  # the second one stops at once

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def progress_bar(shown: bool, total: int, done: int) -> Iterator[Callable[[int, Figures], None]]:
    """Show a bar of training steps; yields ``update(step, figures)``."""
    if not shown:
        yield lambda step, figures: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=total, completed=done)

        def update_bar(step: int, figures: Figures) -> None:
            turns = [value for key, value in figures.items() if key.endswith("/accuracy")]
            shares = " → ".join(f"{100 * value:.0f}%" for value in turns)
            bar.update(task, completed=step, description=f"training · right {shares}")

        yield update_bar
