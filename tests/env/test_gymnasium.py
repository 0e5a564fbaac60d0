"""gymnasium's wrappers, vector modes and specifications, as users put them on the environment."""

import pickle
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as vector_wrappers

from selfcorrect_env import ProgressBonus, SelfCorrectVectorEnv

ID = "SelfCorrect-Arithmetic-v0"
SIZE = {"size": 30}
REPLIES = ("7", "∞ 3\ud800")
"""The first reply to problem 3 is right, the second one wrong."""


def single(**options: Any) -> gym.Env[Any, Any]:
    return gym.make(ID, **SIZE, **options)


def vector(num_envs: int = 2, **options: Any) -> Any:
    return gym.make_vec(ID, num_envs, **SIZE, **options)


def index_of(env: gym.Env[Any, Any], answer: str) -> int:
    problems: Any = env.unwrapped
    return next(i for i, p in enumerate(problems.problems) if p.reference == answer)


def played(env: gym.Env[Any, Any], replies: tuple[str, ...] = REPLIES) -> list[tuple[Any, ...]]:
    """Play a problem whose answer is 7; returns (conversation, reward, terminated, truncated)."""
    env.reset(options={"index": index_of(env, "7")})
    return [env.step(reply)[:4] for reply in replies]


def rewards(env: gym.Env[Any, Any], *replies: str) -> list[float]:
    return [step[1] for step in played(env, replies or REPLIES)]


REFUSALS = (ValueError, AssertionError, NotImplementedError, gym.error.CustomSpaceError)
"""What gymnasium's wrappers raise where they do not apply."""


# -- wrappers of single environments ---------------------------------------------------------------
WRAPPED: dict[str, tuple[Callable[[gym.Env], gym.Env], list[float]]] = {
    "Autoreset": (wrappers.Autoreset, [1, 0]),
    "ClipReward": (lambda env: wrappers.ClipReward(env, 0.25, 0.5), [0.5, 0.25]),
    "OrderEnforcing": (wrappers.OrderEnforcing, [1, 0]),
    "PassiveEnvChecker": (wrappers.PassiveEnvChecker, [1, 0]),
    "RecordEpisodeStatistics": (wrappers.RecordEpisodeStatistics, [1, 0]),
    "RenderCollection": (wrappers.RenderCollection, [1, 0]),
    "StickyAction": (lambda env: wrappers.StickyAction(env, 0.0), [1, 0]),
    "TimeLimit": (lambda env: wrappers.TimeLimit(env, 5), [1, 0]),
    "TransformAction": (lambda env: wrappers.TransformAction(env, str.strip, None), [1, 0]),
    "TransformObservation": (
        lambda env: wrappers.TransformObservation(env, lambda told: told[-1:], None),
        [1, 0],
    ),
    "TransformReward": (lambda env: wrappers.TransformReward(env, lambda r: r - 1), [0, -1]),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapper_gives_whole_episodes(name: str) -> None:
    wrap, expected = WRAPPED[name]
    env = wrap(single(render_mode="ansi"))
    steps = played(env)
    assert [step[1] for step in steps] == expected
    assert [step[2:] for step in steps] == [(False, False), (True, False)]
    told = steps[-1][0]
    assert told[-1]["content"] == REPLIES[-1]
    assert len(told) == (1 if name == "TransformObservation" else 4)
    env.close()


def test_all_of_them_at_once() -> None:
    env = single(render_mode="ansi")
    for name in ("RenderCollection", "TransformAction", "TimeLimit", "RecordEpisodeStatistics"):
        env = WRAPPED[name][0](env)
    env = ProgressBonus(env, alpha=3.0)
    assert rewards(env) == [1, -3]
    assert [type(frame) for frame in env.render()] == [str] * 3


def test_rewards_are_normalised() -> None:
    env = wrappers.NormalizeReward(single())
    first, second = rewards(env)
    assert first > second == 0
    many = vector_wrappers.NormalizeReward(vector())
    index = index_of(single(), "7")
    many.reset(options={"index": [index, index]})
    right, wrong = many.step(["7", "8"])[1].tolist()
    assert right > wrong == 0


@pytest.mark.parametrize("steps", [1, 2])
def test_a_time_limit_truncates(steps: int) -> None:
    """At the last attempt, an episode is over in both ways, as in every environment."""
    for env in (wrappers.TimeLimit(single(), steps), single(max_episode_steps=steps)):
        ends = [step[2:] for step in played(env, REPLIES[:steps])]
        assert ends[-1] == (steps == 2, True)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda env: wrappers.RecordVideo(env, "videos"),
        wrappers.HumanRendering,
        wrappers.NormalizeObservation,
        wrappers.FlattenObservation,
        lambda env: wrappers.FrameStackObservation(env, 2),
        lambda env: wrappers.DelayObservation(env, 1),
        lambda env: wrappers.FilterObservation(env, ["a"]),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # gymnasium 1.1
def test_wrappers_of_images_and_numbers_are_refused(wrap: Any) -> None:
    """They need pixels or numbers, and conversations are text: `TokenLevel` gives numbers."""
    with pytest.raises(REFUSALS):
        wrap(single(render_mode="ansi")).reset(seed=0)


# -- specifications --------------------------------------------------------------------------------
SENT: dict[str, Callable[[EnvSpec], EnvSpec]] = {
    "as it is": lambda spec: spec,
    "pickle": lambda spec: pickle.loads(pickle.dumps(spec)),
    "json": lambda spec: EnvSpec.from_json(spec.to_json()),
}


def shaped() -> gym.Env[Any, Any]:
    """Wrappers outside of a time limit, where gymnasium puts it."""
    env = ProgressBonus(single(attempts=3, max_episode_steps=9), alpha=2.0)
    return wrappers.RecordEpisodeStatistics(env)


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
@pytest.mark.parametrize("made", [single, shaped])
def test_an_environment_is_made_from_its_specification(made: Any, sent: Any) -> None:
    env = made()
    again = gym.make(sent(env.spec))
    assert repr(again) == repr(env)
    assert again.spec == env.spec
    assert again.reset(seed=5)[0] == env.reset(seed=5)[0]
    assert again.step("7")[:4] == env.step("7")[:4]


def test_own_problems_are_in_the_specification() -> None:
    rows = [{"prompt": "1 + 1", "reference": "2"}]
    env = gym.make(ID, problems=rows, verifier="exact")
    again: Any = gym.make(EnvSpec.from_json(env.spec.to_json())).unwrapped
    assert [p.prompt for p in again.problems] == ["1 + 1"]
    assert again.verifier.name == "exact"


def test_a_vector_environment_is_made_from_its_specification() -> None:
    env = vector(3)
    for sent in SENT.values():
        again = gym.make_vec(sent(env.spec))
        assert type(again.unwrapped) is SelfCorrectVectorEnv
        assert again.num_envs == 3
        assert again.reset(seed=1)[0] == env.reset(seed=1)[0]


# -- vector modes ----------------------------------------------------------------------------------
MODES: dict[str, dict[str, Any]] = {
    "vector_entry_point": {},
    "sync": {"vectorization_mode": "sync"},
    "async": {"vectorization_mode": "async", "vector_kwargs": {"shared_memory": False}},
}


def test_the_three_modes_play_the_same_episodes() -> None:
    """With gymnasium's default autoreset, and replies that no fixed alphabet holds."""
    seen = {}
    for name, options in MODES.items():
        autoreset = {"autoreset_mode": AutoresetMode.NEXT_STEP} if name.startswith("vec") else {}
        env = vector(**options, **autoreset)
        steps: list[Any] = [env.reset(seed=3)[0]]
        for number in range(5):
            told, *numbers, infos = env.step([f"7 {number} ∞\ud800", "3"])
            steps.append((told, [column.tolist() for column in numbers], sorted(infos)))
        env.close()
        seen[name] = steps
    assert seen["sync"] == seen["async"] == seen["vector_entry_point"]


def test_shared_memory_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="shared_memory=False"):
        vector(vectorization_mode="async")


