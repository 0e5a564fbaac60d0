"""SelfCorrectVectorEnv: the same as gymnasium's SyncVectorEnv over single environments."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcorrect_env import (
    EpisodeError,
    ProblemSet,
    Reason,
    SelfCorrectEnv,
    SelfCorrectVectorEnv,
    UnknownNameError,
)
from selfcorrect_env.vector_env import batch_infos
from selfcorrect_env.verifiers.base import FunctionVerifier

SUMS = ProblemSet.from_records(
    [{"id": f"sum-{i}", "prompt": f"{i} + {i}", "reference": str(2 * i)} for i in range(7)],
    name="sums",
)
MODES = list(AutoresetMode)


def verifier(problem, response):
    if response == "boom":
        raise RuntimeError(f"boom at {problem.id}")
    return response == problem.reference


def ours(n, mode=AutoresetMode.SAME_STEP, attempts=2):
    return SelfCorrectVectorEnv(n, SUMS, verifier=verifier, attempts=attempts, autoreset_mode=mode)


def gymnasiums(n, mode, attempts=2):
    def single():
        return SelfCorrectEnv(SUMS, verifier=verifier, attempts=attempts)

    return SyncVectorEnv([single] * n, autoreset_mode=mode)


def assert_same_infos(left, right):
    """Compare infos key by key: values where the mask is set, masks, kinds of arrays."""
    assert left.keys() == right.keys()
    for key, value in right.items():
        if isinstance(value, dict):
            assert_same_infos(left[key], value)
        else:
            assert left[key].dtype == value.dtype, key
            assert left[key].tolist() == value.tolist(), key


def assert_same_step(left, right):
    for one, other in zip(left[:-1], right[:-1], strict=True):
        assert type(one) is type(other)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            assert one.tolist() == other.tolist()
        else:
            assert one == other
    assert_same_infos(left[-1], right[-1])


replies = st.sampled_from(["", "0", "2", "4", "6", "8", "10", "12", "boom", "\x00", "∞\ud800🙂"])


# -- the same as gymnasium's -----------------------------------------------------------------------
@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=40)
@given(data=st.data(), n=st.integers(1, 4), attempts=st.integers(1, 3), seed=st.integers(0, 99))
def test_every_step_equals_gymnasiums_sync_vector_env(mode, data, n, attempts, seed):
    left, right = ours(n, mode, attempts), gymnasiums(n, mode, attempts)
    left.action_space.seed(0)
    assert_same_step(left.reset(seed=seed), right.reset(seed=seed))
    # longer than two episodes; where resets are ours to call, some episodes run out of step
    for _ in range(3 * attempts + 1):
        actions = data.draw(st.lists(replies, min_size=n, max_size=n))
        one, other = left.step(actions), right.step(actions)
        assert_same_step(one, other)
        assert one[0] in left.observation_space
        if mode == AutoresetMode.DISABLED:
            mask = one[2] | np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
            if mask.any():
                reset = left.reset(options={"reset_mask": mask})
                assert_same_step(reset, right.reset(options={"reset_mask": mask.copy()}))


@pytest.mark.parametrize("mode", MODES)
def test_a_seed_gives_what_single_environments_get(mode):
    env = ours(5, mode)
    singles = [SelfCorrectEnv(SUMS, verifier=verifier) for _ in range(5)]
    observations, infos = env.reset(seed=40)
    for i, single in enumerate(singles):
        observation, info = single.reset(seed=40 + i)
        assert observations[i] == observation
        assert infos["problem_id"][i] == info["problem_id"]
    observations, _ = env.reset(seed=[7, None, 7, None, 9])
    for i, seed in enumerate([7, None, 7, None, 9]):
        assert observations[i] == singles[i].reset(seed=seed)[0]
    assert env.reset()[0] == tuple(single.reset()[0] for single in singles)


@pytest.mark.parametrize("mode", MODES)
def test_seeds_and_generators_are_those_of_the_sub_environments(mode):
    left, right = ours(3, mode), gymnasiums(3, mode)
    for reset in (
        {"seed": 5},
        {},
        {"seed": [8, None, 9]},
        {"seed": 20, "options": {"reset_mask": np.array([False, True, False])}},
    ):
        left.reset(**copy.deepcopy(reset))
        right.reset(**copy.deepcopy(reset))
        assert left.np_random_seed == right.np_random_seed
    assert left.np_random_seed == (8, 21, 9)
    for one, other in zip(left.np_random, right.np_random, strict=True):
        assert one.bit_generator.state == other.bit_generator.state
    drawn = [generator.integers(10**9) for generator in left.np_random]
    assert drawn == [generator.integers(10**9) for generator in right.np_random]
    assert left.reset()[1]["problem_id"].tolist() == right.reset()[1]["problem_id"].tolist()


def test_an_unseeded_generator_is_the_one_that_draws():
    env = ours(2)
    seeds = env.np_random_seed
    assert len(set(seeds)) == 2
    assert env.reset()[0] == ours(2).reset(seed=list(seeds))[0]
    assert env.np_random_seed == seeds


def test_episodes_without_a_seed_differ():
    first = ours(64).reset()[1]["problem_id"].tolist()
    assert first != ours(64).reset()[1]["problem_id"].tolist()  # equal with probability 7^-64


# -- parts -----------------------------------------------------------------------------------------
def test_make_vec_gives_it_by_default():
    env = gym.make_vec("SelfCorrect-Arithmetic-v0", num_envs=3, autoreset_mode="NextStep", size=50)
    assert isinstance(env, SelfCorrectVectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert SelfCorrectVectorEnv.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    for fact in ("SelfCorrect-Arithmetic-v0", "× 3", "50 problems", env.problems.fingerprint):
        assert fact in repr(env)
    observations, _ = env.reset(seed=0)
    assert observations in env.observation_space
    assert env.action_space.sample() in env.action_space
    env.close()


def test_it_is_made_like_another_environment():
    single = SelfCorrectEnv(SUMS, verifier=verifier, prompts="arithmetic", attempts=3)
    for env in (single, SelfCorrectVectorEnv.like(single, 2)):
        like = SelfCorrectVectorEnv.like(env, 4, autoreset_mode=AutoresetMode.DISABLED)
        assert like.num_envs == 4
        assert like.attempts == 3
        for part in ("problems", "verifier", "prompts"):
            assert getattr(like, part) is getattr(single, part)


def test_an_index_each_picks_the_problems():
    env = ours(3)
    _, infos = env.reset(options={"index": np.array([6, 0, 6])})
    assert infos["problem_id"].tolist() == ["sum-6", "sum-0", "sum-6"]
    _, rewards, terminations, _, infos = env.step(["12", "1", "12"])
    assert rewards.tolist() == [1.0, 0.0, 1.0]
    assert not terminations.any()


def test_a_mask_resets_some_and_leaves_the_others():
    env = ours(3, AutoresetMode.DISABLED)
    env.reset(options={"index": [1, 2, 3]})
    env.step(["a", "b", "c"])
    mask = np.array([False, True, False])
    observations, infos = env.reset(options={"reset_mask": mask, "index": [5, 5, 5]})
    assert [len(observation) for observation in observations] == [3, 1, 3]
    assert infos["_problem_id"].tolist() == mask.tolist()
    assert infos["problem_id"].tolist() == [None, "sum-5", None]
    assert mask.tolist() == [False, True, False]
    _, rewards, terminations, _, _ = env.step(["2", "10", "5"])
    assert rewards.tolist() == [1.0, 1.0, 0.0]
    assert terminations.tolist() == [True, False, True]
    with pytest.raises(EpisodeError, match=r"sub-environments \[0, 2\]"):
        env.step(["a", "b", "c"])
    env.reset(options={"reset_mask": terminations})
    env.step(["a", "b", "c"])


def test_what_was_handed_out_may_be_changed_without_harm():
    env = ours(2)
    observations, infos = env.reset(options={"index": [1, 2]})
    observations[0][0]["content"] = "changed"
    infos["_problem_id"][:] = False
    observations, _, terminations, _, infos = env.step(["1", "4"])
    assert observations[0][0]["content"] == "1 + 1"
    assert infos["_problem_id"].all()
    observations[1][1]["content"] = "changed"
    infos["_verdict"][:] = False
    terminations[:] = True
    _, _, terminations, _, infos = env.step(["2", "4"])
    final = infos["final_obs"][1]
    assert final[1]["content"] == "4"
    final[1]["content"] = "changed"
    assert infos["final_info"]["finished"][1].conversation[1]["content"] == "4"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_alone(copied):
    env = ours(2)
    env.reset(seed=0)
    env.step(["1", "boom"])
    other = copied(env)
    assert_same_step(env.step(["1", "2"]), other.step(["1", "2"]))
    env.step(["1", "2"])
    assert [len(o) for o in other.step(["1", "2"])[0]] == [3, 3]


def test_infos_of_ints_objects_and_dicts():
    infos = batch_infos([{"n": 3, "who": "a", "in": {"k": None}}, None, {"who": None}, {}])
    assert infos.keys() == {"n", "_n", "who", "_who", "in", "_in"}
    assert infos["n"].tolist() == [3, 0, 0, 0]
    assert infos["_n"].tolist() == infos["_in"].tolist() == [True, False, False, False]
    assert infos["who"].tolist() == ["a", None, None, None]
    assert infos["_who"].tolist() == [True, False, True, False]
    assert infos["in"]["_k"].tolist() == [True, False, False, False]
    assert batch_infos([None, {}]) == {}


# -- verification ----------------------------------------------------------------------------------
class Counting:
    """Counts its calls; the batched one fails where it is told to."""

    name = "counting"

    def __init__(self, batch=None):
        self.batch, self.batches, self.singles = batch, [], 0

    def verify(self, problem, response):
        self.singles += 1
        return FunctionVerifier(verifier).verify(problem, response)

    def verify_batch(self, problems, responses):
        self.batches.append(list(responses))
        if self.batch is not None:
            return self.batch()
        return [self.verify(p, r) for p, r in zip(problems, responses, strict=True)]


@pytest.mark.parametrize("mode", MODES)
def test_the_replies_of_a_step_are_verified_together(mode):
    counting = Counting()
    env = SelfCorrectVectorEnv(3, SUMS, verifier=counting, autoreset_mode=mode)
    env.reset(seed=0)
    env.step(["a", "b", "c"])
    env.step(["d", "e", "f"])
    assert counting.batches == [["a", "b", "c"], ["d", "e", "f"]]
    if mode == AutoresetMode.NEXT_STEP:  # these replies are ignored
        _, rewards, _, _, infos = env.step([None, None, None])
        assert infos["attempt"].tolist() == rewards.tolist() == [0, 0, 0]
        assert len(counting.batches) == 2


@pytest.mark.parametrize("batch", [None, lambda: 1 / 0, list, lambda: [1.0, 1.0, 1.0]])
def test_a_failing_verifier_harms_no_other_episode(batch):
    env = SelfCorrectVectorEnv(3, SUMS, verifier=Counting(batch))
    env.reset(options={"index": [1, 2, 3]})
    env.step(["2", "boom", "6"])
    _, rewards, terminations, _, infos = env.step(["2", "4", "boom"])
    assert rewards.tolist() == [1.0, 1.0, 0.0]
    assert terminations.all()
    final = infos["final_info"]
    assert [t and str(t) for t in final["transition"]] == ["c->c", None, None]
    assert [[a.verdict.reason for a in e.attempts] for e in final["finished"]] == [
        [Reason.CORRECT, Reason.CORRECT],
        [Reason.ERROR, Reason.CORRECT],
        [Reason.CORRECT, Reason.ERROR],
    ]
    assert "boom at sum-3" in final["verdict"][2].detail


def test_a_hostile_reply_harms_no_other_episode():
    env = gym.make_vec("SelfCorrect-Arithmetic-v0", num_envs=4, size=50)
    env.reset(seed=0)
    right = env.unwrapped.problems.by_id(env.reset(seed=1)[1]["problem_id"][3]).reference
    _, rewards, _, _, infos = env.step(["{" * 100_000, "\x00" * 1_000_000, "\ud800", right])
    assert rewards.tolist() == [0.0, 0.0, 0.0, 1.0]
    assert all(verdict.judged for verdict in infos["verdict"])


# -- bad calls -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("actions", "error", "message"),
    [
        (["1", 2, "3"], TypeError, "must be a str, got int"),
        (["1", "2"], ValueError, "one value for each of the 3 sub-environments, got 2"),
        ("123", TypeError, "each of the 3 sub-environments, got str"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_wrong_actions_change_nothing(actions, error, message):
    env, untouched = ours(3), ours(3)
    assert env.reset(seed=0)[0] == untouched.reset(seed=0)[0]
    with pytest.raises(error, match=message):
        env.step(actions)
    assert_same_step(env.step(["1", "2", "3"]), untouched.step(["1", "2", "3"]))


@pytest.mark.parametrize(
    ("seed", "options", "error", "message"),
    [
        ([1, 2], {}, ValueError, "seed must hold one value for each of the 3 .*, got 2"),
        (None, {"index": [0, 1]}, ValueError, "got 2"),
        (None, {"index": 1}, TypeError, "got int"),
        (None, {"index": [0, 1, 7]}, IndexError, "Index 7 is outside"),
        (None, {"index": [0, 1, "2"]}, TypeError, "must be an int, got str"),
        (None, {"index": [0, 1, True]}, TypeError, "must be an int, got bool"),
        ([1, 2, -3], {}, gym.error.Error, "-3"),
        (None, {"id": "sum-1"}, UnknownNameError, "Known: index, reset_mask"),
        (None, {"reset_mask": [True]}, ValueError, "got 1"),
        (None, {"reset_mask": [False] * 3}, ValueError, "True somewhere"),
        (None, {"reset_mask": [0, 1, 1]}, TypeError, "array of bool, got .*int64"),
        (None, {"reset_mask": np.ones((3, 2), bool)}, TypeError, r"shape \(3, 2\)"),
    ],
)
def test_a_wrong_reset_changes_nothing(seed, options, error, message):
    env, untouched = ours(3), ours(3)
    assert env.reset(seed=0)[0] == untouched.reset(seed=0)[0]
    with pytest.raises(error, match=message):
        env.reset(seed=seed, options=options)
    assert_same_step(env.step(["1", "2", "3"]), untouched.step(["1", "2", "3"]))
    assert env.reset()[0] == untouched.reset()[0]


@pytest.mark.parametrize("mode", MODES)
def test_stepping_before_reset(mode):
    env = ours(2, mode)
    with pytest.raises(EpisodeError, match=r"before reset\(\)"):
        env.step(["1", "2"])
    env.reset(options={"reset_mask": [False, True]})
    with pytest.raises(EpisodeError, match=r"before reset\(\)"):
        env.step(["1", "2"])


@pytest.mark.parametrize(
    ("num_envs", "options", "message"),
    [
        (0, {}, "at least 1, got 0"),
        (2.0, {}, "got 2.0"),
        (True, {}, "got True"),
        (2, {"render_mode": "ansi"}, "does not render; make a single one"),
        (2, {"autoreset_mode": "sometimes"}, "sometimes"),
        (2, {"attempts": 0}, "attempts must be at least 1"),
    ],
)
def test_a_wrong_argument_is_named(num_envs, options, message):
    with pytest.raises(ValueError, match=message):
        SelfCorrectVectorEnv(num_envs, SUMS, **options)
