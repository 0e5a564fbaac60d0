"""What the estimate of a comparison's cost counts."""

from pathlib import Path

import pytest
from sums_cost import Costs, cost_of

from selfcorrect_agents.comparison.plan.cells import plan
from selfcorrect_agents.comparison.plan.config import read_config

SUMS = Path(__file__).parents[2] / "benchmarks/sums.toml"
MEASURED = 2 * 60  # problems, sampled and greedy


@pytest.mark.parametrize(
    ("label", "played", "steps", "traces"),
    [
        ("base", MEASURED, 0, 0),
        # 160 episodes, and 16 after the fit
        ("Pair-SFT, loss on second replies", MEASURED + 160 + 16, 0, 160),
        # ten steps: one evaluation, after the last
        ("SCoRe", MEASURED + 64, 160, 0),
        # two steps gather 32 episodes for a fit of two traces each, and 16 are played after it
        ("SCoRe from a short Pair-SFT", MEASURED + 64 + 32 + 16, 128, 64),
    ],
)
def test_every_episode_of_a_row_is_counted(
    label: str, played: int, steps: int, traces: int
) -> None:
    (cell,) = (c for c in plan(read_config(SUMS)) if c.method.label == label and c.seed == 0)
    expected = played * 1e6 + steps * 1e3 + traces
    assert cost_of(cell, Costs(play=1e6, step=1e3, trace=1.0)) == expected
