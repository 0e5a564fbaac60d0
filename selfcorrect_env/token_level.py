"""The environment token by token: token ids in and out, as most RL libraries need it.

`TokenLevel` turns a `SelfCorrectEnv` (wrapped or not) into one whose action is the next token
and whose observation is the token ids so far. `AttemptEpisodes` around it makes each attempt an
episode, so that any learner credits each attempt with its own reward.

The caller brings the tokenizer (`TokenCodec`).
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Sequence
from typing import Any, Protocol, TypeAlias, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import EpisodeError
from selfcorrect_env.types import Conversation, Message, Reply

Observation: TypeAlias = dict[str, NDArray[Any]]
"""``ids``, (T,) int64, and ``mask``, (T,) int8: see `TokenLevel`."""


class TokenCodec(Protocol):
    """What `TokenLevel` needs of a tokenizer and its chat template.

    The attribute ``chat`` of a ``selfcorrect_agents.lm.policy.Policy`` is one.
    """

    @property
    def vocab_size(self) -> int:
        """Number of token ids: they are 0 to ``vocab_size - 1``."""
        ...

    @property
    def pad_id(self) -> int:
        """The id that pads an observation; it may also be the id of a token."""
        ...

    @property
    def eos_ids(self) -> Collection[int]:
        """The ids that end a reply."""
        ...

    @property
    def turn_end(self) -> int | None:
        """The first of `continuation_ids` if it ends the assistant's turn; else None."""
        ...

    def prompt_ids(self, conversation: Conversation) -> Sequence[int]:
        """Return the ids of a conversation, up to the start of the assistant's next turn."""
        ...

    def continuation_ids(self, added: Sequence[Message]) -> Sequence[int]:
        """Return the ids that follow a reply when the messages ``added`` come after it.

        They start with the end of the assistant's turn and end at the start of its next one.
        """
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of a reply's ids, which do not include the id that ended it."""
        ...


