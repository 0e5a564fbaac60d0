"""TRL's trainer has the loss and the gradient of ours, and refuses wrong credit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tabular import kept_gradients
from torch import Tensor
from torch.testing import assert_close
from trl_steps import (
    QUIET,
    Replay,
    batch_of,
    flat,
    moved,
    played,
    trainer_of,
)

from selfcorrect_agents.adapters.trl import (
    SCoReGRPOConfig,
    SCoReGRPOTrainer,
)
from selfcorrect_agents.adapters.trl.rollouts import columns_of
from selfcorrect_agents.errors import CreditError
from selfcorrect_agents.lm.learner import Learner, adamw
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.rl.config import Objective
from selfcorrect_agents.rl.credit import own_turn
from selfcorrect_agents.rl.loss import Batch, Part, loss, mean_length
from selfcorrect_agents.rl.scoring import score
from selfcorrect_agents.rl.update import update
from selfcorrect_agents.training.trainer import Stage
from selfcorrect_env import SelfCorrectEnv


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("loss_type", ["dr_grpo", "dapo"])
def test_the_loss_and_its_gradient_are_those_of_our_trainer(
    folder: str, env: SelfCorrectEnv, tmp_path: Path, loss_type: str, stage: int
) -> None:
    policy = moved(folder)
    rollout = played(policy, env)
    steps = {"stage_one_steps": 5 * (stage == 1), "stage_two_steps": 5 * (stage == 2)}
    trainer = trainer_of(
        policy.model, env, tmp_path, options={"processing_class": policy.tokenizer},
        loss_type=loss_type, beta_1=0.3, beta_2=0.5, alpha=3.0, **steps,
    )  # fmt: skip
    trainer.rollouts["train"] = Replay(env, rollout)
    batch = batch_of(trainer)
    theirs = trainer._compute_loss(trainer.model, batch)
    weights = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    of_theirs = flat(torch.autograd.grad(theirs, weights))

    reference = Policy.from_pretrained(folder)
    theory = trainer.stages[stage - 1]
    assert theory.betas == ([0.8, 0.3] if stage == 1 else [0.3, 0.3])
    ours = Batch(rollout=rollout, rewards=theory.rewards(rollout.scores), betas=theory.betas)
    unit = "sequence" if loss_type == "dr_grpo" else "token"
    learner = Learner(policy.model, adamw(policy.model, 0.0), max_grad_norm=1e9)
    gradients = kept_gradients(learner)
    update(policy, reference, learner, [ours], Objective(kl="k1_reward", unit=unit))
    of_ours = flat(gradients)
    assert of_ours.abs().max() > 1e-2
    assert_close(of_theirs, of_ours, atol=1e-5, rtol=1e-4)

    # the value: PPO's surrogate token by token, which TRL's loss is, instead of A log π
    clipped = Objective(kl="k1_reward", unit="token", clip=trainer.epsilon_low)
    scores = score(policy, reference, rollout)
    penalty = torch.tensor(theory.betas) * rollout.turn_sum(scores.logps - scores.ref_logps)
    surrogate = loss(scores, Part.of(ours, clipped, penalty.detach()), clipped)
    per_episode = mean_length([rollout]) if loss_type == "dr_grpo" else 1.0
    assert_close(theirs, surrogate * per_episode, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("stage", [1, 2])
def test_each_turn_trains_as_in_our_trainer(
    folder: str, env: SelfCorrectEnv, tmp_path: Path, stage: int, turn: int
) -> None:
    """The gradient of one turn's tokens alone."""
    policy = moved(folder)
    rollout = played(policy, env)
    steps = {"stage_one_steps": 5 * (stage == 1), "stage_two_steps": 5 * (stage == 2)}
    trainer = trainer_of(
        policy.model, env, tmp_path, options={"processing_class": policy.tokenizer}, **steps
    )
    trainer.rollouts["train"] = Replay(env, rollout)
    batch = batch_of(trainer)
    at = torch.full_like(batch["completion_ids"], -1)
    for row, turns in enumerate(columns_of(rollout)["turn"]):
        at[row, : len(turns)] = torch.tensor(turns)
    assert bool((batch["advantages"][at == -1] == 0).all())
    batch["advantages"] = torch.where(at == turn, batch["advantages"], 0.0)
    weights = list(trainer.model.parameters())
    theirs = flat(torch.autograd.grad(trainer._compute_loss(trainer.model, batch), weights))

    theory, reference = trainer.stages[stage - 1], Policy.from_pretrained(folder)
    ours = Batch(rollout=rollout, rewards=theory.rewards(rollout.scores), betas=theory.betas)
    objective = Objective(kl="k1_reward")
    scores = score(policy, reference, rollout)
    penalty = torch.tensor(theory.betas) * rollout.turn_sum(scores.logps - scores.ref_logps)
    part = Part.of(ours, objective, penalty.detach())
    only = torch.zeros_like(part.advantages)
    only[:, turn] = part.advantages[:, turn]
    total = loss(scores, replace(part, advantages=only), objective)
    expected = flat(torch.autograd.grad(total, weights))
    assert expected.abs().max() > 1e-4
    assert_close(theirs, expected, atol=1e-6, rtol=1e-4)


