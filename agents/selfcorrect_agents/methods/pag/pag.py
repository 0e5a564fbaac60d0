"""PAG: one model answers, verifies and revises (Jiang et al., arXiv 2506.10406)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from selfcorrect_agents.lm.agent import PlayConfig
from selfcorrect_agents.lm.conversations import by_attempt, last_reply
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.token_caps import TOKEN_CAP
from selfcorrect_agents.methods.pag.config import PAGConfig
from selfcorrect_agents.methods.pag.verification import Verification, VerifiedEnv
from selfcorrect_agents.training.trained_agent import TrainedAgent
from selfcorrect_agents.training.trainer import Stage, Trainer
from selfcorrect_env import Conversation, Reply, TrainingEnv

ANSWERING, VERIFYING = 0, 1
"""The roles of the model."""


@dataclass(frozen=True, kw_only=True)
class PAGPlayConfig(PlayConfig):
    """The model, and the requests for a verification and for a revision."""

    verify: str = Verification.verify
    """The request for a verification of the first answer."""
    revise: str = Verification.revise
    """The request for a revision of an answer that was found wrong."""


class PAG(TrainedAgent):
    """RL on answering, verifying and selective revision by one model (arXiv 2506.10406).

    An episode has three turns: an answer, a verification of it, and a revision if the verification
    found the answer wrong. Each turn is credited with its own reward only. In an environment of two
    attempts, the verification comes before the second one: it is the revision, or the first answer
    again.

    Args:
        policy: the model with its tokenizer.
        max_new_tokens: token cap of each turn.
        temperature: 0 takes the most likely token, 1 samples from the model.
        seed: seed of sampling.
        verify: the request for a verification.
        revise: the request for a revision.
        verification: both requests, and the words that a judgement is read by.
    """

    Learning: ClassVar[type[PAGConfig]] = PAGConfig
    Config: ClassVar[type[PAGPlayConfig]] = PAGPlayConfig
    attempt_turns: ClassVar[tuple[int, ...]] = (1, 3)

    def __init__(
        self,
        policy: Policy,
        *,
        max_new_tokens: int = TOKEN_CAP,
        temperature: float = 0.0,
        seed: int = 0,
        verify: str = Verification.verify,
        revise: str = Verification.revise,
        verification: Verification | None = None,
    ) -> None:
        super().__init__(policy, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
        self.verification = verification or Verification(verify=verify, revise=revise)

    # -- learning -----------------------------------------------------------------------
    def recorded(self) -> dict[str, Any]:
        """Return the requests, and the words that a judgement is read by."""
        return {"verification": asdict(self.verification)}

    def episodes_of(self, env: TrainingEnv) -> TrainingEnv:
        """Return ``env`` with a verification between its attempts."""
        return VerifiedEnv(env, self.verification)

    def held_out_episodes_of(self, env: TrainingEnv) -> TrainingEnv:
        """Return the same, with a revision also where the verification says nothing, as `act`."""
        return VerifiedEnv(env, self.verification, revise_unjudged=True)

    def train(self, trainer: Trainer, config: PAGConfig) -> None:
        """Reinforce all three turns, each with its own reward."""
        stage = Stage(
            rewards=lambda scores: with_bonus(scores, config.bonus),
            betas=[config.beta_1] * 3,
            reach=[[0, 2] if config.bonus else [0], [1], [2]],
            learning_rate=config.optimization.learning_rate,
            roles=[ANSWERING, VERIFYING, ANSWERING] if config.normalise_roles else None,
        )
        for step in trainer.steps(config.steps):
            trainer.learn_from(step, stage)

    # -- playing ------------------------------------------------------------------------
    @property
    def decoding(self) -> str:
        """How replies are drawn, for reports."""
        return f"{super().decoding} for each turn, verify then revise"

    def act(self, conversations: Sequence[Conversation]) -> list[Reply]:
        """Answer; at later attempts verify the latest answer, and revise it unless it is right.

        As in the released code, an answer is also revised if its verification does not say whether
        it is right. `Reply.tokens` of a later attempt counts the verification's tokens as well.
        """
        return by_attempt(conversations, super().act, self._check)

    def _check(self, conversations: Sequence[Conversation]) -> list[Reply]:
        asked = [self.verification.asked(conversation) for conversation in conversations]
        verifications = super().act(asked)
        found = [self.verification.judgement(text) for text in verifications]
        wrong = [row for row, is_right in enumerate(found) if not is_right]
        told = [self.verification.told(asked[row], verifications[row]) for row in wrong]
        revised = dict(zip(wrong, super().act(told), strict=True))
        return [
            _joined(verification, revised.get(row), last_reply(conversations[row]) or "")
            for row, verification in enumerate(verifications)
        ]


def with_bonus(scores: Tensor, bonus: float) -> Tensor:
    """``(r(y₁), r(v), r(y₂) + c (r(y₂) − r(y₁)))``: (B, 3) scores -> (B, 3) rewards.

    r(v) is 1 if the verification judged the answer as the verifier did.
    """
    answer, verification, final = scores.unbind(dim=1)
    return torch.stack([answer, verification, final + bonus * (final - answer)], dim=1)


def _joined(verification: Reply, revision: Reply | None, first: str) -> Reply:
    """Return a later attempt: the revision, or the first answer again."""
    if revision is None:
        return Reply(first, tokens=verification.tokens, truncated=False)
    tokens = (verification.tokens or 0) + (revision.tokens or 0)
    return Reply(revision, tokens=tokens, truncated=revision.truncated)
