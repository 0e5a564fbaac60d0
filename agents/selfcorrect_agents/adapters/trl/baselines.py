"""Advantages of returns, scaled so that TRL's loss is the mean that the equations ask for."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from selfcorrect_agents.adapters.trl.config import SCoReGRPOConfig
from selfcorrect_agents.rl.objectives import group_normalised, leave_one_out


def advantages_of(returns: Tensor, judged: Tensor, samples: int, args: SCoReGRPOConfig) -> Tensor:
    """Compare each turn's return with those of the problem's other samples.

    Args:
        returns: (B, K) of all processes; rows ``i·samples …`` belong to one problem.
        judged: (B,) bool; the others have advantage 0.
        samples: episodes of each problem, ≥ 2.
        args: the kind of advantage, and the loss that divides.

    Returns:
        (B, K), times the constants that TRL divides by and the equations do not: the token cap
        (``dr_grpo``), and, where the loss is a mean over episodes, all episodes over judged ones.
    """
    compare = group_normalised if args.advantage == "group_normalised" else leave_one_out
    advantages = compare(returns, samples, judged)
    if args.divides_by_episodes:
        advantages = advantages * (len(judged) / judged.sum().clamp(min=1))
    if args.loss_type == "dr_grpo":
        advantages = advantages * cast(int, args.max_completion_length)
    return advantages
