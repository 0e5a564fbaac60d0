"""ProgressBonus in its single and its vector form, and gymnasium's own wrappers."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector as vector_wrappers
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env import (
    EpisodeError,
    ProblemSet,
    ProgressBonus,
    Reason,
    SelfCorrectEnv,
    SelfCorrectVectorEnv,
    VectorProgressBonus,
    Verdict,
)
from selfcorrect_env.wrappers import progress_bonus

SUMS = ProblemSet.from_records(
    [{"id": f"sum-{i}", "prompt": f"{i} + {i}", "reference": str(2 * i)} for i in range(5)],
    name="sums",
)
MODES = list(AutoresetMode)


def verifier(problem, response):
    """Score a reply by what it says; "boom" cannot be judged."""
    return float(response)


def single(attempts=2):
    return SelfCorrectEnv(SUMS, verifier=verifier, attempts=attempts)


replies = st.sampled_from(["0", "0.25", "1", "boom"])


# -- the bonus, by hand ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("first", "last", "rewards"),  # paper, equation 5: the second gets α (r2 − r1) on top
    [
        ("0", "0", [0, 0]),
        ("0", "1", [0, 11]),
        ("1", "0", [1, -10]),
        ("1", "1", [1, 1]),
        ("0.25", "1", [0.25, 8.5]),
        ("boom", "1", [0, 1]),  # what was not judged earns no bonus and no malus
        ("1", "boom", [1, 0]),
    ],
)
def test_the_bonus_by_hand(first, last, rewards):
    env = ProgressBonus(single(), alpha=10)
    batch = VectorProgressBonus(SelfCorrectVectorEnv(1, SUMS, verifier=verifier), alpha=10)
    env.reset(seed=0)
    batch.reset(seed=0)
    for reply, reward in zip((first, last), rewards, strict=True):
        assert env.step(reply)[1] == pytest.approx(reward)
        assert batch.step([reply])[1].tolist() == pytest.approx([reward])


def test_a_refused_reset_keeps_the_episode_and_its_bonus():
    env = ProgressBonus(single(), alpha=10)
    env.reset(seed=0)
    env.step("0")
    with pytest.raises(IndexError):
        env.reset(options={"index": 99})
    assert env.step("1")[1] == 11


def test_the_bonus_follows_each_attempt_and_stands_in_info():
    env = ProgressBonus(single(attempts=4), alpha=2)
    for _ in range(2):  # nothing is carried into the next episode
        env.reset(seed=0)
        steps = [env.step(reply) for reply in ("1", "0", "0.25", "1")]
        assert [step[1] for step in steps] == pytest.approx([1, -2, 0.75, 2.5])
        assert [step[4]["bonus"] for step in steps] == pytest.approx([0, -2, 0.5, 1.5])


def test_the_formula():
    right, wrong = Verdict(1.0, Reason.CORRECT), Verdict(0.0, Reason.WRONG)
    failed = Verdict(0.0, Reason.ERROR)
    assert progress_bonus(wrong, right, 10) == 10
    assert progress_bonus(right, wrong, 10) == -10
    assert progress_bonus(None, right, 10) == 0
    assert progress_bonus(failed, right, 10) == progress_bonus(right, failed, 10) == 0


# -- the vector form equals the single one ---------------------------------------------------------
@pytest.mark.parametrize("mode", MODES)
@given(data=st.data(), n=st.integers(1, 3), attempts=st.integers(1, 3))
def test_the_vector_bonus_equals_the_single_one(mode, data, n, attempts):
    """Rewards and the bonus in the infos, over SyncVectorEnv as well, episodes out of step."""

    def shaped():
        return ProgressBonus(single(attempts), alpha=3)

    options = {"verifier": verifier, "attempts": attempts, "autoreset_mode": mode}
    envs = [
        SyncVectorEnv([shaped] * n, autoreset_mode=mode),
        VectorProgressBonus(SelfCorrectVectorEnv(n, SUMS, **options), alpha=3),
        VectorProgressBonus(
            SyncVectorEnv([lambda: single(attempts)] * n, autoreset_mode=mode), alpha=3
        ),
    ]
    for env in envs:
        env.reset(seed=0)
    for _ in range(3 * attempts + 1):
        actions = data.draw(st.lists(replies, min_size=n, max_size=n))
        expected, *others = [env.step(actions) for env in envs]
        for step in others:
            assert step[1].tolist() == pytest.approx(expected[1].tolist())
            for ours, theirs in zip(
                (step[4], step[4].get("final_info")),
                (expected[4], expected[4].get("final_info")),
                strict=True,
            ):
                assert (ours is None) == (theirs is None)
                for key in ("bonus", "_bonus"):
                    if ours is not None:
                        assert (key in ours) == (key in theirs)
                        if key in theirs:
                            assert ours[key].tolist() == pytest.approx(theirs[key].tolist())
        over = expected[2]
        if mode == AutoresetMode.DISABLED:
            mask = over | np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
            if mask.any():
                for env in envs:
                    env.reset(options={"reset_mask": mask.copy()})


# -- arguments -------------------------------------------------------------------------------------
@pytest.mark.parametrize("alpha", [float("nan"), float("inf")])
def test_alpha_must_be_finite(alpha):
    with pytest.raises(ValueError, match="alpha must be a finite number"):
        ProgressBonus(single(), alpha=alpha)
    with pytest.raises(ValueError, match="alpha must be a finite number"):
        VectorProgressBonus(SelfCorrectVectorEnv(2, SUMS), alpha=alpha)


def test_an_environment_without_verdicts_is_named():
    env = ProgressBonus(gym.make("CartPole-v1"))
    env.reset(seed=0)
    with pytest.raises(EpisodeError, match=r"CartPole-v1.* gives no 'verdict'"):
        env.step(0)
    batch = VectorProgressBonus(gym.make_vec("CartPole-v1", num_envs=2))
    batch.reset(seed=0)
    with pytest.raises(EpisodeError, match="gives no 'verdict'"):
        batch.step(np.array([0, 0]))


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")  # it is wrapped
def test_the_shaped_environment_passes_gymnasiums_check():
    env = gym.make("SelfCorrect-Arithmetic-v0", size=50)
    check_env(ProgressBonus(env.unwrapped, alpha=5))
    again = gym.make(ProgressBonus(env, alpha=5).spec)
    assert isinstance(again, ProgressBonus)
    assert again.alpha == 5


# -- gymnasium's wrappers --------------------------------------------------------------------------
@pytest.mark.parametrize("bare", [False, True])
def test_statistics_of_episodes(bare):
    env = single() if bare else gym.make("SelfCorrect-Arithmetic-v0", problems=SUMS)
    env = wrappers.RecordEpisodeStatistics(ProgressBonus(env, alpha=10))
    for returned in (11.0, 1.0):
        env.reset(options={"index": 0})
        if bare:
            env.step("0" if returned == 11 else "1")
            *_, info = env.step("1" if returned == 11 else "0.0")
            expected = returned if returned == 11 else 1.0 - 10.0
        else:
            env.step("1" if returned == 11 else "0")
            *_, info = env.step("0")
            expected = 11.0 if returned == 11 else 2.0
        assert info["episode"]["r"] == expected
        assert info["episode"]["l"] == 2


def test_autoreset_of_a_single_environment():
    env = wrappers.Autoreset(single())
    shaped = ProgressBonus(env, alpha=10)
    shaped.reset(seed=0)
    rewards = [shaped.step(reply)[1] for reply in ("0", "1", "ignored", "1", "0")]
    assert rewards == [0, 11, 0, 1, -10]


def test_order_and_time_limit():
    env = wrappers.OrderEnforcing(single(attempts=5))
    with pytest.raises(gym.error.ResetNeeded):
        env.step("1")
    env = wrappers.TimeLimit(single(attempts=5), max_episode_steps=2)
    env.reset(seed=0)
    assert env.step("1")[2:4] == (False, False)
    assert env.step("1")[2:4] == (False, True)
    assert env.step("1")[0] in env.observation_space  # the episode itself could go on


def test_checks_transforms_and_limits_together():
    env = wrappers.PassiveEnvChecker(single())
    env = wrappers.TransformReward(env, lambda reward: reward - 0.5)
    env = wrappers.TransformAction(env, str.strip, env.action_space)
    env = wrappers.TimeLimit(wrappers.OrderEnforcing(env), max_episode_steps=9)
    for _ in range(2):
        env.reset(seed=0)
        assert [env.step(reply)[1] for reply in (" 1 ", "\n0")] == [0.5, -0.5]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_statistics_of_vector_environments(mode):
    env = SelfCorrectVectorEnv(2, SUMS, verifier=verifier, autoreset_mode=mode)
    if mode == AutoresetMode.SAME_STEP:
        # gymnasium's statistics count steps after an end only in NEXT_STEP mode, but may be stacked
        env = vector_wrappers.TransformReward(env, lambda rewards: rewards * 2)
        env.reset(seed=0)
        assert env.step(["1", "0"])[1].tolist() == [2, 0]
        return
    env = vector_wrappers.RecordEpisodeStatistics(env)
    env.reset(seed=0)
    env.step(["1", "0"])
    *_, infos = env.step(["1", "0.25"])
    assert infos["episode"]["r"].tolist() == [2, 0.25]
    assert infos["episode"]["l"].tolist() == [2, 2]
