"""The configurations of PPO and A2C."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from typing_extensions import Self

from selfcorrect_agents.checks import check
from selfcorrect_agents.lm.token_caps import TINY_TOKEN_CAP

CREDITS = ("attempt", "episode")

MISSING = (
    "stable-baselines3 is needed and cannot be imported ({error}). "
    'Install it: pip install "selfcorrect-env[sb3]".'
)
"""The message of the error where the library is not installed."""


@dataclass(frozen=True, kw_only=True)
class SB3Config:
    """Configuration of both algorithms. Sampling is at temperature 1."""

    episodes: int = 40_960
    """Number of training episodes, ≥ 1. Training stops at the token at which this number has
    ended, so at most ``envs - 1`` more are played. It uses at least one rollout."""
    envs: int = 256
    """Number of episodes that are played at the same time, ≥ 1."""
    tokens_per_env: int = 10
    """Tokens per environment between two updates (stable-baselines3's ``n_steps``), ≥ 1; times
    ``envs`` at least 2."""
    learning_rate: float = 1e-3
    """Learning rate of AdamW for the language model and the critic, > 0. stable-baselines3: 7e-4
    (A2C)."""
    beta: float = 0.1
    """β, coefficient of the KL to the base policy per token (over the vocabulary, in nats), ≥ 0;
    paper: 0.01 (β₁, table 5). 0 disables it."""
    credit: Literal["attempt", "episode"] = "attempt"
    """The rewards that a token is credited with: its attempt's (the paper's γ = 0 between
    attempts, appendix A.2), or all later ones of the episode (γ = 1)."""
    alpha: float = 0.0
    """α of SCoRe's bonus α·(r(y₂) − r(y₁)) on the second reward (equation 5), ≥ 0."""
    gae_lambda: float = 1.0
    """λ of generalised advantage estimation, in [0, 1]; 1 uses the sampled return."""
    value_coefficient: float = 0.5
    """Weight of the critic's squared error in the loss (``vf_coef``), ≥ 0."""
    value_reaches_model: bool = False
    """Whether the critic's gradient also changes the language model."""
    max_grad_norm: float = 0.3
    """Maximum gradient norm, > 0."""
    max_new_tokens: int = TINY_TOKEN_CAP
    """Token cap of one reply, the same in every attempt, ≥ 1."""
    context_length: int | None = None
    """Tokens of an episode at most, ≥ 1; None: those of the longest problem with its instructions,
    which an environment of your own that shows longer messages needs more than."""
    seed: int = 0
    """Seed of problems, samples and minibatches, ≥ 0."""

    def __post_init__(self) -> None:
        """Check every field, so that an invalid configuration cannot be created."""
        for name in ("episodes", "envs", "tokens_per_env", "max_new_tokens"):
            check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("learning_rate", "max_grad_norm"):
            check(getattr(self, name) > 0, name, "above 0", getattr(self, name))
        for name in ("beta", "alpha", "value_coefficient", "seed"):
            check(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
        length = self.context_length
        check(length is None or length >= 1, "context_length", "at least 1", length)
        check(0 <= self.gae_lambda <= 1, "gae_lambda", "in [0, 1]", self.gae_lambda)
        check(self.credit in CREDITS, "credit", f"one of {CREDITS}", self.credit)
        check(self.rollout >= 2, "envs × tokens_per_env", "at least 2", self.rollout)

    @property
    def rollout(self) -> int:
        """Number of tokens between two updates."""
        return self.envs * self.tokens_per_env

    def within(self, episodes: int) -> Self:
        """Return the same configuration with another number of training episodes."""
        return dataclasses.replace(self, episodes=episodes)


@dataclass(frozen=True, kw_only=True)
class SB3PPOConfig(SB3Config):
    """Proximal policy optimisation (Schulman et al., arXiv 1707.06347)."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {"tiny": {}}

    learning_rate: float = 3e-4
    """Learning rate of AdamW for the language model and the critic, > 0; stable-baselines3's
    default."""
    epochs: int = 4
    """Passes over a rollout (``n_epochs``), ≥ 1. stable-baselines3: 10."""
    batch_size: int = 0
    """Tokens per gradient step, ≥ 2, or 0 for the whole rollout, which costs little more than a
    small batch, since common prefixes are read once. stable-baselines3: 64."""
    clip_range: float = 0.2
    """ε of the clipped surrogate, > 0 (section 3)."""

    def __post_init__(self) -> None:
        """Check every field."""
        super().__post_init__()
        check(self.epochs >= 1, "epochs", "at least 1", self.epochs)
        check(self.clip_range > 0, "clip_range", "above 0", self.clip_range)
        fits = self.batch_size == 0 or 2 <= self.batch_size <= self.rollout
        check(fits, "batch_size", f"0, or 2 to a rollout's {self.rollout} tokens", self.batch_size)
        check(
            self.batch_size == 0 or self.rollout % self.batch_size == 0,
            "batch_size",
            f"a divisor of a rollout's {self.rollout} tokens",
            self.batch_size,
        )


@dataclass(frozen=True, kw_only=True)
class SB3A2CConfig(SB3Config):
    """Advantage actor-critic (Mnih et al., arXiv 1602.01783), synchronous: one step a rollout."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {"tiny": {}}
