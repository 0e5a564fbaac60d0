"""Configurations: the budget of episodes, and what is refused."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from selfcorrect_agents.imitation.config import SupervisedConfig
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRLConfig
from selfcorrect_agents.methods.rise import RISEConfig
from selfcorrect_agents.methods.score import SCoReConfig
from selfcorrect_agents.methods.sft import PairSFTConfig
from selfcorrect_agents.methods.single_turn_rl import SingleTurnRLConfig
from selfcorrect_agents.methods.star import STaRConfig
from selfcorrect_agents.methods.thinktwice import ThinkTwiceConfig
from selfcorrect_agents.rl.config import Objective
from selfcorrect_agents.training.config import (
    Execution,
    OnPolicyConfig,
    Sampling,
    changed,
    flat,
    from_flat,
)
from selfcorrect_env import UnknownNameError

small = st.integers(1, 5)
sizes: dict[str, Any] = {"problems_per_step": small, "samples": st.integers(2, 4)}

Config: TypeAlias = OnPolicyConfig | SupervisedConfig


def configs(kind: type[Config], **fields: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({**sizes, **fields}).map(lambda values: from_flat(kind, values))


supervised = [
    configs(kind, iterations=small, rollouts=small)
    for kind in (PairSFTConfig, STaRConfig, RISEConfig)
]
plain = [
    configs(kind, steps=small, oversample=small) for kind in (MultiTurnRLConfig, SingleTurnRLConfig)
]
score = configs(
    SCoReConfig,
    stage_one_steps=st.integers(0, 9),
    stage_two_steps=st.integers(1, 9),
    rounds=small,
    oversample=small,
)


def stages_of(config: Config) -> int:
    """Stages in a round, each of which needs a step: SCoRe's, where they have any; else one."""
    if not isinstance(config, SCoReConfig):
        return 1
    return (config.stage_one_steps > 0) + (config.stage_two_steps > 0)


@given(st.one_of(*supervised, *plain, score), st.integers(0, 2000))
def test_a_budget_is_never_overspent_and_hardly_underspent(config: Config, budget: int) -> None:
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


@pytest.mark.parametrize("oversample", [1, 2, 3])
@pytest.mark.parametrize(
    "config",
    [
        ThinkTwiceConfig(),
        SCoReConfig(warm_start_steps=20),
        SCoReConfig(offline_share=0.5),
        SCoReConfig().with_star(),
    ],
)
def test_a_budget_counts_what_dynamic_sampling_plays(config: Config, oversample: int) -> None:
    """Refining steps, fits and the base model's first attempts are not oversampled."""
    within = dataclasses.replace(config, oversample=oversample).within(20480)
    assert 20480 - 2 * within.episodes_per_step < within.episodes <= 20480
    plain = within.episodes_per_step // oversample
    assert {within.episodes_in(step) for step in range(within.total_steps)} <= {
        *(plain, oversample * plain),
        plain * (oversample + 1) // 2,  # half of its problems are offline
    }


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
            from_flat(SCoReConfig, {"problems_per_step": size, "offline_share": share})
        return
    config = from_flat(SCoReConfig, {"problems_per_step": size, "offline_share": share})
    assert config.offline_problems == offline
    assert (offline == 0) == (share == 0)


REFUSED: list[tuple[type[Config], dict[str, Any], str]] = [
    (OnPolicyConfig, {"gamma": -0.1}, r"gamma must be in \[0, 1\]"),
    (OnPolicyConfig, {"kl": "k1_loss"}, "expected gradient of k1 as a loss is zero"),
    (OnPolicyConfig, {"kl": "k4"}, "kl must be one of"),
    (OnPolicyConfig, {"advantage": "gae"}, "advantage must be one of"),
    (OnPolicyConfig, {"unit": "word"}, "unit must be one of"),
    (OnPolicyConfig, {"epochs": 0}, "epochs must be at least 1"),
    (OnPolicyConfig, {"oversample": 0}, "oversample must be at least 1"),
    (OnPolicyConfig, {"epochs": 2}, "off-policy after the first"),
    (OnPolicyConfig, {"clip": 0.2}, "epochs must be above 1 if clip is set"),
    (OnPolicyConfig, {"clip": 0.0, "epochs": 2}, "clip must be above 0"),
    (OnPolicyConfig, {"importance_cap": 0.5}, "importance_cap must be at least 1"),
    (
        OnPolicyConfig,
        {"importance_cap": 2.0, "clip": 0.2, "epochs": 2},
        "importance_cap must be None if clip is set",
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
    kind: type[Config], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        from_flat(kind, fields)


def test_the_objective_is_what_the_configuration_says() -> None:
    config = from_flat(
        MultiTurnRLConfig,
        {
            "gamma": 0.5,
            "kl": "k2_loss",
            "advantage": "batch_mean",
            "unit": "token",
            "clip": 0.1,
            "epochs": 3,
        },
    )
    assert config.objective == Objective(
        gamma=0.5, kl="k2_loss", advantage="batch_mean", unit="token", clip=0.1
    )
    assert config.optimization.epochs == 3


def test_the_defaults_are_the_papers_equations() -> None:
    """γ = 0, no clip, no weights, one step on each sample, turns as the equations' units."""
    config = SCoReConfig()
    objective = config.objective
    assert (objective.gamma, objective.clip, objective.importance_cap) == (0, None, None)
    assert (objective.unit, objective.advantage) == ("sequence", "leave_one_out")
    assert config.optimization.epochs == 1


# -- the flat form -----------------------------------------------------------------------------
@given(st.one_of(*supervised, *plain, score))
def test_a_flat_configuration_becomes_the_same_again(config: Config) -> None:
    values = flat(config)
    assert not any(dataclasses.is_dataclass(value) for value in values.values())
    assert from_flat(type(config), json.loads(json.dumps(values))) == config


def test_a_flat_value_changes_one_field_of_one_part() -> None:
    config = from_flat(SCoReConfig, {"samples": 4, "alpha": 2.0})
    assert config == SCoReConfig(sampling=Sampling(problems_per_step=8, samples=4), alpha=2.0)
    assert changed(config, samples=8, alpha=10.0) == SCoReConfig()


def test_an_unknown_flat_name_is_refused_by_name() -> None:
    with pytest.raises(UnknownNameError, match=r"'lerning_rate'.*Did you mean 'learning_rate'"):
        from_flat(SCoReConfig, {"lerning_rate": 1.0})
    with pytest.raises(UnknownNameError, match="'sampling'"):
        from_flat(SCoReConfig, {"sampling": {"samples": 4}})


@dataclass(frozen=True)
class Ambiguous:
    one: Sampling = Sampling()
    two: Sampling = Sampling()


@dataclass(frozen=True)
class Shadowing:
    part: Execution = Execution()
    checkpoint_every: int = 1


@pytest.mark.parametrize("kind", [Ambiguous, Shadowing])
def test_an_ambiguous_flat_name_is_refused_by_name(kind: type[Any]) -> None:
    with pytest.raises(
        ValueError, match=r"two fields named '(problems_per_step|checkpoint_every)'"
    ):
        flat(kind())
    with pytest.raises(
        ValueError, match=r"two fields named '(problems_per_step|checkpoint_every)'"
    ):
        from_flat(kind, {"checkpoint_every": 2})