class TokenLevel(gym.Wrapper[Observation, Any, Conversation, str], RecordConstructorArgs):
    """A `SelfCorrectEnv` whose action is the next token.

    An attempt ends with an end-of-turn token, or with its ``max_new_tokens``-th token. Its
    text then goes to the wrapped environment as the reply; the ids of the correction
    instruction are appended, and the next attempt begins. Token in, token out: what was sampled
    is what is observed, never tokenised again. Only an end-of-turn token that the chat template
    does not write itself is replaced by the template's.

    ## Action Space
    ``Discrete(vocab_size)``.

    ## Observation Space
    ``Dict``: ``ids``, the tokens so far (T,) int64, padded on the right with the padding id;
    ``mask``, (T,) int8, 1 on tokens and 0 on padding. T is ``context_length``.

    ## Rewards
    An attempt's reward, with what wrappers below add, at the attempt's last token; 0 before.

    ## Information
    ``problem_id``; ``attempt``, the number of finished attempts; ``tokens``, the number of tokens
    of the current attempt (at its end: of the attempt that ended). At an attempt's end also the
    info of the wrapped environment: ``verdict``, and at the last one ``transition`` and
    ``finished``.

    Args:
        env: a `SelfCorrectEnv`, wrapped or not.
        codec: the tokenizer.
        max_new_tokens: token cap of one attempt, ≥ 1, the same for every attempt.
        context_length: T, in tokens. By default `longest_episode`, which reads every problem
            once: give the number if you make many such environments.

    Raises:
        TypeError: ``env`` is not a `SelfCorrectEnv`, or a number is not an int.
        ValueError: a number is below 1; at ``reset``: the problem's episode may not fit into
            ``context_length``; at ``step``: it does not, since a subclass shows longer messages.
    """

    def __init__(
        self,
        env: gym.Env[Conversation, str],
        codec: TokenCodec,
        *,
        max_new_tokens: int,
        context_length: int | None = None,
    ) -> None:
        RecordConstructorArgs.__init__(
            self,
            _disable_deepcopy=True,  # a codec may hold a language model
            codec=codec,
            max_new_tokens=max_new_tokens,
            context_length=context_length,
        )
        gym.Wrapper.__init__(self, env)
        self._attempts = _unwrapped(env).attempts
        self.codec = codec
        self.max_new_tokens = _at_least_one("max_new_tokens", max_new_tokens)
        if context_length is None:
            context_length = longest_episode(env, codec, max_new_tokens)
        self.context_length = length = _at_least_one("context_length", context_length)
        self._ends = frozenset(codec.eos_ids)
        self._vocab_size = codec.vocab_size
        self.action_space = spaces.Discrete(self._vocab_size)
        ids = spaces.Box(0, self._vocab_size - 1, (length,), np.int64)
        seen: Any = spaces.Dict({"ids": ids, "mask": spaces.MultiBinary(length)})
        self.observation_space = seen
        self._ids = np.full(length, codec.pad_id, dtype=np.int64)
        self._conversation: Conversation = ()
        self._problem_id = ""
        self._used = 0
        """Tokens so far, of everything."""
        self._reply: list[int] | None = None
        """Tokens of the current attempt; None between episodes."""
        self._attempt = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; arguments are those of `SelfCorrectEnv.reset`."""
        told, info = self.env.reset(seed=seed, options=options)
        self._reply = None  # the episode below is another, also where it is refused here
        conversation = cast(Conversation, told)
        ids = self.codec.prompt_ids(conversation)
        follow = len(self.codec.continuation_ids(_correction(self.env)))
        needed = _episode_length(len(ids), follow, self._attempts, self.max_new_tokens)
        if needed > self.context_length:
            raise ValueError(
                f"An episode of problem {info['problem_id']!r} can have {needed} tokens, its "
                f"prompt {len(ids)} of them, and context_length is {self.context_length}. Give a "
                "larger context_length, fewer max_new_tokens, or leave out long problems."
            )
        self._conversation, self._problem_id = conversation, info["problem_id"]
        self._ids.fill(self.codec.pad_id)
        self._used, self._attempt, self._reply = 0, 0, []
        self._append(ids)
        return self._observation(), info | {"tokens": 0}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Write the next token.

        Args:
            action: its id, an int in [0, ``vocab_size``).

        Raises:
            TypeError: the action is no int.
            ValueError: there is no token of this id.
            EpisodeError: there is no episode under way.
        """
        token = self._require_token(action)
        if self._reply is None:
            raise EpisodeError("step() needs an episode under way; call reset() first.")
        reply = self._reply
        reply.append(token)
        self._append([token])
        ended = token in self._ends
        if not ended and len(reply) < self.max_new_tokens:
            info = {
                "problem_id": self._problem_id,
                "attempt": self._attempt,
                "tokens": len(reply),
            }
            return self._observation(), 0.0, False, False, info
        text = Reply(
            self.codec.decode(reply[:-1] if ended else reply),
            tokens=len(reply),
            truncated=not ended,
        )
        told, reward, terminated, truncated, info = self.env.step(text)
        info["tokens"] = len(reply)
        if terminated or truncated:
            self._reply = None
        else:
            self._continue(cast(Conversation, told), ended)
        return self._observation(), float(reward), terminated, truncated, info

    # -- the parts of reset and step ----------------------------------------------------
    def _continue(self, conversation: Conversation, ended: bool) -> None:
        """Append the messages after the reply and start the next attempt."""
        added = conversation[len(self._conversation) + 1 :]
        ids = self.codec.continuation_ids(added)
        if ended and self.codec.turn_end is not None:
            self._used -= 1  # the ids hold the end of the turn, as the template writes it
        self._append(ids)
        self._conversation = conversation
        self._attempt += 1
        self._reply = []

    def _require_token(self, action: Any) -> int:
        try:
            if isinstance(action, bool):  # an int to Python
                raise TypeError
            token = operator.index(action)
        except TypeError:
            raise TypeError(
                f"An action must be a token id, an int; got {type(action).__name__} "
                f"({action!r:.60}). Text goes to the environment below, a SelfCorrectEnv."
            ) from None
        if not 0 <= token < self._vocab_size:
            raise ValueError(f"There is no token {token}; ids are 0 to {self._vocab_size - 1}.")
        return token

    def _append(self, ids: Sequence[int]) -> None:
        end = self._used + len(ids)
        if end > self.context_length:
            raise ValueError(
                f"The episode of problem {self._problem_id!r} does not fit into context_length, "
                f"{self.context_length} tokens: the environment shows longer messages than its "
                "prompts have. Give a larger context_length, or fewer max_new_tokens."
            )
        self._ids[self._used : end] = ids
        self._used = end

    def _observation(self) -> Observation:
        mask = np.zeros(self.context_length, dtype=np.int8)
        mask[: self._used] = 1
        return {"ids": self._ids.copy(), "mask": mask}


