"""SCoRe: its two stages, and what it refuses."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.imitation.fitting import Fitting
from selfcorrect_agents.imitation.traces import Trace, is_right
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.references import FrozenCopy
from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
from selfcorrect_agents.methods.score.score import later_attempts_only, stage_one, stage_two
from selfcorrect_agents.rl.rollout import Rollout
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.presets import preset
from selfcorrect_agents.training.trainer import Stage, Trainer
from selfcorrect_env import SelfCorrectEnv

SMALL = {"problems_per_step": 2, "samples": 2, "max_new_tokens": 3}


def test_stage_one_rewards_the_second_attempt_alone() -> None:
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert later_attempts_only(scores).tolist() == [[0, 0], [0, 1], [0, 1]]


SCORES = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])


def test_stage_one_is_equation_3() -> None:
    stage = stage_one(
        from_flat(
            SCoReConfig, {"beta_1": 0.01, "beta_2": 0.1, "learning_rate": 1e-3, "alpha": 10.0}
        )
    )
    assert stage.betas == pytest.approx((0.11, 0.01))
    assert stage.rewards(SCORES).tolist() == [[0, 0], [0, 1], [0, 1], [0, 0]]
    assert stage.reach == [[], [1]]
    assert stage.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("alpha", "shaping", "second", "reach"),
    [
        (10.0, "progress", [-10, 11, 1, 0], [[0, 1], [1]]),
        (0.0, "progress", [0, 1, 1, 0], [[0], [1]]),
        (10.0, "scale", [0, 11, 11, 0], [[0], [1]]),
        (0.0, "scale", [0, 1, 1, 0], [[0], [1]]),
    ],
)
def test_stage_two_is_equations_4_and_5(
    alpha: float, shaping: Any, second: list[float], reach: list[list[int]]
) -> None:
    config = SCoReConfig(
        beta_1=0.01, beta_2=0.1, alpha=alpha, shaping=shaping, stage_two_learning_rate=1e-5
    )
    stage = stage_two(config)
    assert list(stage.betas) == [0.01, 0.01]
    assert stage.rewards(SCORES)[:, 0].tolist() == [1, 0, 1, 0]
    assert stage.rewards(SCORES)[:, 1].tolist() == second
    assert stage.reach == reach
    assert stage.learning_rate == 1e-5


def watched(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Write down what `learn` asks of the trainer, which then does it."""
    asked: list[dict[str, Any]] = []
    real = Trainer.update

    def watch(self: Trainer, step: int, stage: Stage, rollouts: Sequence[Rollout]) -> Any:
        metrics = real(self, step, stage, rollouts)
        rates = {self.learner.learning_rate}
        asked.append({"step": step, "stage": stage, "rollouts": list(rollouts), "rates": rates})
        return metrics

    monkeypatch.setattr(Trainer, "update", watch)
    return asked


def starts_low(problem: object, text: str) -> bool:
    return text.startswith(("1", "2"))


