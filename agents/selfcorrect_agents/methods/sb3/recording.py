"""The callback that counts episodes, logs metrics and ends a run of stable-baselines3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import obs_as_tensor

from selfcorrect_agents.errors import UnjudgedError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.sb3.lm_policy import CausalLMPolicy
from selfcorrect_agents.methods.sb3.sb3 import SB3Config
from selfcorrect_agents.training.progress import MetricsRow
from selfcorrect_agents.training.run_folder import RunFolder
from selfcorrect_agents.training.unjudged import UnjudgedWatch
from selfcorrect_env import Episode
from selfcorrect_env.evaluation import turn_metrics

LOGGED = {
    "episodes": "episodes that have ended so far",
    "tokens": "tokens sampled so far, including those of unfinished episodes",
    "t{t}/accuracy": "share of the rollout's judged episodes whose attempt t scored 1",
    "t{t}/score": "mean score of attempt t over the judged episodes; above the accuracy if the "
    "verifier gives partial credit",
    "t{t}/reward": "mean reward of attempt t, including the bonus",
    "t{t}/kl": "mean KL(π_θ ‖ π_ref) of attempt t: per token over the vocabulary, in nats, times "
    "the mean number of tokens",
    "t{t}/tokens": "mean number of sampled tokens in attempt t",
    "t{t}/truncated": "share of attempt t's replies that the token cap cut off",
    "delta": "Δ(t1, tK): accuracy of the last attempt minus accuracy of the first",
    "unchanged": "share of judged episodes whose last answer equals the first",
    "train/unjudged": "attempts that the verifier failed to judge: their reward is the critic's "
    "estimate, so they have (almost) no effect on training",
    "train/unjudged_share": "share of the rollout's finished episodes with such an attempt; above "
    "a half in three rollouts in a row training stops",
    "train/entropy_loss": "stable-baselines3's name for the mean KL of a token, if beta > 0",
    "train/explained_variance": "share of the returns' variance that the critic predicts; omitted "
    "if the returns do not vary",
    "train/…": "other values that the algorithm records, under stable-baselines3's names",
}
"""Meaning of the keys of the log; ``{t}`` counts attempts from 1. Keys about episodes are omitted
if no episode ended in the rollout."""


class Recorder(BaseCallback):
    """Counts episodes, logs a row of metrics after each update, and says when to stop.

    Args:
        config: the run's configuration.
        reference: π_ref, for the KL that is logged.
        run: the folder to log to, or None.
        bar: is told (episodes, metrics).
        stopping: returns whether the user requested a stop.
    """

    def __init__(
        self,
        config: SB3Config,
        reference: Policy,
        run: RunFolder | None,
        bar: Callable[[int, MetricsRow], None],
        stopping: Callable[[], bool],
    ) -> None:
        super().__init__()
        self.history: list[MetricsRow] = []
        """One dict of metrics for each update (see `LOGGED`)."""
        self.interrupted = False
        """Whether the run ended because the user requested it."""
        self._watch = UnjudgedWatch()
        self._config = config
        self._reference = reference
        self._run = run
        self._bar = bar
        self._stopping = stopping
        self._finished = 0
        self._over = False
        self._pending: MetricsRow | None = None
        self._clear()

    def _clear(self) -> None:
        self._episodes: list[Episode] = []
        self._rewards: dict[int, list[float]] = {}
        self._turns: list[list[int]] = []
        self._unjudged = 0

    # -- called by stable-baselines3 ----------------------------------------------------
    def _on_rollout_start(self) -> None:
        self._log_pending()  # the update after the previous rollout has finished
        self._clear()

    def _on_step(self) -> bool:
        if self._over:
            return False
        self._turns.append(
            [self._record_token(row, info) for row, info in enumerate(self.locals["infos"])]
        )
        # train on every full rollout, and on the first one in any case
        full = len(self._turns) == self._config.tokens_per_env
        return full or not self.history or self._finished < self._config.episodes

    def _on_rollout_end(self) -> None:
        enough = self._finished >= self._config.episodes
        self.interrupted = self._stopping() and not enough
        self._over = enough or self.interrupted
        self._pending = {"episodes": float(self._finished), "tokens": float(self.num_timesteps)}
        self._pending |= turn_metrics(self._episodes)
        for turn, rewards in sorted(self._rewards.items()):
            self._pending[f"t{turn + 1}/reward"] = float(np.mean(rewards))
        self._pending |= self._kl()
        self._pending["train/unjudged"] = float(self._unjudged)
        self._watch.add(self._episodes)
        self._pending["train/unjudged_share"] = self._watch.finish_step(len(self.history))
        self._over = self._over or self._watch.failure() is not None

    def _on_training_end(self) -> None:
        self._log_pending()

    def failure(self) -> UnjudgedError | None:
        """Return the error of a run whose last rollouts the verifier failed to judge, or None."""
        return self._watch.failure(len(self.history))

    # -- the parts ----------------------------------------------------------------------
    def _record_token(self, row: int, info: dict[str, Any]) -> int:
        """Record a token's info; return the index of its attempt, from 0."""
        verdict = info.get("verdict")
        if verdict is None:
            return info["attempt"]
        turn = info["attempt"] - 1
        rewards: NDArray[np.float32] = self.locals["rewards"]
        if not verdict.judged:
            rewards[row] = float(self.locals["values"][row]) - self._later_value(row)
            self._unjudged += 1
        self._rewards.setdefault(turn, []).append(float(rewards[row]))
        if "finished" in info:
            self._episodes.append(info["finished"])
            self._finished += 1
        return turn

    @torch.no_grad()
    def _later_value(self, row: int) -> float:
        """Return what the critic expects after a token, discounted; 0 at an episode's end.

        The critic's estimate less this is the reward of an attempt without a score: the advantage
        of its tokens is then about 0, whatever follows.
        """
        if self.locals["dones"][row]:
            return 0.0
        model = cast(OnPolicyAlgorithm, self.model)
        seen = {key: values[row : row + 1] for key, values in self.locals["new_obs"].items()}
        value = model.policy.predict_values(obs_as_tensor(seen, model.device))
        return model.gamma * float(value)

    @torch.no_grad()
    def _kl(self) -> MetricsRow:
        """Return the KL to the base of each attempt, over the tokens of the rollout."""
        model = cast(OnPolicyAlgorithm, self.model)
        policy = cast(CausalLMPolicy, model.policy)
        seen = cast(dict[str, NDArray[Any]], model.rollout_buffer.observations)
        size = getattr(model, "batch_size", self._config.rollout)
        envs = max(1, size // self._config.tokens_per_env)  # as many rows as in a gradient step
        columns = []
        for first in range(0, self._config.envs, envs):
            part = {key: values[:, first : first + envs] for key, values in seen.items()}
            shape = part["mask"].shape
            flat = {key: values.reshape(-1, shape[-1]) for key, values in part.items()}
            kl = policy.kl_to(self._reference, obs_as_tensor(flat, model.device))
            columns.append(kl.view(shape[:2]).cpu().numpy())
        kl, turns = np.concatenate(columns, axis=1), np.array(self._turns)
        metrics = {}
        for turn in np.unique(turns).tolist():
            tokens = [e.attempts[turn].tokens or 0 for e in self._episodes]
            if tokens:
                per_token = float(kl[turns == turn].mean())
                metrics[f"t{turn + 1}/kl"] = per_token * float(np.mean(tokens))
        return metrics

    def _log_pending(self) -> None:
        """Log the last rollout's metrics with those of the update that followed it."""
        metrics, self._pending = self._pending, None
        if metrics is None:
            return
        for key, value in self.logger.name_to_value.items():
            undefined = key == "train/explained_variance" and not np.isfinite(value)
            if key.startswith("train/") and not undefined:
                metrics[key] = float(value)
        self.history.append(metrics)
        step = len(self.history)
        self._bar(int(metrics["episodes"]), metrics)
        if self._run is not None:
            self._run.log(step, metrics)
            self._run.log_episodes(step, tuple(self._episodes))