class AttemptEpisodes(gym.Wrapper[Observation, Any, Observation, Any], RecordConstructorArgs):
    """Each attempt is an episode of its own to the learner, as lives are in Atari games.

    The end of an attempt is reported as ``terminated``, and the following ``reset`` continues the
    same conversation, with the instruction appended. After the last attempt it starts another
    problem. A learner with any discount and any λ then credits each attempt's tokens with that
    attempt's reward alone: the paper's γ = 0 between attempts (appendix A.2). Within an attempt
    the learner's own discount applies.

    ``info`` is unchanged: ``transition`` and ``finished`` are only in the info of the last
    attempt's end. A ``reset`` with a seed or with options starts another problem at once.

    Args:
        env: a `TokenLevel`, wrapped or not.

    Raises:
        TypeError: ``env`` wraps no `TokenLevel`.
    """

    def __init__(self, env: gym.Env[Observation, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        if not self.has_wrapper_attr("context_length"):
            raise TypeError(f"AttemptEpisodes needs a TokenLevel below it, got {env!r:.80}.")
        self._next: tuple[Observation, dict[str, Any]] | None = None
        self._open = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start the next attempt, or the next episode after a last attempt."""
        following, self._next, self._open = self._next, None, False
        if following is None or seed is not None or options:
            following = self.env.reset(seed=seed, options=options)
        self._open = True
        return following

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Write the next token; ``terminated`` says that the attempt is over.

        Raises:
            EpisodeError: the attempt is over, or `reset` was not called.
        """
        if not self._open:
            raise EpisodeError("step() was called after an attempt's end; call reset() first.")
        observation, reward, terminated, truncated, info = self.env.step(action)
        over = terminated or truncated
        if "verdict" in info and not over:
            told = {"problem_id": info["problem_id"], "attempt": info["attempt"], "tokens": 0}
            self._next = {key: value.copy() for key, value in observation.items()}, told
            terminated = True
        self._open = not (terminated or truncated)
        return observation, float(reward), terminated, truncated, info


def longest_episode(env: gym.Env[Conversation, str], codec: TokenCodec, max_new_tokens: int) -> int:
    """Return the largest number of tokens that an episode of ``env`` can have.

    Args:
        env: a `SelfCorrectEnv`, wrapped or not; every problem of its set is tokenised.
        codec: the tokenizer.
        max_new_tokens: token cap of one attempt.

    Raises:
        TypeError: ``env`` is not a `SelfCorrectEnv`, or the cap is not an int.
        ValueError: the cap is below 1.
    """
    _at_least_one("max_new_tokens", max_new_tokens)
    inner = _unwrapped(env)
    first = max(len(codec.prompt_ids(inner.prompts.first(p))) for p in inner.problems)
    follow = len(codec.continuation_ids(_correction(env)))
    return _episode_length(first, follow, inner.attempts, max_new_tokens)


def _episode_length(prompt: int, follow: int, attempts: int, max_new_tokens: int) -> int:
    return prompt + attempts * max_new_tokens + (attempts - 1) * follow


def _correction(env: gym.Env[Any, Any]) -> tuple[Message, ...]:
    return (Message(role="user", content=_unwrapped(env).prompts.correction),)


def _unwrapped(env: gym.Env[Any, Any]) -> SelfCorrectEnv:
    inner = getattr(env, "unwrapped", None)
    if not isinstance(inner, SelfCorrectEnv):
        raise TypeError(
            f"A token-level view needs a SelfCorrectEnv (or a wrapper of one), got {env!r:.80}."
        )
    return inner


def _at_least_one(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {type(value).__name__} ({value!r:.60}).")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}.")
    return value
