"""The check, before the first step of a stage, that rewards reach the right turns in TRL's loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from selfcorrect_agents.adapters.trl.turns import SampledTurns
from selfcorrect_agents.errors import CreditError
from selfcorrect_agents.rl.credit import Reach, Rewards


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """How a trainer makes its loss of rewards, as the check needs it."""

    advantages: Callable[[Tensor], Tensor]
    """(B, K) rewards -> (B, T) advantages."""
    gradient: Callable[[Tensor], Tensor]
    """(B, T) advantages -> (B, T) the loss's gradient at the tokens' log-probabilities."""
    over_processes: Callable[[Tensor], Tensor]
    """Sums a tensor over all processes."""
    process: int
    """The number of this process."""


def check_credit(turns: SampledTurns, rewards: Rewards, reach: Reach, loss: Loss) -> None:
    """Differentiate TRL's own loss, and compare which turns each score trains with ``reach``.

    The scores of one turn are replaced by made-up ones, and the gradient of the trainer's loss at
    every token's log-probability is compared before and after. Nothing is changed.

    Args:
        turns: a batch; every process of a run checks its own at the same time.
        rewards: the stage's rewards as a function of the scores.
        reach: which turns each score should train.
        loss: the trainer's.

    Raises:
        CreditError: a score trains other turns, or none; the message names them.
    """
    generator = torch.Generator().manual_seed(loss.process)
    scores, other = (
        torch.rand(turns.scores.shape, generator=generator).to(turns.scores.device)
        for _ in range(2)
    )

    def gradient(scores: Tensor) -> Tensor:
        return loss.gradient(loss.advantages(rewards(scores)))

    before = gradient(scores)
    for turn, expected in enumerate(reach):
        changed = scores.clone()
        changed[:, turn] = other[:, turn]
        moved = (gradient(changed) - before).abs() > 1e-6 * before.abs().amax()
        per_turn = [(moved & (turns.turn == t)).any() for t in range(-1, turns.turns)]
        everywhere = loss.over_processes(torch.stack(per_turn).float()).tolist()
        found = {t - 1 for t, count in enumerate(everywhere) if count > 0}
        if found != set(expected):
            raise CreditError(
                f"The score of attempt {turn + 1} should train {_name(set(expected))} but trains "
                f"{_name(found)} in TRL's loss: no step was taken. If that is meant, declare it by "
                f"reach[{turn}], turns from 0; else the rewards or the loss are wrong."
            )


def _name(turns: set[int]) -> str:
    listed = " and ".join(
        f"attempt {turn + 1}" if turn >= 0 else "tokens that were not sampled"
        for turn in sorted(turns)
    )
    return listed or "no attempt"
