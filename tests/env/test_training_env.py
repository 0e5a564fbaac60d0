"""training_env and vectorised: every environment is run as it is, or refused by name."""

import threading
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector as vector_wrappers

from selfcorrect_env import (
    EpisodeError,
    ProgressBonus,
    SelfCorrectEnv,
    SelfCorrectVectorEnv,
    TrainingEnv,
    UnknownNameError,
    UnsupportedEnvError,
    VectorProgressBonus,
    evaluate,
    training_env,
)
from selfcorrect_env.cli import EnvOptions, make_env
from selfcorrect_env.registration import require_registered
from selfcorrect_env.unwrapping import unwrap
from selfcorrect_env.vector_copies import CopiesVectorEnv, is_modified

SUMS = [{"id": f"sum-{i}", "prompt": f"{i} + {i}", "reference": str(2 * i)} for i in range(1, 6)]
HINT = {"role": "system", "content": "Think."}


class Hinted(SelfCorrectEnv):
    """Shows a hint first; counts its steps."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.replies = []

    def reset(self, *, seed=None, options=None):
        conversation, info = super().reset(seed=seed, options=options)
        self.replies.clear()
        return (HINT, *conversation), info

    def step(self, action):
        conversation, reward, terminated, truncated, info = super().step(action)
        self.replies.append(action)
        info["replies"] = list(self.replies)
        return (HINT, *conversation), reward, terminated, truncated, info


class Told(SelfCorrectEnv):
    """Says of the first answer whether it was right."""

    def step(self, action):
        conversation, reward, terminated, truncated, info = super().step(action)
        if not terminated:
            told = {"role": "user", "content": f"{info['verdict'].correct}. Again."}
            conversation = (*conversation[:-1], told)
        return conversation, reward, terminated, truncated, info


def test_an_episode_has_the_messages_that_a_subclass_showed():
    """What is imitated or read later is what the agent read."""
    for env, first, second in (
        (Hinted(SUMS), HINT["content"], None),
        (Told(SUMS), None, "False. Again."),
        (gym.wrappers.OrderEnforcing(Told(SUMS)), None, "False. Again."),
    ):
        batch = training_env(env).vectorised(2)
        read, _ = batch.reset(seed=0, options={"index": [0, 1]})
        for reply in ("x", "2"):
            before = read
            read, _, _, _, infos = batch.step([reply, reply])
        for row, episode in enumerate(infos["finished"]):
            assert episode.conversation == (*before[row], {"role": "assistant", "content": "2"})
            assert first is None or episode.conversation[0]["content"] == first
            assert second is None or episode.conversation[-2]["content"] == second
        seen = []

        def agent(conversation, seen=seen):
            seen.append(conversation)
            return "2"

        (episode,) = evaluate(agent, env, n=1).episodes
        assert episode.conversation == (*seen[-1], {"role": "assistant", "content": "2"})


class Random(SelfCorrectEnv):
    """Shows a number drawn at random."""

    def reset(self, *, seed=None, options=None):
        conversation, info = super().reset(seed=seed, options=options)
        number = {"role": "system", "content": str(self.np_random.integers(10**9))}
        return (number, *conversation), info


class Mixin:
    def step(self, action):
        return super().step(action.strip())


class Mixed(Mixin, SelfCorrectEnv):
    pass


class Constructed(SelfCorrectEnv):
    """Only its constructor and its rendering are its own."""

    def __init__(self, note, **options):
        super().__init__(SUMS, **options)
        self.note = note

    def render(self):
        return self.note


class GrandChild(Hinted):
    pass


def sums(**options):
    return SelfCorrectEnv(SUMS, **options)


def whole_batch(env, replies=("1", "4")):
    """Play two rows of the problems 1 and 0; return the conversations and the last infos."""
    venv = env.vectorised(2)
    seen, _ = venv.reset(options={"index": [1, 0]})
    shown = [seen]
    for reply in replies:
        seen, _, done, _, infos = venv.step([reply, reply])
        shown.append(seen)
    assert done.all()
    return shown, infos


# -- vectorised ------------------------------------------------------------------------------
def test_an_environment_is_its_own_training_env():
    for env in (sums(), SelfCorrectVectorEnv(3, SUMS), Hinted(SUMS)):
        assert isinstance(env, TrainingEnv)
        assert training_env(env) is env


def test_a_plain_environment_is_vectorised_in_one_piece_without_autoreset():
    for env in (sums(attempts=3), SelfCorrectVectorEnv(3, SUMS, attempts=3), Constructed("n")):
        venv = env.vectorised(4)
        assert type(venv) is SelfCorrectVectorEnv
        assert (venv.num_envs, venv.attempts) == (4, env.attempts)
        assert venv.autoreset_mode is AutoresetMode.DISABLED
        assert venv.problems is env.problems


@pytest.mark.parametrize("kind", [Hinted, GrandChild])
def test_a_subclass_is_vectorised_by_its_own_methods(kind):
    env = kind(SUMS)
    shown, infos = whole_batch(env)
    assert all(conversation[0] == HINT for seen in shown for conversation in seen)
    assert [e.problem.id for e in infos["finished"]] == ["sum-2", "sum-1"]
    assert [v.correct for v in infos["verdict"]] == [True, False]
    assert infos["replies"].tolist() == [["1", "4"]] * 2  # no row sees another's state
    assert env.replies == []


def test_copies_lay_everything_out_as_the_vector_environment_does():
    ours, theirs = sums().vectorised(2), CopiesVectorEnv(sums(), 2)
    for venv in (ours, theirs):
        assert venv.attempts == 2
    mine, yours = (venv.reset(options={"index": [3, 0]}) for venv in (ours, theirs))
    assert mine[0] == yours[0]
    assert mine[1]["problem_id"].tolist() == yours[1]["problem_id"].tolist()
    for reply in ("8", "2"):
        mine, yours = (venv.step([reply] * 2) for venv in (ours, theirs))
        assert mine[0] == yours[0]
        for a, b in zip(mine[1:4], yours[1:4], strict=True):
            assert np.array_equal(a, b)
        assert mine[4].keys() == yours[4].keys()
        assert list(mine[4]["verdict"]) == list(yours[4]["verdict"])
    assert list(mine[4]["finished"]) == list(yours[4]["finished"])
    mask = np.array([False, True])
    mine, yours = (
        venv.reset(options={"index": [0, 4], "reset_mask": mask}) for venv in (ours, theirs)
    )
    assert mine[0] == yours[0]


def test_a_subclass_that_draws_at_random_repeats_with_the_seed():
    def shown(seed):
        venv = Random(SUMS).vectorised(3)
        return venv.reset(seed=seed, options={"index": [0, 0, 0]})[0]

    assert shown([1, 1, 2]) == shown([1, 1, 2])
    first, second, third = shown([1, 1, 2])
    assert first == second != third
    env = Random(SUMS)
    env.reset(seed=0)  # the copies do not repeat the original's numbers
    assert len(set(map(str, env.vectorised(3).reset(options={"index": [0, 0, 0]})[0]))) == 3


def test_a_subclass_may_vectorise_itself():
    class Own(Hinted):
        def vectorised(self, num_envs, *, autoreset_mode=AutoresetMode.DISABLED):
            return SyncVectorEnv([lambda: Own(SUMS)] * num_envs, autoreset_mode=autoreset_mode)

    assert type(training_env(Own(SUMS)).vectorised(2)) is SyncVectorEnv


def test_a_copy_is_of_the_same_class_and_independent():
    env = Hinted(SUMS)
    env.reset(seed=1)
    env.step("1")
    twin = env.copy()
    assert type(twin) is Hinted
    assert twin.problems is env.problems
    with pytest.raises(EpisodeError, match="before reset"):
        twin.step("1")
    twin.reset(seed=2)
    twin.step("2")
    assert (env.replies, twin.replies) == (["1"], ["2"])
    assert env.step("2")[2]


def test_what_cannot_be_copied_is_refused_by_name():
    class Locked(Hinted):
        def __init__(self):
            super().__init__(SUMS)
            self.lock = threading.Lock()

    with pytest.raises(UnsupportedEnvError, match=r"Locked.*cannot be copied.*vectorised"):
        Locked().vectorised(2)


def test_an_episode_that_a_subclass_ends_early_is_not_stepped_on():
    class Early(SelfCorrectEnv):
        def step(self, action):
            seen, reward, _, truncated, info = super().step(action)
            return seen, reward, True, truncated, info

    with pytest.raises(EpisodeError, match=r"rows \[0, 1\] of <Early"):
        whole_batch(Early(SUMS))


def test_a_wrong_number_of_rows_or_indices_is_refused():
    for env in (sums(), Hinted(SUMS)):
        with pytest.raises(ValueError, match="num_envs must be an int of at least 1, got 0"):
            env.vectorised(0)
        with pytest.raises(ValueError, match="each of the 2 sub-environments, got 3"):
            env.vectorised(2).reset(options={"index": [0, 1, 2]})


def test_a_modified_class_is_told_from_a_plain_one():
    patched = sums()
    patched.step = lambda action: None
    renamed = type("Renamed", (SelfCorrectEnv,), {"__doc__": "x", "name": "y"})
    graded = type("Graded", (SelfCorrectEnv,), {"verifier": property(lambda self: None)})
    for env in (Hinted(SUMS), Mixed(SUMS), GrandChild(SUMS), patched, graded(SUMS)):
        assert is_modified(env, SelfCorrectEnv)
    for env in (sums(), Constructed("n"), renamed(SUMS)):
        assert not is_modified(env, SelfCorrectEnv)


def test_a_modified_vector_environment_is_refused_by_name():
    class Rows(SelfCorrectVectorEnv):
        def step(self, actions):
            return super().step(actions)

    with pytest.raises(UnsupportedEnvError, match=r"Rows replaces methods.*vectorised"):
        Rows(2, SUMS).vectorised(3)


# -- training_env ----------------------------------------------------------------------------
def test_an_id_is_made_with_the_train_split():
    env = training_env("SelfCorrect-Arithmetic-v0")
    assert env.problems.split == "train"
    assert training_env("SelfCorrect-Arithmetic-v0", split="test").problems.split == "test"
    made = gym.make("SelfCorrect-Arithmetic-v0", split="test")
    assert training_env(made) is made.unwrapped


def test_an_id_keeps_the_split_that_it_is_registered_with():
    gym.register(
        "OwnSplit-v0",
        entry_point=SelfCorrectEnv,
        kwargs={"problems": "arithmetic", "split": "test"},
    )
    try:
        assert training_env("OwnSplit-v0").problems.split == "test"
    finally:
        del gym.registry["OwnSplit-v0"]


@pytest.mark.parametrize(
    "wrap",
    [
        gym.wrappers.OrderEnforcing,
        gym.wrappers.PassiveEnvChecker,
        gym.wrappers.RecordEpisodeStatistics,
        gym.wrappers.Autoreset,
        lambda env: gym.wrappers.TimeLimit(env, max_episode_steps=2),
        lambda env: gym.wrappers.RecordEpisodeStatistics(gym.wrappers.OrderEnforcing(env)),
    ],
)
def test_transparent_wrappers_are_taken_off(wrap):
    for inner in (sums(), Hinted(SUMS)):
        assert training_env(wrap(inner)) is inner
    rows = SelfCorrectVectorEnv(2, SUMS)
    assert training_env(vector_wrappers.RecordEpisodeStatistics(rows)) is rows


class Half(gym.RewardWrapper):
    def reward(self, reward):
        return reward / 2


class Odd(gym.RewardWrapper):
    """Called a reward wrapper, and changes the reply as well."""

    def reward(self, reward):
        return reward

    def step(self, action):
        return super().step("0")


class Silent(gym.wrappers.OrderEnforcing):
    def step(self, action):
        return super().step("")


REWARDS = {
    "ProgressBonus": ProgressBonus,
    "Half": Half,
    "TransformReward": lambda env: gym.wrappers.TransformReward(env, lambda r: r),
    "ClipReward": lambda env: gym.wrappers.ClipReward(env, 0, 1),
    "NormalizeReward": gym.wrappers.NormalizeReward,
}
EPISODES = {
    "TransformObservation": lambda env: gym.wrappers.TransformObservation(env, lambda c: c, None),
    "TransformAction": lambda env: gym.wrappers.TransformAction(env, str.strip, env.action_space),
    "StickyAction": lambda env: gym.wrappers.StickyAction(env, 0.5),
    "TimeLimit": lambda env: gym.wrappers.TimeLimit(env, max_episode_steps=1),
    "Odd": Odd,
    "Silent": Silent,
}


@pytest.mark.parametrize("name", REWARDS)
@pytest.mark.parametrize("outer", [lambda env: env, gym.wrappers.OrderEnforcing])
def test_reward_wrappers_are_refused_by_name(name, outer):
    env = outer(REWARDS[name](gym.wrappers.OrderEnforcing(sums())))
    with pytest.raises(
        UnsupportedEnvError, match=f"{name} changes rewards.*SCoRe's bonus is alpha"
    ):
        training_env(env)


def test_reward_wrappers_of_vector_environments_are_refused_by_name():
    rows = SelfCorrectVectorEnv(2, SUMS)
    for wrapped in (
        VectorProgressBonus(rows),
        vector_wrappers.TransformReward(rows, lambda r: r),
        vector_wrappers.NormalizeReward(rows),
    ):
        with pytest.raises(UnsupportedEnvError, match=f"{type(wrapped).__name__} changes rewards"):
            training_env(wrapped)


@pytest.mark.parametrize("name", EPISODES)
def test_wrappers_that_change_an_episode_are_refused_by_name(name):
    env = gym.wrappers.OrderEnforcing(EPISODES[name](sums()))
    with pytest.raises(UnsupportedEnvError, match=f"wrapper {name} may change what the agent"):
        training_env(env)
    assert [type(wrapper).__name__ for wrapper in unwrap(env).changing_episodes] == [name]


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (lambda: gym.make("CartPole-v1"), "got CartPoleEnv. Training needs"),
        (lambda: SyncVectorEnv([sums, sums]), "got SyncVectorEnv"),
        (lambda: 3, "got int"),
        (lambda: SelfCorrectEnv, "got the class SelfCorrectEnv"),
        (lambda: None, "got NoneType"),
    ],
)
def test_anything_else_is_refused_by_name(other, name):
    with pytest.raises(UnsupportedEnvError, match=name):
        training_env(other())


def test_another_class_with_the_same_attributes_is_taken():
    class Own:
        problems, verifier, prompts, attempts = (sums().problems, None, None, 2)

        def vectorised(self, num_envs):
            return sums().vectorised(num_envs)

    own = Own()
    assert training_env(own) is own


@pytest.mark.parametrize(("problems", "split"), [(SUMS, "all"), ("arithmetic", "train")])
def test_a_registered_id_is_made_with_the_split_if_its_problems_have_one(problems, split):
    gym.register("Theirs-v0", entry_point=Hinted, kwargs={"problems": problems})
    try:
        found = training_env("Theirs-v0")
        assert type(found) is Hinted
        assert found.problems.split == split
        made = make_env("Theirs-v0", EnvOptions(), split="train")
        assert made.unwrapped.problems.split == split
    finally:
        gym.registry.pop("Theirs-v0")


def test_an_id_of_another_kind_is_refused_by_name():
    with pytest.raises(UnsupportedEnvError, match="'CartPole-v1' can't be trained on"):
        training_env("CartPole-v1")


def test_the_split_of_an_id_that_a_module_registers_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "registers_one.py").write_text(
        "import gymnasium, selfcorrect_env\n"
        "gymnasium.register('OfAModule-v0', entry_point='selfcorrect_env.env:SelfCorrectEnv',\n"
        "                   kwargs={'problems': 'arithmetic', 'split': 'test'})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert training_env("registers_one:OfAModule-v0").problems.split == "test"
    assert require_registered("registers_one:OfAModule-v0") is None
    with pytest.raises(UnknownNameError, match="Unknown environment 'registers_one:Other-v0'"):
        require_registered("registers_one:Other-v0")
