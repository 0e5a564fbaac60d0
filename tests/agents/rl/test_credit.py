"""The credit check: it lets every method's stages pass, and refuses wrong rewards and losses."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from gymnasium.vector import AutoresetMode

from selfcorrect_agents.errors import CreditError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.pretrained import checkpoint_activations
from selfcorrect_agents.lm.references import FrozenCopy
from selfcorrect_agents.lm.tiny import TinyConfig, build_model, build_tokenizer
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.methods.pag import PAG, PAGConfig
from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
from selfcorrect_agents.methods.single_turn_rl import SingleTurnRL, SingleTurnRLConfig
from selfcorrect_agents.methods.thinktwice import ThinkTwice, ThinkTwiceConfig
from selfcorrect_agents.rl.config import Objective
from selfcorrect_agents.rl.credit import (
    Reach,
    check_credit,
    comparable_turns,
    discounted,
    own_turn,
)
from selfcorrect_agents.rl.objectives import progress_bonus
from selfcorrect_agents.rl.rollout import Rollout, collect
from selfcorrect_agents.rl.scoring import score
from selfcorrect_agents.training.config import changed, from_flat
from selfcorrect_agents.training.trainer import Stage, Trainer
from selfcorrect_env import SelfCorrectEnv, SelfCorrectVectorEnv

SMALL: dict[str, Any] = {"problems_per_step": 2, "samples": 2, "max_new_tokens": 2}
OPTIONS: dict[str, dict[str, Any]] = {
    "the paper's": {},
    "gamma": {"gamma": 0.5},
    "normalised": {"advantage": "group_normalised"},
    "batch mean of tokens": {"advantage": "batch_mean", "unit": "token", "gamma": 1.0},
    "clip": {"clip": 0.2, "epochs": 2},
    "capped": {"importance_cap": 2.0, "epochs": 2, "unit": "token"},
    "KL in the reward": {"kl": "k1_reward"},
}


def roll(policy: Policy, env: SelfCorrectEnv, first: Policy | None = None) -> Rollout:
    venv = SelfCorrectVectorEnv.like(env, 12, autoreset_mode=AutoresetMode.DISABLED)
    return collect(
        policy,
        venv,
        [0, 1, 2],
        samples=4,
        max_new_tokens=3,
        generator=torch.Generator().manual_seed(3),
        first=first,
    )


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(
    ("method", "config", "attempts"),
    [
        (MultiTurnRL, from_flat(MultiTurnRLConfig, {"steps": 1, **SMALL}), 2),
        (MultiTurnRL, from_flat(MultiTurnRLConfig, {"steps": 1, "later_scale": 11.0, **SMALL}), 3),
        (SingleTurnRL, from_flat(SingleTurnRLConfig, {"steps": 1, **SMALL}), 2),
        (ThinkTwice, from_flat(ThinkTwiceConfig, {"steps": 2, **SMALL}), 2),
        (PAG, from_flat(PAGConfig, {"steps": 1, **SMALL}), 2),
        (SCoRe, from_flat(SCoReConfig, {"stage_one_steps": 1, "stage_two_steps": 1, **SMALL}), 2),
        (
            SCoRe,
            from_flat(
                SCoReConfig,
                {"stage_one_steps": 0, "stage_two_steps": 1, "offline_share": 0.5, **SMALL},
            ),
            2,
        ),
        (
            SCoRe,
            from_flat(
                SCoReConfig,
                {"stage_one_steps": 0, "stage_two_steps": 1, "shaping": "scale", **SMALL},
            ),
            2,
        ),
        (
            SCoRe,
            from_flat(
                SCoReConfig, {"stage_one_steps": 0, "stage_two_steps": 1, "alpha": 0.0, **SMALL}
            ),
            2,
        ),
    ],
)
def test_every_stage_of_every_method_passes(
    policy: Policy, method: type, config: Any, attempts: int, options: str
) -> None:
    """The trainer checks each of them before its first step."""
    env = SelfCorrectEnv("arithmetic", split="train", size=20, attempts=attempts)
    config = changed(config, **OPTIONS[options])
    assert len(method(policy).learn(env, config)) == config.total_steps


# -- wrong rewards and losses -----------------------------------------------------------------
def nothing(scores: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(scores)


def swapped(scores: torch.Tensor) -> torch.Tensor:
    return scores.flip(1)


def summed(scores: torch.Tensor) -> torch.Tensor:
    """One number for the whole episode, as trainers without turns have it."""
    return scores.sum(dim=1, keepdim=True).expand_as(scores)


def leaking(scores: torch.Tensor) -> torch.Tensor:
    """The bonus on both turns."""
    return scores + 10 * (scores[:, 1:] - scores[:, :1])


def gained(scores: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.zeros(len(scores)), scores[:, 1] - scores[:, 0]], dim=1)


def undefined(scores: torch.Tensor) -> torch.Tensor:
    return scores * float("nan")


PROGRESS: Reach = [[0, 1], [1]]
WRONG: list[tuple[Callable[[torch.Tensor], torch.Tensor], Reach, float, str]] = [
    (nothing, own_turn(2), 0.0, "attempt 1 should train attempt 1 but trains no attempt"),
    (undefined, own_turn(2), 0.0, "attempt 1 should train attempt 1 but trains no attempt"),
    (swapped, own_turn(2), 0.0, "attempt 1 should train attempt 1 but trains attempt 2"),
    (summed, own_turn(2), 0.0, "attempt 1 should train attempt 1 but trains attempt 1 and"),
    (leaking, PROGRESS, 0.0, "attempt 2 should train attempt 2 but trains attempt 1 and"),
    (lambda s: progress_bonus(s, 10.0), PROGRESS, 1.0, "attempt 2 should train attempt 2 but"),
    (lambda s: progress_bonus(s, 0.0), PROGRESS, 0.0, "attempt 1 and attempt 2 but trains"),
    (lambda s: s, [[], [1]], 0.0, "attempt 1 should train no attempt but trains attempt 1"),
    (gained, [[], [1]], 0.0, r"attempt 2: no step was taken\..*reach\[0\] = \[1\], turns from 0"),
]


@pytest.mark.parametrize(("rewards", "reach", "gamma", "message"), WRONG)
def test_wrong_rewards_and_losses_are_named(
    policy: Policy,
    env: SelfCorrectEnv,
    rewards: Callable[[torch.Tensor], torch.Tensor],
    reach: Reach,
    gamma: float,
    message: str,
) -> None:
    with pytest.raises(CreditError, match=message):
        check_credit(policy, roll(policy, env), rewards, reach, Objective(gamma=gamma))


def test_frozen_weights_are_found(policy: Policy, env: SelfCorrectEnv) -> None:
    rollout = roll(policy, env)
    policy.model.requires_grad_(False)
    with pytest.raises(CreditError, match="reaches no parameter of the model"):
        check_credit(policy, rollout, lambda s: s, own_turn(2), Objective())
    next(iter(policy.model.parameters())).requires_grad_(True)
    check_credit(policy, rollout, lambda s: s, own_turn(2), Objective())


def test_log_probabilities_without_a_gradient_are_found(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout, head = roll(policy, env), Policy.head
    monkeypatch.setattr(Policy, "head", lambda *args: head(*args).detach())
    with pytest.raises(CreditError, match="log-probabilities detached"):
        check_credit(policy, rollout, lambda s: s, own_turn(2), Objective())


def test_gamma_widens_the_turns_that_a_score_trains() -> None:
    assert discounted(PROGRESS, 0.0) == PROGRESS
    assert discounted(PROGRESS, 0.5) == [[0, 1], [0, 1]]
    assert discounted([[], [1]], 1.0) == [[], [0, 1]]
    assert own_turn(3) == [[0], [1], [2]]


@pytest.mark.parametrize(("alpha", "gamma"), [(4.0, 0.25), (1.0, 1.0), (10.0, 0.1)])
def test_rewards_may_cancel_in_the_return_of_a_turn(
    policy: Policy, env: SelfCorrectEnv, alpha: float, gamma: float
) -> None:
    """(1 − γ α) r(y₁) + γ (1 + α) r(y₂) of the first turn: at γ = 1 / α it is r(y₂) alone."""
    rewards = partial(progress_bonus, alpha=alpha)
    objective = Objective(gamma=gamma)
    check_credit(policy, roll(policy, env), rewards, discounted(PROGRESS, gamma), objective)
    with pytest.raises(CreditError, match="attempt 2 should train attempt 2 but trains"):
        check_credit(policy, roll(policy, env), rewards, PROGRESS, objective)
    with pytest.raises(CreditError, match="attempt 1 and attempt 2 but trains no attempt"):
        check_credit(policy, roll(policy, env), nothing, [[0, 1], [0, 1]], objective)


def test_only_turns_of_its_own_are_asked_for(policy: Policy, env: SelfCorrectEnv) -> None:
    """Where another policy made the first attempts, they are not trained."""
    rollout = roll(policy, env, first=FrozenCopy(policy))
    check_credit(policy, rollout, lambda s: progress_bonus(s, 10.0), PROGRESS, Objective())
    with pytest.raises(CreditError, match="attempt 2 should train no attempt"):
        check_credit(policy, rollout, lambda s: s, [[0], [0]], Objective())


def test_nothing_is_changed_by_the_check(policy: Policy, env: SelfCorrectEnv) -> None:
    rollout = roll(policy, env)
    rollout.judged[2] = False
    before = [weight.clone() for weight in policy.model.parameters()]
    kept = {name: getattr(rollout, name).clone() for name in ("ids", "scores", "judged", "logps")}
    state = torch.random.get_rng_state()
    check_credit(policy, rollout, lambda s: s, own_turn(2), Objective())
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(map(torch.equal, before, policy.model.parameters()))
    assert all(weight.grad is None for weight in policy.model.parameters())
    assert all(torch.equal(value, getattr(rollout, name)) for name, value in kept.items())


def deep(dropout: float = 0.0) -> Policy:
    tokenizer = build_tokenizer()
    model = build_model(TinyConfig(hidden_size=16, layers=6, heads=2), tokenizer)
    for module in model.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = dropout
    return Policy(model.eval(), tokenizer)


def saved(policy: Policy, rollout: Rollout) -> int:
    """Numbers that the check keeps for its backward passes."""
    count: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        count.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        check_credit(policy, rollout, lambda s: s, own_turn(2), Objective())
    return sum(count)


def test_the_check_recomputes_activations_as_an_update_does(env: SelfCorrectEnv) -> None:
    policy = deep()
    rollout = roll(policy, env)
    whole = saved(policy, rollout)
    checkpoint_activations(policy.model)
    assert saved(policy, rollout) < 0.3 * whole
    assert not policy.model.training


def test_training_mode_drops_nothing_in_the_check(env: SelfCorrectEnv) -> None:
    """A model with dropout has none in a policy: both modes compute the same."""
    policy = deep(dropout=0.5)
    rollout = roll(policy, env)
    with torch.no_grad():
        expected = score(policy, policy, rollout, kl_gradient=False).logps
        policy.model.train()
        assert torch.equal(score(policy, policy, rollout, kl_gradient=False).logps, expected)
    check_credit(policy, rollout, lambda s: s, own_turn(2), Objective())
    assert policy.model.training, "the mode stays as it was"


def test_the_trainer_asks_before_the_first_step_of_each_stage(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    before = [weight.clone() for weight in policy.model.parameters()]
    trainer = Trainer(policy, env, from_flat(MultiTurnRLConfig, {"steps": 2, **SMALL}))
    wired = Stage(rewards=lambda s: s, betas=(0.0, 0.0), reach=own_turn(2), learning_rate=1e-2)
    with pytest.raises(CreditError, match="no step was taken"):
        trainer.learn_from(0, replace(wired, rewards=leaking))
    assert all(map(torch.equal, before, policy.model.parameters()))
    assert trainer.history == []
    trainer.learn_from(0, wired)
    with pytest.raises(CreditError):
        trainer.learn_from(1, replace(wired, reach=PROGRESS))


def without_second_turn(rollout: Rollout, rows: slice) -> Rollout:
    """Return a rollout in which some episodes ended with the first turn."""
    mask = rollout.mask.clone()
    mask[rows, rollout.turn == 1] = False
    return replace(rollout, mask=mask)


def test_turns_are_compared_in_the_problems_that_have_them(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    """As PAG's revisions, which an answer that was found right does not have."""
    last_alone = without_second_turn(roll(policy, env), slice(0, 8))
    assert comparable_turns(last_alone) == {0, 1}
    with pytest.raises(CreditError, match="attempt 2 should train attempt 2 but trains no"):
        check_credit(
            policy, last_alone, lambda s: s * torch.tensor([1.0, 0.0]), own_turn(2), Objective()
        )
    assert comparable_turns(without_second_turn(last_alone, slice(0, 11))) == {0}


def test_a_turn_that_comes_later_is_checked_then(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[set[int]] = []

    def counted(policy: Policy, rollout: Rollout, *more: Any) -> None:
        checked.append(comparable_turns(rollout))
        check_credit(policy, rollout, *more)

    monkeypatch.setattr("selfcorrect_agents.training.trainer.check_credit", counted)
    config = from_flat(MultiTurnRLConfig, {"steps": 5, "max_new_tokens": 3, "samples": 4})
    trainer = Trainer(policy, env, config)
    stage = Stage(rewards=lambda s: s, betas=(0.0, 0.0), reach=own_turn(2), learning_rate=1e-3)
    whole = roll(policy, env)
    first = without_second_turn(whole, slice(0, 12))
    for step, rollout in enumerate([first, first, whole, first, whole]):
        trainer.update(step, stage, [rollout])
    assert checked == [{0}, {0, 1}]
