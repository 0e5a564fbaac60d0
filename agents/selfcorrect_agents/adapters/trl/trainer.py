"""`SCoReGRPOTrainer`: TRL's GRPO trainer with per-turn advantages and SCoRe's two stages.

TRL samples, scores, clips, steps, saves, shards and logs. Replaced are the rewards and the
advantages: a turn's tokens get that turn's advantage, a (B, T) tensor, where TRL has one number an
episode. The KL to the base model is in the reward of its own turn, ``−β_t k1``, since TRL's KL
loss has one coefficient for all tokens and follows the forward KL's gradient
(`selfcorrect_agents.rl.config.KLTerm`, ``k1_reward`` and ``k3_loss``).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from trl.trainer.grpo_trainer import GRPOTrainer

from selfcorrect_agents.adapters.trl.baselines import advantages_of
from selfcorrect_agents.adapters.trl.config import SCoReGRPOConfig
from selfcorrect_agents.adapters.trl.credit import Loss, check_credit
from selfcorrect_agents.adapters.trl.losses import LossTrainer
from selfcorrect_agents.adapters.trl.rollouts import EpisodeRollouts, last_score
from selfcorrect_agents.adapters.trl.schedule import with_stages
from selfcorrect_agents.adapters.trl.turns import SampledTurns, turn_metrics
from selfcorrect_agents.errors import CreditError, LearningError
from selfcorrect_agents.methods.score.score import stage_one, stage_two
from selfcorrect_agents.training.failures import check_rewards
from selfcorrect_agents.training.trainer import Stage
from selfcorrect_env import AnyEnv, TrainingEnv


class SCoReGRPOTrainer(LossTrainer):
    """SCoRe by TRL: stage I, then stage II (arXiv 2409.12917, section 5, equations 3 to 5).

    Args:
        model: a folder, a hub id, a model, or a model with an adapter, as TRL takes it. The
            reference of the KL is TRL's: the model at the path that the model came from, or, with
            LoRA, the model without the adapter.
        env: the environment of the training problems, in any form that `EpisodeRollouts` takes.
        args: TRL's arguments with SCoRe's coefficients.
        eval_env: the environment of evaluations, if ``eval_strategy`` asks for them.
        options: further arguments of ``GRPOTrainer``: ``peft_config``, ``processing_class``,
            ``callbacks``, ``optimizers`` and ``quantization_config``.

    Raises:
        LearningError: the environment has one attempt, or ``eval_env`` another number.
        CreditError: in ``train``, before the first step of a stage: a score would train another
            turn than that of the equations.
        UnjudgedError: in ``train``: the verifier failed at most episodes of several steps in a row.
    """

    def __init__(
        self,
        model: Any,
        env: str | AnyEnv | TrainingEnv,
        *,
        args: SCoReGRPOConfig,
        eval_env: str | AnyEnv | TrainingEnv | None = None,
        **options: Any,
    ) -> None:
        self.rollouts = {"train": EpisodeRollouts(env)}
        """What plays the episodes of each mode: ``train``, and ``eval`` if it has its own."""
        if eval_env is not None:
            self.rollouts["eval"] = EpisodeRollouts(eval_env, split="validation")
        attempts = self.rollouts["train"].env.attempts
        if attempts < 2:
            raise LearningError(
                "SCoRe needs at least 2 attempts, and the environment has 1: set attempts=2."
            )
        for rollouts in self.rollouts.values():
            if rollouts.env.attempts != attempts:
                raise LearningError(
                    f"eval_env needs as many attempts as training: {attempts}, not "
                    f"{rollouts.env.attempts}."
                )
        self.stages = stage_one(args.score, attempts), stage_two(args.score, attempts)
        self._arguments = args
        self._checked: list[Stage] = []
        with warnings.catch_warnings():  # this version's rollout functions are what is built on
            warnings.filterwarnings("ignore", "You are using 'rollout_func'", UserWarning)
            super().__init__(
                model=model,
                reward_funcs=last_score,
                args=args,
                train_dataset=self.rollouts["train"].dataset(),
                eval_dataset=None if eval_env is None else self.rollouts["eval"].dataset(),
                rollout_func=self._play,
                **options,
            )

    @property
    def stage(self) -> Stage:
        """The stage that the next optimizer step belongs to."""
        one, two = self.stages
        return one if self._arguments.score.in_stage_one(self.state.global_step) else two

    @property
    def _mode(self) -> str:
        return "train" if cast(nn.Module, self.model).training else "eval"

    def _gather(self, values: Tensor) -> Tensor:
        """Return the rows of all processes."""
        return cast(Tensor, self.accelerator.gather(values))

    def _play(self, prompts: Sequence[Any], trainer: GRPOTrainer) -> dict[str, list[Any]]:
        return self.rollouts[self._mode](prompts, trainer)

    # -- advantages ---------------------------------------------------------------------
    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Let TRL sample and score a batch; replace its advantages by those of the stage."""
        batch = super()._generate_and_score_completions(inputs)
        turns = SampledTurns.of(inputs, batch["completion_ids"])
        stage, training = self.stage, self._mode == "train"
        rewards = stage.rewards(turns.scores)
        check_rewards(rewards, turns.scores)
        kl = turns.sums(self.log_ratio(batch))
        if training and not any(stage is checked for checked in self._checked):
            self._check(stage, batch, turns, kl)
            self._checked.append(stage)
        batch["advantages"] = self._advantages(stage, turns, rewards, kl)
        found = turn_metrics(turns, rewards, kl, self._gather)
        for name, value in {**found, "stage": 1.0 + self.stages.index(stage)}.items():
            self._metrics[self._mode][name].append(value)
        if training:
            self.rollouts["train"].finish_step(self.state.global_step, self.args.max_steps)
        return batch

    def _advantages(self, stage: Stage, turns: SampledTurns, rewards: Tensor, kl: Tensor) -> Tensor:
        """(B, T): each turn's reward less its KL, against the other samples, at its tokens.

        Baselines are over all processes, as a problem's samples may be.
        """
        training = self._mode == "train"
        samples = cast(int, self.num_generations if training else self.num_generations_eval)
        returns = self._gather(rewards - kl * torch.tensor(stage.betas, device=kl.device))
        judged = self._gather(turns.judged)
        if samples < 2:  # an evaluation of one sample has no baseline, and trains nothing
            return torch.zeros(turns.turn.shape, device=kl.device)
        advantages = advantages_of(returns, judged, samples, self._arguments)
        own = slice(self.accelerator.process_index * len(kl), None)
        return turns.spread(advantages[own][: len(kl)])

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Return TRL's scheduler with stage II's learning rate in stage II."""
        scheduler = super().create_scheduler(num_training_steps, optimizer)
        return with_stages(scheduler, self._arguments.score)

    # -- checks -------------------------------------------------------------------------
    def _check(self, stage: Stage, batch: dict[str, Any], turns: SampledTurns, kl: Tensor) -> None:
        """Differentiate TRL's loss on this batch, and refuse a stage with wrong credit."""
        metrics = deepcopy(self._metrics)
        turns = replace(turns, judged=torch.ones_like(turns.judged))
        batch = {**batch, "tool_mask": (turns.turn >= 0).long()}  # unjudged episodes count here
        loss = Loss(
            advantages=lambda rewards: self._advantages(stage, turns, rewards, kl),
            gradient=lambda advantages: self.loss_gradient(batch, advantages),
            over_processes=lambda values: self._gather(values[None]).sum(dim=0),
            process=self.accelerator.process_index,
        )
        check_credit(turns, stage.rewards, stage.reach, loss)
        if not self.reaches_weights(batch):
            raise CreditError(
                "No reward reaches a weight of the model: are they all frozen? No step was taken."
            )
        self._metrics = metrics
