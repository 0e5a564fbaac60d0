"""`SampledTurns`: the turns of a batch of TRL, their sums, and their metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from selfcorrect_agents.rl.objectives import mean_of_valid


@dataclass(frozen=True, slots=True)
class SampledTurns:
    """The turns of a batch of this process: B episodes of K turns, T completion columns."""

    turn: Tensor
    """(B, T) int64: the turn of each trained token; -1 elsewhere."""
    scores: Tensor
    """(B, K) float32: ``r(y_t, y*)``."""
    judged: Tensor
    """(B,) bool."""

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], completion_ids: Tensor) -> SampledTurns:
        """Read what the rollout function returned for each row of a batch."""
        device = completion_ids.device
        turn = torch.full_like(completion_ids, -1)
        for i, row in enumerate(rows):
            turn[i, : len(row["turn"])] = torch.tensor(row["turn"], device=device)
        return cls(
            turn=turn,
            scores=torch.tensor([row["scores"] for row in rows], device=device),
            judged=torch.tensor([row["judged"] for row in rows], device=device),
        )

    @property
    def turns(self) -> int:
        """K."""
        return self.scores.shape[1]

    def sums(self, values: Tensor) -> Tensor:
        """(B, T) values of tokens -> (B, K) their sums over each turn's trained tokens."""
        per_turn = [
            torch.where(self.turn == turn, values, 0.0).sum(dim=1) for turn in range(self.turns)
        ]
        return torch.stack(per_turn, dim=1)

    def spread(self, values: Tensor) -> Tensor:
        """(B, K) values of turns -> (B, T) each at its turn's trained tokens, 0 elsewhere."""
        return torch.where(self.turn >= 0, values.gather(1, self.turn.clamp(min=0)), 0.0)


def turn_metrics(
    turns: SampledTurns, rewards: Tensor, kl: Tensor, gather: Callable[[Tensor], Tensor]
) -> dict[str, float]:
    """Return ``t{t}/accuracy``, ``t{t}/reward``, ``t{t}/kl``, ``delta`` and ``unjudged``.

    They are means over the judged episodes, and mean what
    `selfcorrect_agents.rl.update.LOGGED` says; the KL is the sampled ``log π − log π_ref``.

    Args:
        turns: of this process.
        rewards: (B, K), shaping included.
        kl: (B, K).
        gather: returns the rows of all processes.
    """
    judged = gather(turns.judged)
    metrics = {"unjudged": float((~judged).sum())}
    values = {"accuracy": (turns.scores == 1).float(), "reward": rewards, "kl": kl}
    for name, of_turns in values.items():
        for turn, mean in enumerate(mean_of_valid(gather(of_turns), judged).tolist()):
            metrics[f"t{turn + 1}/{name}"] = mean
    metrics["delta"] = metrics[f"t{turns.turns}/accuracy"] - metrics["t1/accuracy"]
    return metrics