def test_each_step_has_its_stage_in_every_round(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = watched(monkeypatch)
    config = from_flat(
        SCoReConfig,
        {
            "stage_one_steps": 2,
            "stage_two_steps": 1,
            "rounds": 2,
            "learning_rate": 1e-3,
            "stage_two_learning_rate": 1e-5,
            **SMALL,
        },
    )
    SCoRe(policy).learn(SelfCorrectEnv(env.problems, verifier=starts_low), config)
    assert [call["step"] for call in asked] == list(range(6))
    assert [call["rates"] for call in asked] == 2 * [{1e-3}, {1e-3}, {1e-5}]
    for call, second in zip(asked, 2 * [False, False, True], strict=True):
        expected = stage_two(config) if second else stage_one(config)
        assert call["stage"].betas == expected.betas
        assert call["stage"].reach == expected.reach
        assert torch.equal(call["stage"].rewards(SCORES), expected.rewards(SCORES))
        (rollout,) = call["rollouts"]
        assert len(rollout.scores) == config.episodes_per_step
        assert set(rollout.turn.tolist()) == {0, 1}


def test_offline_prompts_are_the_bases_and_train_the_second_attempt_alone(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = watched(monkeypatch)
    config = from_flat(
        SCoReConfig,
        {
            "stage_one_steps": 1,
            "stage_two_steps": 2,
            "offline_share": 0.25,
            "learning_rate": 1.0,
            "problems_per_step": 4,
            "samples": 2,
            "max_new_tokens": 3,
            "seed": 1,
        },
    )
    env = SelfCorrectEnv(env.problems, verifier=starts_low)
    base = FrozenCopy(policy)
    base.model.requires_grad_(True)  # a trainer wants something to train
    history = SCoRe(policy).learn(env, config)
    assert config.offline_problems == 1
    assert [len(call["rollouts"]) for call in asked] == [1, 2, 2]
    told_apart = False
    for call in asked[1:]:
        own, offline = call["rollouts"]
        assert (len(own.scores), len(offline.scores)) == (6, 2)
        assert set(own.turn.tolist()) == {0, 1}
        assert set(offline.turn.tolist()) == {1}
        by_base, by_policy = (
            Trainer(who, env, config).collect(call["step"], 1, purpose="offline")
            for who in (base, policy)
        )
        firsts = [episode.attempts[0] for episode in offline.episodes]
        assert firsts == [episode.attempts[0] for episode in by_base.episodes]
        told_apart |= firsts != [episode.attempts[0] for episode in by_policy.episodes]
    assert told_apart, "the seed shows nothing: base and policy say the same"
    assert [row["episodes"] for row in history] == [8, 16, 24]
    assert "offline/t1/accuracy" in history[1]
    assert "offline/t1/accuracy" not in history[0]


def test_star_may_take_the_place_of_stage_two(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stage I learns by gradient; stage II gathers, and fits at the end of each third."""
    asked = watched(monkeypatch)
    monkeypatch.setattr(SCoReConfig, "star_fitting", Fitting(most_steps=2))
    config = from_flat(
        SCoReConfig,
        {"stage_one_steps": 1, "stage_two_steps": 7, "stage_two": "star", **SMALL | {"samples": 8}},
    )
    history = SCoRe(policy).learn(SelfCorrectEnv(env.problems, verifier=starts_low), config)
    assert [call["step"] for call in asked] == [0]
    assert [step for step, row in enumerate(history) if "fit/traces" in row] == [2, 5, 7]
    assert [step for step in range(8) if config.star_fits(step)] == [2, 5, 7]
    assert [row["episodes"] for row in history] == [16 * (i + 1) for i in range(8)]


@pytest.mark.parametrize("plus", [False, True])
def test_star_in_stage_two_imitates_what_it_is_told(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch, plus: bool
) -> None:
    """The sets' sizes are counted in the episodes; the rate is what the fit is given."""
    asked: list[tuple[list[bool], Fitting]] = []

    def fit(
        policy: Policy, traces: list[Trace], how: Fitting, seed: int, tokens: int | None
    ) -> dict[str, float]:
        asked.append(([is_right(trace.first) for trace in traces], how))
        return {"fit/steps": 1.0}

    monkeypatch.setattr("selfcorrect_agents.imitation.fitting.fit", fit)
    config = from_flat(
        SCoReConfig,
        {
            "stage_one_steps": 0,
            "stage_two_steps": 3,
            "stage_two": "star",
            "star_plus": plus,
            "star_learning_rate": 1e-2,
            **SMALL | {"samples": 30},
        },
    )
    odd = SelfCorrectEnv(env.problems, verifier=lambda problem, text: text[:1] in set("13579"))
    SCoRe(policy).learn(odd, config)
    firsts, how = zip(*asked, strict=True)
    assert how == 3 * (Fitting(learning_rate=1e-2),)
    assert all(firsts), "wrong to right occurs in every iteration"
    assert any(any(right) for right in firsts) is plus


WARM = {"warm_start_steps": 2, "stage_one_steps": 2, "stage_two_steps": 1, "rounds": 2}


def test_a_warm_start_is_a_fit_before_both_stages(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = watched(monkeypatch)
    config = from_flat(SCoReConfig, {**WARM, **SMALL, "samples": 10})
    base = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    history = SCoRe(policy).learn(SelfCorrectEnv(env.problems, verifier=starts_low), config)
    assert config.total_steps == len(history) == 8
    assert ["fit/traces" in row for row in history] == [False, True] + 6 * [False]
    assert history[1]["fit/steps"] == -(-history[1]["fit/traces"] // 8) > 0, "one epoch"
    assert [call["step"] for call in asked] == [2, 3, 4, 5, 6, 7]
    one, two = stage_one(config), stage_two(config)
    assert [list(call["stage"].betas) for call in asked] == 2 * [
        list(one.betas), list(one.betas), list(two.betas)]  # fmt: skip
    assert [config.within_stage(step) for step in range(8)] == [
        (0, 2), (1, 2), (0, 2), (1, 2), (0, 1), (0, 2), (1, 2), (0, 1)]  # fmt: skip
    assert not all(torch.equal(base[name], w) for name, w in policy.model.state_dict().items())


@pytest.mark.parametrize(
    ("stages", "last"),
    [
        ((0, 4, 2, 1), 4),
        ((3, 4, 2, 2), 13),
        ((1, 4, 0, 2), 5),  # without stage II the last stage I is the last stage
        ((0, 0, 2, 1), 0),
    ],
)
def test_the_last_stage(stages: tuple[int, int, int, int], last: int) -> None:
    names = ("warm_start_steps", "stage_one_steps", "stage_two_steps", "rounds")
    config = from_flat(SCoReConfig, dict(zip(names, stages, strict=True)))
    assert config.last_stage == last
    assert config.within_stage(last)[0] == 0


def test_stage_one_does_not_use_up_patience(policy: Policy, env: SelfCorrectEnv) -> None:
    """Every evaluation is worse than the first; the run ends with the second of stage II."""

    class Falling(SCoRe):
        def train(self, trainer: Trainer, config: SCoReConfig) -> None:
            assert trainer._held_out is not None
            trainer._held_out.measure = lambda: {  # type: ignore[method-assign]
                "eval/t2/accuracy": 1 / len(trainer.history)
            }
            super().train(trainer, config)

    stages = {"warm_start_steps": 1, "stage_one_steps": 4, "stage_two_steps": 5}
    evaluated = {"eval_every": 1, "eval_split": "train", "eval_patience": 2}
    config = from_flat(SCoReConfig, {**SMALL, **stages, **evaluated})
    history = Falling(policy).learn(env, config)
    assert len(history) == 1 + 4 + 2


def test_the_pairs_of_a_warm_start_have_loss_on_both_replies() -> None:
    config = from_flat(SCoReConfig, {"warm_start_steps": 1, "warm_start_learning_rate": 1e-4})
    how = config.warm_start
    assert (how.epochs, how.first_reply, how.learning_rate) == (1, "always", 1e-4)


def test_a_warm_start_keeps_its_steps_within_a_budget() -> None:
    config = from_flat(SCoReConfig, {**WARM, "rounds": 1, "problems_per_step": 1, "samples": 2})
    assert config.within(20).total_steps == 10
    assert config.within(20).steps_within(10) == {"stage_one_steps": 5, "stage_two_steps": 3}
    with pytest.raises(ValueError, match="take 4 with the warm start"):
        config.within(7)


@pytest.mark.parametrize(("name", "value"), [("star_plus", True), ("star_learning_rate", 1e-3)])
def test_settings_of_star_are_refused_where_there_is_none(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .* unless stage_two is 'star'"):
        from_flat(SCoReConfig, {name: value})  # type: ignore[arg-type]
    assert SCoReConfig(stage_two="star").star_fitting == Fitting()


@given(
    one=st.integers(0, 300),
    two=st.integers(0, 300),
    rounds=st.integers(1, 4),
    star=st.booleans(),
    steps=st.integers(1, 60),
)
@example(one=220, two=20, rounds=1, star=False, steps=6)
def test_no_stage_vanishes_within_a_budget(
    one: int, two: int, rounds: int, star: bool, steps: int
) -> None:
    """Each stage that had steps keeps one (STaR three), and the split is as near as that allows."""
    least = (min(one, 1), min(two, 3 if star else 1))
    assume(one + two >= 1 and not (star and (two < 3 or rounds > 1)))
    stage_two: Any = "star" if star else "rl"
    config = SCoReConfig(
        stage_one_steps=one, stage_two_steps=two, rounds=rounds, stage_two=stage_two
    )
    budget = steps * config.episodes_per_step
    if steps < rounds * sum(least):
        with pytest.raises(ValueError, match="Raise the budget, lower rounds, or leave a stage"):
            config.within(budget)
        return
    within = config.within(budget)
    stages = (within.stage_one_steps, within.stage_two_steps)
    assert sum(stages) == steps // rounds
    assert within.rounds == rounds
    for had, has, kept in zip((one, two), stages, least, strict=True):
        assert has >= kept
        assert (has == 0) == (had == 0)
    nearest = one / (one + two) * sum(stages)
    assert abs(stages[0] - nearest) <= 0.5 or stages[0] == least[0] or stages[1] == least[1]


def test_a_single_attempt_is_refused(policy: Policy) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=20, attempts=1)
    with pytest.raises(LearningError, match="the environment has 1"):
        SCoRe(policy).learn(env, from_flat(SCoReConfig, {"stage_one_steps": 1, **SMALL}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("problems_per_step", 0),
        ("samples", 1),
        ("learning_rate", 0.0),
        ("temperature", 0.0),
        ("max_new_tokens", 0),
        ("gamma", 1.5),
        ("max_grad_norm", -0.1),
        ("tokens_per_forward", 0),
        ("seed", -1),
        ("checkpoint_every", 0),
        ("stage_one_steps", -1),
        ("stage_two_steps", -1),
        ("stage_two_learning_rate", 0.0),
        ("star_learning_rate", 0.0),
        ("alpha", -1.0),
        ("beta_1", float("nan")),
        ("beta_2", -0.1),
        ("shaping", "none"),
        ("stage_two", "sft"),
        ("rounds", 0),
        ("offline_share", 1.0),
        ("offline_share", -0.1),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must be"):
        from_flat(SCoReConfig, {field: value})  # type: ignore[arg-type]


def test_star_is_refused_where_it_has_no_place() -> None:
    with pytest.raises(ValueError, match="rounds must be 1 where stage_two is 'star'"):
        SCoReConfig(stage_two="star", rounds=2)
    with pytest.raises(ValueError, match="offline_share must be 0 where stage_two is 'star'"):
        SCoReConfig(stage_two="star", offline_share=0.5)
    with pytest.raises(ValueError, match="stage_two_steps must be at least 3"):
        SCoReConfig(stage_two="star", stage_two_steps=2)
    with pytest.raises(ValueError, match=r"stage_one_steps \+ stage_two_steps must be at least 1"):
        SCoReConfig(stage_one_steps=0, stage_two_steps=0)


def test_ablations_keep_the_number_of_steps() -> None:
    """Table 4: the same budget for each."""
    config = from_flat(
        SCoReConfig, {"stage_one_steps": 70, "stage_two_steps": 20, "learning_rate": 1e-3}
    )
    variants = [config.without_stage_one(), config.without_shaping(), config.with_star()]
    assert {variant.episodes for variant in variants} == {config.episodes}
    one, shaping, star = variants
    assert (one.stage_one_steps, one.stage_two_steps) == (0, 90)
    assert one == replace(config, stage_one_steps=0, stage_two_steps=90)  # and nothing else
    assert (shaping.alpha, shaping.stage_one_steps) == (0.0, 70)
    assert (star.stage_two, star.stage_one_steps, star.stage_two_steps) == ("star", 60, 30)
    assert all(one.in_stage_one(step) is False for step in range(90))


def test_published_settings() -> None:
    """Table 5 of arXiv 2409.12917v2."""
    math, mbpp = preset(SCoReConfig, "paper-math"), preset(SCoReConfig, "paper-mbpp")
    for config, steps, batch, rate, beta_2 in (
        (math, 3000, 512, 5e-6, 0.1),
        (mbpp, 1500, 128, 1e-5, 0.25),
    ):
        assert config.stage_one_steps + config.stage_two_steps == steps
        assert config.episodes_per_step == batch
        assert config.learning_rate == config.stage_two_learning_rate == rate
        assert (config.alpha, config.beta_1, config.beta_2) == (10.0, 0.01, beta_2)
        assert config.sampling.temperature == 1.0
    assert preset(SCoReConfig, "paper-math", alpha=0.0).alpha == 0.0


def test_three_attempts_have_a_bonus_between_successive_ones() -> None:
    scores = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    config = from_flat(SCoReConfig, {"alpha": 10.0, "beta_1": 0.125, "beta_2": 0.5})
    one, two = stage_one(config, 3), stage_two(config, 3)
    assert one.rewards(scores).tolist() == [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    assert list(one.betas) == [0.625, 0.125, 0.125]
    assert one.reach == [[], [1], [2]]
    assert two.rewards(scores).tolist() == [[0.0, 11.0, -10.0], [1.0, -10.0, 11.0]]
    assert list(two.betas) == [0.125, 0.125, 0.125]
    assert two.reach == [[0, 1], [1, 2], [2]]
