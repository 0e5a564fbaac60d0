"""Configurations: the budget of episodes, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from selfcorrect_agents.imitation.fitting import SupervisedConfig
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRLConfig
from selfcorrect_agents.methods.rise import RISEConfig
from selfcorrect_agents.methods.score import SCoReConfig
from selfcorrect_agents.methods.sft import PairSFTConfig
from selfcorrect_agents.methods.single_turn_rl import SingleTurnRLConfig
from selfcorrect_agents.methods.star import STaRConfig
from selfcorrect_agents.training.config import OnPolicyConfig, SamplingConfig

small = st.integers(1, 5)
sizes: dict[str, Any] = {"problems_per_step": small, "samples": st.integers(2, 4)}
supervised = [
    st.builds(kind, iterations=small, rollouts=small, **sizes)
    for kind in (PairSFTConfig, STaRConfig, RISEConfig)
]
plain = [
    st.builds(kind, steps=small, oversample=small, **sizes)
    for kind in (MultiTurnRLConfig, SingleTurnRLConfig)
]
score = st.builds(
    SCoReConfig,
    stage_one_steps=st.integers(0, 9),
    stage_two_steps=st.integers(1, 9),
    rounds=small,
    oversample=small,
    **sizes,
)


def stages_of(config: SamplingConfig) -> int:
    """Stages in a round, each of which needs a step: SCoRe's, where they have any; else one."""
    if not isinstance(config, SCoReConfig):
        return 1
    return (config.stage_one_steps > 0) + (config.stage_two_steps > 0)


@given(st.one_of(*supervised, *plain, score), st.integers(0, 2000))
def test_a_budget_is_never_overspent_and_hardly_underspent(
    config: SamplingConfig, budget: int
) -> None:
    per_step = config.episodes_per_step
    cycles = getattr(config, "iterations", getattr(config, "rounds", 1))
    if budget < per_step * cycles * stages_of(config):
        refusals = "less than one step|must be at most|is too small: rounds="
        with pytest.raises(ValueError, match=refusals):
            config.within(budget)
        return
    within = config.within(budget)
    assert budget - per_step * cycles < within.episodes <= budget
    assert within.episodes == within.total_steps * per_step
    assert within.episodes_per_step == per_step
    assert within.within(within.episodes) == within


@given(score, st.integers(1, 500))
def test_stages_keep_their_proportion(config: SCoReConfig, steps: int) -> None:
    assume(steps >= stages_of(config))
    budget = steps * config.rounds * config.episodes_per_step
    within = config.within(budget)
    assert within.episodes == budget
    assert within.rounds == config.rounds
    share = config.stage_one_steps / (config.stage_one_steps + config.stage_two_steps)
    shortest = min(within.stage_one_steps, within.stage_two_steps)
    assert abs(within.stage_one_steps - share * steps) <= 0.5 or shortest == 1
    assert within.stage_one_steps + within.stage_two_steps == steps


@given(score)
def test_every_round_begins_with_stage_one(config: SCoReConfig) -> None:
    stages = [config.in_stage_one(step) for step in range(config.total_steps)]
    one = [True] * config.stage_one_steps + [False] * config.stage_two_steps
    assert stages == one * config.rounds


@given(st.integers(0, 50), st.integers(3, 50))
def test_star_ends_three_iterations_the_last_with_the_run(one: int, two: int) -> None:
    config = SCoReConfig(stage_one_steps=one, stage_two_steps=two, stage_two="star")
    ends = [step for step in range(config.total_steps) if config.star_fits(step)]
    assert len(ends) == 3
    assert ends[0] >= one
    assert ends[-1] == config.total_steps - 1


@given(st.integers(1, 40), st.floats(0, 1, exclude_max=True))
def test_offline_problems_are_a_part_of_a_step_or_refused(size: int, share: float) -> None:
    offline = round(share * size)
    if share > 0 and offline in (0, size):
        with pytest.raises(ValueError, match="offline_share must be 0, or leave each kind one"):
            SCoReConfig(problems_per_step=size, offline_share=share)
        return
    config = SCoReConfig(problems_per_step=size, offline_share=share)
    assert config.offline_problems == offline
    assert (offline == 0) == (share == 0)


REFUSED: list[tuple[Callable[..., SamplingConfig], dict[str, Any], str]] = [
    (OnPolicyConfig, {"gamma": -0.1}, r"gamma must be in \[0, 1\]"),
    (OnPolicyConfig, {"kl": "k1_loss"}, "expected gradient of k1 as a loss is zero"),
    (OnPolicyConfig, {"kl": "k4"}, "kl must be one of"),
    (OnPolicyConfig, {"advantage": "gae"}, "advantage must be one of"),
    (OnPolicyConfig, {"unit": "word"}, "unit must be one of"),
    (OnPolicyConfig, {"epochs": 0}, "epochs must be at least 1"),
    (OnPolicyConfig, {"oversample": 0}, "oversample must be at least 1"),
    (OnPolicyConfig, {"epochs": 2}, "off-policy after the first"),
    (OnPolicyConfig, {"clip": 0.2}, "epochs must be above 1 where clip is set"),
    (OnPolicyConfig, {"clip": 0.0, "epochs": 2}, "clip must be above 0"),
    (OnPolicyConfig, {"importance_cap": 0.5}, "importance_cap must be at least 1"),
    (
        OnPolicyConfig,
        {"importance_cap": 2.0, "clip": 0.2, "epochs": 2},
        "importance_cap must be None where clip is set",
    ),
    (SupervisedConfig, {"iterations": 0}, "iterations must be at least 1"),
    (SupervisedConfig, {"rollouts": 0}, "rollouts must be at least 1"),
    (SupervisedConfig, {"batch_size": 0}, "batch_size must be at least 1"),
    (SupervisedConfig, {"first_reply": "maybe"}, "first_reply must be one of"),
    (SupervisedConfig, {"patience": 0}, "patience must be at least 1"),
    (SupervisedConfig, {"most_steps": 0}, "most_steps must be at least 1"),
    (SupervisedConfig, {"most_traces": 0}, "most_traces must be at least 1"),
    (SupervisedConfig, {"held_out": 1.0}, r"held_out must be in \[0, 1\)"),
    (SupervisedConfig, {"check_every": 0}, "check_every must be at least 1"),
    (SupervisedConfig, {"learning_rate": 0.0}, "learning_rate must be above 0"),
    (RISEConfig, {"weight_temperature": 0.0}, "weight_temperature must be above 0"),
    (SingleTurnRLConfig, {"steps": 0}, "steps must be at least 1"),
    (SingleTurnRLConfig, {"beta_1": float("nan")}, "beta_1 must be at least 0"),
]


@pytest.mark.parametrize(("kind", "fields", "message"), REFUSED)
def test_what_cannot_be_meant_is_refused(
    kind: Callable[..., SamplingConfig], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**fields)


def test_the_objective_is_what_the_configuration_says() -> None:
    config = MultiTurnRLConfig(
        gamma=0.5, kl="k2_loss", advantage="batch_mean", unit="token", clip=0.1, epochs=3
    )
    objective = config.objective
    for name in ("gamma", "kl", "advantage", "unit", "clip", "importance_cap"):
        assert getattr(objective, name) == getattr(config, name), name


def test_the_defaults_are_the_papers_equations() -> None:
    """γ = 0, no clip, no weights, one step on each sample, turns as the equations' units."""
    config = SCoReConfig()
    assert (config.gamma, config.clip, config.importance_cap, config.epochs) == (0, None, None, 1)
    assert (config.unit, config.advantage) == ("sequence", "leave_one_out")