def test_a_limit_of_steps_is_refused_where_it_would_be_ignored() -> None:
    assert vector(max_episode_steps=3).reset(seed=0)
    with pytest.raises(ValueError, match=r"above the 2 attempts of an episode, got 1.*sync"):
        vector(max_episode_steps=1)
    env = vector(vectorization_mode="sync", max_episode_steps=1)
    env.reset(seed=0)
    assert env.step(["7", "7"])[3].all()


# -- wrappers of vector environments ---------------------------------------------------------------
VECTOR: dict[str, tuple[Callable[[Any], Any], float]] = {
    "ClipReward": (lambda env: vector_wrappers.ClipReward(env, 0.25, 0.5), 0.5),
    "DictInfoToList": (vector_wrappers.DictInfoToList, 1),
    "RecordEpisodeStatistics": (vector_wrappers.RecordEpisodeStatistics, 1),
    "TransformAction": (lambda env: vector_wrappers.TransformAction(env, lambda a: a), 1),
    "TransformReward": (lambda env: vector_wrappers.TransformReward(env, lambda r: 2 * r), 2),
    "VectorizeTransformAction": (
        lambda env: vector_wrappers.VectorizeTransformAction(
            env, wrappers.TransformAction, func=str.strip, action_space=None
        ),
        1,
    ),
    "VectorizeTransformReward": (
        lambda env: vector_wrappers.VectorizeTransformReward(
            env, wrappers.TransformReward, func=lambda r: 3 * r
        ),
        3,
    ),
}


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("name", VECTOR)
def test_a_vector_wrapper_gives_whole_episodes(name: str, mode: AutoresetMode) -> None:
    wrap, right = VECTOR[name]
    env = wrap(vector(autoreset_mode=mode))
    index = index_of(single(), "7")
    env.reset(options={"index": [index, index]})
    _, first, ended, *_ = env.step(["7", "8"])
    assert first.tolist() == [right, min(right, 0.25) if name == "ClipReward" else 0]
    assert not ended.any()
    _, _, ended, truncated, _ = env.step(["7", "8"])
    assert ended.all()
    assert not truncated.any()


def test_statistics_of_episodes_in_the_default_mode_of_gymnasium() -> None:
    env = vector_wrappers.RecordEpisodeStatistics(vector(autoreset_mode=AutoresetMode.NEXT_STEP))
    index = index_of(single(), "7")
    env.reset(options={"index": [index, index]})
    env.step(["7", "8"])
    *_, infos = env.step(["7", "8"])
    assert infos["episode"]["r"].tolist() == [2, 0]
    assert infos["episode"]["l"].tolist() == [2, 2]
    assert np.asarray(infos["_episode"]).all()