def test_groups_are_normalised_turn_by_turn(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    policy = moved(folder)
    rollout = played(policy, env)
    trainer = trainer_of(
        policy.model, env, tmp_path, options={"processing_class": policy.tokenizer},
        scale_rewards="group", loss_type="dapo", stage_one_steps=0, beta_1=0.0, beta_2=0.0,
    )  # fmt: skip
    trainer.rollouts["train"] = Replay(env, rollout)
    advantages = batch_of(trainer)["advantages"]
    assert trainer.ref_model is None
    stage = trainer.stages[1]
    ours = Batch(rollout=rollout, rewards=stage.rewards(rollout.scores), betas=stage.betas)
    expected = Part.of(ours, Objective(advantage="group_normalised")).advantages
    for row, turns in enumerate(columns_of(rollout)["turn"]):
        want = [float(expected[row, turn]) if turn >= 0 else 0.0 for turn in turns]
        assert_close(advantages[row, : len(turns)], torch.tensor(want))


def leaking(scores: Tensor) -> Tensor:
    return scores.sum(dim=1, keepdim=True).expand_as(scores)


class OneReward(SCoReGRPOTrainer):
    """As TRL itself: one advantage an episode."""

    def _advantages(self, *args: Any) -> Tensor:
        per_turn = super()._advantages(*args)
        return per_turn.sum(dim=1, keepdim=True).expand_as(per_turn)


def test_a_reward_that_reaches_another_turn_is_refused_before_the_first_step(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    trainer = trainer_of(folder, env, tmp_path)
    before = flat(trainer.model.parameters()).clone()
    wrong = Stage(rewards=leaking, betas=[0.1, 0.1], reach=own_turn(2), learning_rate=1e-3)
    trainer.stages = wrong, wrong
    with pytest.raises(CreditError, match="attempt 1 should train attempt 1 but trains attempt 1 "):
        trainer.train()
    assert_close(flat(trainer.model.parameters()), before, atol=0, rtol=0)


def test_one_advantage_an_episode_is_refused(
    folder: str, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    args = SCoReGRPOConfig(output_dir=str(tmp_path), **QUIET)
    with pytest.raises(CreditError, match="in TRL's loss"):
        OneReward(folder, env, args=args).train()


def test_frozen_weights_are_refused(folder: str, env: SelfCorrectEnv, tmp_path: Path) -> None:
    trainer = trainer_of(folder, env, tmp_path)
    trainer.model.requires_grad_(False)
    trainer.current_gradient_accumulation_steps = 1
    with pytest.raises(CreditError, match="all frozen"):
        batch_of(trainer)
