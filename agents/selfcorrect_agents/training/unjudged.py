"""Unjudged episodes in training: their share is logged, the first is warned about, and a run stops
where the verifier keeps failing.

An unjudged episode is left out of the loss: the verifier's own failure is no evidence about a
reply (a failure that a reply causes is a wrong reply, and its verdict says so). Where most of a
step is left out, its update is one of the few replies that were judged.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from selfcorrect_agents.errors import UnjudgedError
from selfcorrect_env import Episode, UnjudgedWarning

LIMIT = 0.5
"""Share of a step's episodes; a step with a larger unjudged share counts towards `STEPS`."""

STEPS = 3
"""Steps in a row above `LIMIT` after which training stops."""


class UnjudgedWatch:
    """Counts the unjudged episodes of a run, step by step."""

    def __init__(self) -> None:
        self._episodes = self._unjudged = 0  # of this step so far
        self._streak = 0
        self._cause = ""
        self._warned = False

    def resume(self, shares: Sequence[float]) -> None:
        """Go on after the steps of a resumed run, whose shares `finish_step` has returned."""
        for share in shares:
            self._count(share)

    def _count(self, share: float) -> None:
        self._streak = self._streak + 1 if share > LIMIT else 0

    def add(self, episodes: Sequence[Episode]) -> None:
        """Count episodes of the current step."""
        failed = [episode for episode in episodes if not episode.judged]
        self._episodes += len(episodes)
        self._unjudged += len(failed)
        if failed and not self._cause:
            verdicts = (attempt.verdict for attempt in failed[0].attempts)
            self._cause = next(verdict.detail for verdict in verdicts if not verdict.judged)

    def finish_step(self, step: int) -> float:
        """End a step; return the share of its episodes, in [0, 1], that were not judged.

        Warns:
            UnjudgedWarning: it is the run's first step with one; the message holds the cause.
        """
        unjudged, episodes = self._unjudged, self._episodes
        self._episodes = self._unjudged = 0
        share = unjudged / episodes if episodes else 0.0
        self._count(share)
        if unjudged and not self._warned:
            self._warned = True
            warnings.warn(
                f"step {step + 1}: {unjudged} of {episodes} episodes were not judged and are left "
                f"out of the loss. First cause: {self._cause}",
                UnjudgedWarning,
                stacklevel=3,
            )
        return share

    def failure(self, total: int | None = None) -> UnjudgedError | None:
        """Return the error that stops the run, or None.

        Args:
            total: the run's number of steps, if it may be less than `STEPS`.
        """
        if self._streak < min(STEPS, STEPS if total is None else total):
            return None
        return UnjudgedError(
            f"Training stopped: the verifier failed to judge more than {100 * LIMIT:.0f}% of the "
            f"episodes in {self._streak} steps in a row. First cause: {self._cause}. Correct the "
            "verifier and train again."
        )
