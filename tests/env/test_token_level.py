"""The token-level view: checks of both libraries, and that it is the same environment."""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env import (
    AttemptEpisodes,
    Conversation,
    EpisodeError,
    Message,
    ProblemSet,
    ProgressBonus,
    SelfCorrectEnv,
    TokenLevel,
)
from selfcorrect_env.token_level import longest_episode

PAD, EOS, USER, ASSISTANT, OTHER = range(5)
LETTERS = "0123456789+ ="
VOCABULARY = 5 + len(LETTERS)
SUMS = ProblemSet.from_records(
    [{"id": f"sum-{i}", "prompt": f"{i} + {i} =", "reference": str(2 * i)} for i in range(12)],
    name="sums",
)


@dataclass(frozen=True)
class Letters:
    """One token for each character; a turn is a marker and its text, the assistant's ends in EOS.

    ``eager`` templates write the end of the assistant's turn before what follows, as most do.
    """

    eager: bool = True
    vocab_size: int = VOCABULARY
    pad_id: int = PAD
    eos_ids: tuple[int, ...] = (EOS,)

    @property
    def turn_end(self) -> int | None:
        return EOS if self.eager else None

    def prompt_ids(self, conversation: Conversation) -> list[int]:
        return [*(i for m in conversation for i in self._turn(m)), ASSISTANT]

    def continuation_ids(self, added: tuple[Message, ...]) -> list[int]:
        return [*([EOS] if self.eager else []), *self.prompt_ids(added)]

    def decode(self, ids: list[int]) -> str:
        return "".join(LETTERS[i - 5] for i in ids if i >= 5)

    @staticmethod
    def _turn(message: Message) -> list[int]:
        text = [5 + LETTERS.index(c) if c in LETTERS else OTHER for c in message["content"]]
        return [USER, *text]


def score(problem: Any, response: str) -> float:
    """Graded, so that a reward in the wrong place is seen; "" cannot be judged."""
    return 1 / (1 + len(response)) if response else float("nan")


def text_level(attempts: int = 2) -> SelfCorrectEnv:
    return SelfCorrectEnv(SUMS, verifier=score, attempts=attempts)


def token_level(attempts: int = 2, cap: int = 4, **options: Any) -> TokenLevel:
    return TokenLevel(text_level(attempts), Letters(**options), max_new_tokens=cap)


def seen(observation: dict[str, np.ndarray]) -> list[int]:
    """The tokens of an observation; what lies outside the mask must be padding."""
    count = int(observation["mask"].sum())
    assert observation["mask"][:count].all()
    assert (observation["ids"][count:] == PAD).all()
    return observation["ids"][:count].tolist()


sampled = st.lists(st.integers(0, VOCABULARY - 1).filter(lambda i: i != EOS), max_size=4)


# -- the same episode, in tokens -------------------------------------------------------------------
@given(
    replies=st.lists(sampled, min_size=1, max_size=3),
    index=st.integers(0, len(SUMS) - 1),
    eager=st.booleans(),
)
def test_it_is_the_same_episode_as_in_text(
    replies: list[list[int]], index: int, eager: bool
) -> None:
    """Token in = token out, rewards where attempts end, and everything that the text level says.

    A reply of fewer tokens than the cap of 4 is ended by EOS, one of 4 is cut off.
    """
    attempts, codec = len(replies), Letters(eager)
    env, text = token_level(attempts, eager=eager), text_level(attempts)
    observation, info = env.reset(options={"index": index})
    conversation, expected_info = text.reset(options={"index": index})
    assert info == expected_info | {"tokens": 0}
    expected = codec.prompt_ids(conversation)
    assert seen(observation) == expected
    for number, reply in enumerate(replies):
        tokens = reply if len(reply) == 4 else [*reply, EOS]
        for count, token in enumerate(tokens[:-1], 1):
            observation, reward, terminated, truncated, info = env.step(token)
            expected.append(token)
            assert seen(observation) == expected
            assert (reward, terminated, truncated) == (0.0, False, False)
            assert info == {
                "problem_id": f"sum-{index}",
                "attempt": number,
                "tokens": count,
            }
        observation, *outcome, info = env.step(tokens[-1])
        conversation, *expected_outcome, expected_info = text.step(codec.decode(reply))
        assert outcome == expected_outcome
        assert info.pop("tokens") == len(tokens)
        finished, expected_finished = (
            info.pop("finished", None),
            expected_info.pop("finished", None),
        )
        assert info == expected_info
        expected.append(tokens[-1])
        if number + 1 < attempts:
            written = codec.continuation_ids(conversation[-1:])
            expected += written[1:] if eager and tokens[-1] == EOS else written
        else:
            assert finished.conversation == expected_finished.conversation == conversation
            attempt = finished.attempts[-1]
            assert (attempt.tokens, attempt.truncated) == (len(tokens), tokens[-1] != EOS)
        assert seen(observation) == expected


