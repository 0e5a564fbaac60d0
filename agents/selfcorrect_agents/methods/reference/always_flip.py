"""`AlwaysFlip`: the second answer always differs from the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from selfcorrect_agents.lm.agent import LanguageModelAgent, PlayConfig
from selfcorrect_agents.lm.conversations import by_attempt, last_reply
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.token_caps import TOKEN_CAP
from selfcorrect_agents.methods.reference.answers import AUTO, format_for
from selfcorrect_env import Conversation, Reply


@dataclass(frozen=True, kw_only=True)
class AlwaysFlipConfig(PlayConfig):
    """The model of the first attempt, and how to read answers."""

    answers: str = AUTO
    """How a reply's answer is read: the name of a verifier (math, exact, code …), or
    module:function. auto: as the environment's instruction asks for it."""


class AlwaysFlip(LanguageModelAgent):
    """Reference: the second answer always differs from the first, and is drawn uniformly.

    Known: Δ^{c→i} = Accuracy@t1 and unchanged answers 0, both exactly. On arithmetic there are
    nine other digits, so Δ^{i→c} = (1 - Accuracy@t1) / 9 in expectation. The same holds on ToyCode
    if first answers add or subtract (a product is replaced by any of ten sums, which may be right
    twice). For mathematics the other answer is a number of one digit, which may be right by
    accident; for other answers it is a random word, which is never right.

    Args:
        policy: the model of the first attempt, with its tokenizer.
        max_new_tokens: token cap of one reply.
        temperature: 0 takes the most likely token, 1 samples from the model.
        seed: seed of sampling and of the other answers.
        answers: see `AlwaysFlipConfig`.
    """

    instrument: ClassVar[bool] = True
    Config: ClassVar[type[AlwaysFlipConfig]] = AlwaysFlipConfig

    def __init__(
        self,
        policy: Policy,
        *,
        max_new_tokens: int = TOKEN_CAP,
        temperature: float = 0.0,
        seed: int = 0,
        answers: str = AUTO,
    ) -> None:
        super().__init__(policy, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
        self.answers = answers
        self._rng = np.random.default_rng(seed)

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Sample first attempts; change the answers of later ones.

        Raises:
            AgentError: ``answers`` is ``"auto"``, and the instruction is not a known one.
        """
        return by_attempt(conversations, super().act, self._change)

    def _change(self, conversations: Sequence[Conversation]) -> list[Reply]:
        replies = []
        for conversation in conversations:
            answers = format_for(self.answers, conversation)
            answer = answers.read(last_reply(conversation) or "")
            replies.append(Reply(answers.another(answer, self._rng), tokens=0, truncated=False))
        return replies
