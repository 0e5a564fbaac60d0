"""Learning-rate schedules: their shape, where they apply, and what can be extended."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_agents.imitation.config import Fitting
from selfcorrect_agents.imitation.fitting import fit
from selfcorrect_agents.imitation.traces import d_star
from selfcorrect_agents.lm.learner import Learner
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
from selfcorrect_agents.training.config import Optimization, from_flat
from selfcorrect_agents.training.run_folder import open_run
from selfcorrect_agents.training.schedule import rate_factor, warmup_length
from selfcorrect_env import CheckpointError, SelfCorrectEnv
from selfcorrect_env.evaluation import play

SMALL = {"problems_per_step": 4, "samples": 4, "max_new_tokens": 4}


@pytest.mark.parametrize(
    ("shape", "warmup", "expected"),
    [
        ("constant", 0, [1, 1, 1, 1]),
        ("constant", 2, [1 / 3, 2 / 3, 1, 1]),
        ("constant", 0.5, [1 / 3, 2 / 3, 1, 1]),
        ("linear", 0, [1, 0.75, 0.5, 0.25]),
        ("linear", 1, [1 / 2, 1, 2 / 3, 1 / 3]),
        ("cosine", 0, [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
        ("linear", 4, [0.2, 0.4, 0.6, 0.8]),
        ("cosine", 9, [0.1, 0.2, 0.3, 0.4]),
    ],
)
def test_factors_by_hand(shape, warmup, expected) -> None:  # type: ignore[no-untyped-def]
    assert [rate_factor(shape, warmup, step, 4) for step in range(4)] == pytest.approx(expected)


@given(
    shape=st.sampled_from(["constant", "linear", "cosine"]),
    warmup=st.one_of(st.integers(0, 60), st.floats(0, 0.99)),
    steps=st.integers(1, 50),
)
def test_a_schedule_rises_then_falls_and_is_never_zero(shape, warmup, steps) -> None:  # type: ignore[no-untyped-def]
    factors = [rate_factor(shape, warmup, step, steps) for step in range(steps)]
    rising = min(warmup_length(warmup, steps), steps)
    assert all(0 < factor <= 1 for factor in factors)
    assert factors[:rising] == sorted(factors[:rising])
    assert factors[rising:] == sorted(factors[rising:], reverse=True)


@pytest.mark.parametrize("warmup", [-1, -0.5, 1.5, float("nan")])
def test_a_warmup_is_a_share_or_whole_steps(warmup: float) -> None:
    with pytest.raises(ValueError, match="warmup must be a number of steps, or a share"):
        Optimization(warmup=warmup)


def test_each_stage_of_score_has_its_own_schedule(policy: Policy, env: SelfCorrectEnv) -> None:
    """Two rounds of 2 + 3 steps; each stage starts from its own rate."""
    config = from_flat(
        SCoReConfig,
        {
            **{"stage_one_steps": 2, "stage_two_steps": 3, "rounds": 2, "schedule": "linear"},
            **{"learning_rate": 1e-3, "stage_two_learning_rate": 3e-4, **SMALL},
        },
    )
    history = SCoRe(policy).learn(env, config)
    rates = [row["train/learning_rate"] for row in history]
    one, two = [1e-3, 5e-4], [3e-4, 2e-4, 1e-4]
    assert rates == pytest.approx([*one, *two, *one, *two])


@pytest.mark.parametrize("how", [{"schedule": "cosine"}, {"warmup": 0.5}])
def test_a_run_whose_rates_depend_on_its_length_cannot_be_extended(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path, how: dict[str, object]
) -> None:
    config = from_flat(MultiTurnRLConfig, {"steps": 2, **how, **SMALL})
    open_run(tmp_path, "m", env, config, "w").log(1, {})
    longer = from_flat(MultiTurnRLConfig, {"steps": 3, **how, **SMALL})
    with pytest.raises(CheckpointError, match=r"steps was 2, now 3\. The learning rate depends on"):
        open_run(tmp_path, "m", env, longer, "w")


def test_a_run_with_warmup_steps_can_be_extended(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    """2 steps, then 2 more, are the 4 steps of a run that was that long from the start."""
    start = {name: weight.clone() for name, weight in policy.model.state_dict().items()}

    def rates(folder: str, steps: int) -> list[float]:
        policy.model.load_state_dict(start)
        config = from_flat(MultiTurnRLConfig, {"steps": steps, "warmup": 3, **SMALL})
        history = MultiTurnRL(policy).learn(env, config, run=tmp_path / folder)
        return [row["train/learning_rate"] for row in history]

    rates("parts", 2)
    assert rates("parts", 4) == rates("whole", 4) == pytest.approx([1.25e-4, 2.5e-4, 3.75e-4, 5e-4])
    parts, whole = (tmp_path / name / "model/model.safetensors" for name in ("parts", "whole"))
    assert parts.read_bytes() == whole.read_bytes()


def test_a_fit_warms_up(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = SelfCorrectEnv(env.problems, verifier=lambda problem, text: text == "7")
    replies = iter(["1", "7"] * 100)
    episodes = play(lambda conversation: next(replies), env, indices=range(20), batch_size=1)
    rates: list[float] = []
    step = Learner.step

    def watched(self: Learner, losses: object) -> float:
        rates.append(self.learning_rate)
        return step(self, losses)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "step", watched)
    how = Fitting(learning_rate=1e-3, warmup=3, batch_size=4, most_steps=5, held_out=0.0)
    fit(policy, d_star(episodes, plus=False), how, seed=0)
    assert rates == pytest.approx([2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3])