def test_the_end_of_a_turn_is_observed_as_the_template_writes_it() -> None:
    """Where the model ends its turn with one token and the template's history has another."""

    @dataclass(frozen=True)
    class Channels(Letters):
        eos_ids: tuple[int, ...] = (OTHER,)

    env = TokenLevel(text_level(), Channels(), max_new_tokens=5)
    before = seen(env.reset(seed=0)[0])
    env.step(LETTERS.index("1") + 5)
    observation, *_ = env.step(OTHER)
    assert seen(observation)[len(before) :][:3] == [LETTERS.index("1") + 5, EOS, USER]


def test_a_marker_that_the_model_wrote_is_not_read_again() -> None:
    """Tokens that decode to nothing stay in the observation: nothing is tokenised again."""
    env = token_level()
    before = seen(env.reset(seed=0)[0])
    for token in (USER, PAD, ASSISTANT):
        env.step(token)
    observation, *_ = env.step(EOS)
    assert seen(observation)[len(before) :][:5] == [USER, PAD, ASSISTANT, EOS, USER]


def test_what_was_observed_does_not_change() -> None:
    env = token_level()
    first, _ = env.reset(seed=0)
    kept = {key: value.copy() for key, value in first.items()}
    env.step(7)
    assert all((first[key] == kept[key]).all() for key in kept)


def test_a_bonus_below_lands_on_the_attempts_last_token() -> None:
    env = TokenLevel(ProgressBonus(text_level(), alpha=8), Letters(), max_new_tokens=4)
    env.reset(seed=0)
    rewards = [env.step(token)[1] for token in (5, 6, 7, EOS, 5, EOS)]
    assert rewards == pytest.approx([0, 0, 0, 1 / 4, 0, 1 / 2 + 8 * (1 / 2 - 1 / 4)])


def test_the_same_seed_draws_the_same_problem() -> None:
    env, text = token_level(), text_level()
    for seed in (3, None, None):
        assert env.reset(seed=seed)[1]["problem_id"] == text.reset(seed=seed)[1]["problem_id"]


# -- an attempt as an episode ----------------------------------------------------------------------
@given(replies=st.lists(sampled, min_size=2, max_size=2))
def test_attempts_as_episodes(replies: list[list[int]]) -> None:
    """Observations and rewards are those of `TokenLevel`; only the ends are more."""
    whole, split = token_level(), AttemptEpisodes(token_level())
    whole.reset(seed=1)
    split.reset(seed=1)
    for number, reply in enumerate(replies):
        for token in reply if len(reply) == 4 else [*reply, EOS]:
            expected = whole.step(token)
            found = split.step(token)
            assert seen(found[0]) == seen(expected[0])
            assert found[1] == expected[1]
            assert found[2] == ("verdict" in expected[4])
            assert ("transition" in found[4]) == expected[2]
        following, info = split.reset()
        if number == 0:
            assert seen(following) == seen(expected[0])
            assert info == {"problem_id": expected[4]["problem_id"], "attempt": 1, "tokens": 0}
    assert info["attempt"] == 0
    assert info["problem_id"] == whole.reset()[1]["problem_id"]


def test_a_seed_or_options_start_another_problem_at_once() -> None:
    env = AttemptEpisodes(token_level())
    env.reset(seed=0)
    env.step(EOS)
    assert env.reset(options={"index": 4})[1]["problem_id"] == "sum-4"
    env.step(EOS)
    assert env.reset()[1] == {"problem_id": "sum-4", "attempt": 1, "tokens": 0}
    with pytest.raises(EpisodeError, match=r"after an attempt's end; call reset"):
        [env.step(EOS) for _ in range(2)]


# -- what the libraries check ----------------------------------------------------------------------
def made() -> gym.Env[Any, Any]:
    env = gym.make("SelfCorrect-Arithmetic-v0", size=50)
    return TokenLevel(env, Letters(), max_new_tokens=3)


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")  # it is wrapped
@pytest.mark.parametrize("outer", [lambda env: env, AttemptEpisodes])
def test_both_libraries_accept_it_without_a_warning(outer: Any) -> None:
    sb3 = pytest.importorskip("stable_baselines3.common.env_checker")
    check_env(outer(made()))
    sb3.check_env(outer(made()), warn=True)
    assert repr(outer(made())) == repr(gym.make(outer(made()).spec))


