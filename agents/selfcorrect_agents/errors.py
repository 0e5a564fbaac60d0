"""Every error that the agents raise on purpose, beside those of `selfcorrect_env.errors`.

    SelfCorrectError (Exception)
    ├── LearningError (also ValueError)      a method cannot be trained as asked
    ├── ComparisonError (also ValueError)    a comparison is invalid
    ├── CreditError (also RuntimeError)      a reward does not reach the turn that it should
    ├── UnjudgedError (also RuntimeError)    the verifier failed in several steps in a row
    ├── DivergenceError (also RuntimeError)  a number of training is not finite, or its KL too large
    ├── DiskError (also OSError)             a file of a run can't be written
    └── UnsupportedModelError (also ValueError)  a model can't do what is asked

docs/reference/errors.md explains each one.
"""

from __future__ import annotations

from selfcorrect_env import SelfCorrectError


class LearningError(SelfCorrectError, ValueError):
    """A method cannot be trained on this environment or with this configuration."""


class ComparisonError(SelfCorrectError, ValueError):
    """A comparison is invalid: a wrong key, type or value, or agents that do not fit."""


class CreditError(SelfCorrectError, RuntimeError):
    """A score reaches a turn that it should not reach, or no turn that it should reach."""


class UnjudgedError(SelfCorrectError, RuntimeError):
    """The verifier failed at most episodes of several training steps in a row."""


class DivergenceError(SelfCorrectError, RuntimeError):
    """A gradient, a log-probability or a reward is not finite, or the KL is above its limit."""

    after: int | None = None
    """Steps of the run after which its weights were those that diverged: checkpoints of so many
    steps and more have them. None if no weights are at fault."""


class DiskError(SelfCorrectError, OSError):
    """A file of a run cannot be written: the disk is full, or a file would be too large."""


class UnsupportedModelError(SelfCorrectError, ValueError):
    """A model has no positions for so many tokens, or our own forward pass does not compute it."""