def test_under_vectors_and_monitors_of_stable_baselines3() -> None:
    pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.env_util import make_vec_env

    env = make_vec_env(token_level, n_envs=3, seed=0)
    env.reset()
    for token in (5, EOS, 6, 7, 5):
        env.step(np.full(3, token))
    observations, rewards, dones, infos = env.step(np.full(3, 8))
    assert dones.all()
    assert rewards == pytest.approx([1 / 5] * 3)
    for row, info in enumerate(infos):
        assert info["episode"]["r"] == pytest.approx(1 / 2 + 1 / 5)
        assert info["episode"]["l"] == 6
        assert info["finished"].attempts[1].reply == "1203"
        assert seen(info["terminal_observation"])[-4:] == [6, 7, 5, 8]
        assert seen({key: value[row] for key, value in observations.items()})[-1] == ASSISTANT


def test_under_gymnasiums_wrappers() -> None:
    env = wrappers.RecordEpisodeStatistics(wrappers.FlattenObservation(token_level()))
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    env.step(EOS)
    *_, terminated, _, info = env.step(EOS)
    assert terminated
    assert info["episode"]["l"] == 2
    limited = wrappers.TimeLimit(token_level(cap=9), max_episode_steps=2)
    limited.reset(seed=0)
    assert [limited.step(5)[2:4] for _ in range(2)] == [(False, False), (False, True)]


# -- arguments and actions -------------------------------------------------------------------------
def test_the_longest_episode_fits_and_no_less() -> None:
    env = token_level(attempts=3)
    assert env.context_length == longest_episode(text_level(3), Letters(), 4)
    env.reset(options={"index": 11})
    for _ in range(12):
        observation, *_ = env.step(5)
    assert observation["mask"].all()
    short = TokenLevel(
        text_level(3), Letters(), max_new_tokens=4, context_length=env.context_length - 1
    )
    short.reset(options={"index": 0})
    with pytest.raises(ValueError, match=r"'sum-11' can have \d+ tokens.*larger context_length"):
        short.reset(options={"index": 11})


def test_a_reset_that_is_refused_leaves_no_episode_to_go_on_with() -> None:
    """The episode below is another one then: its problem would get the tokens of the one before."""
    longest = longest_episode(text_level(), Letters(), 4)
    env = TokenLevel(text_level(), Letters(), max_new_tokens=4, context_length=longest - 1)
    attempts = AttemptEpisodes(env)
    for outer in (env, attempts):
        outer.reset(options={"index": 0})
        outer.step(1)
        with pytest.raises(ValueError, match="larger context_length"):
            outer.reset(options={"index": 11})
        with pytest.raises(EpisodeError, match="reset"):
            outer.step(1)
        assert outer.reset(options={"index": 0})[1]["problem_id"] == "sum-0"


@pytest.mark.parametrize("action", [1.0, "7", None, True, np.array([3]), np.float32(3)])
def test_an_action_that_is_no_token_is_a_type_error(action: Any) -> None:
    env = token_level()
    env.reset(seed=0)
    with pytest.raises(TypeError, match="must be a token id, an int; got"):
        env.step(action)


@pytest.mark.parametrize("action", [-1, VOCABULARY, np.int64(VOCABULARY)])
def test_a_token_that_does_not_exist_is_refused_and_changes_nothing(action: Any) -> None:
    env = token_level()
    before, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match=rf"no token {action}; ids are 0 to {VOCABULARY - 1}"):
        env.step(action)
    assert seen(env.step(np.int64(5))[0]) == [*seen(before), 5]


def test_a_step_needs_an_episode() -> None:
    env = token_level(attempts=1)
    with pytest.raises(EpisodeError, match="call reset"):
        env.step(EOS)
    env.reset(seed=0)
    env.step(EOS)
    with pytest.raises(EpisodeError, match="call reset"):
        env.step(EOS)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"max_new_tokens": 0}, ValueError),
        ({"max_new_tokens": 2.0}, TypeError),
        ({"max_new_tokens": True}, TypeError),
        ({"max_new_tokens": 2, "context_length": 0}, ValueError),
        ({"max_new_tokens": 2, "context_length": "9"}, TypeError),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(
    arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"(max_new_tokens|context_length) must be"):
        TokenLevel(text_level(), Letters(), **arguments)


def test_another_environment_is_refused() -> None:
    with pytest.raises(TypeError, match=r"needs a SelfCorrectEnv .*CartPole"):
        TokenLevel(gym.make("CartPole-v1"), Letters(), max_new_tokens=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="needs a TokenLevel below it"):
        AttemptEpisodes(text_level())  # type: ignore[arg-type]
