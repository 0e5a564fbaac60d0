"""The two comparisons of sums have the same rows, and every row spends its budget."""

from pathlib import Path

import pytest

from selfcorrect_agents.comparison.plan.cells import plan
from selfcorrect_agents.comparison.plan.config import read_config

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
FILES = ("sums.toml", "sums_one_gpu.toml")


def test_both_have_the_same_rows() -> None:
    small, large = (read_config(FOLDER / name) for name in FILES)
    assert [(m.label, m.agent) for m in small.methods] == [
        (m.label, m.agent) for m in large.methods
    ]
    for ours, theirs in zip(small.methods, large.methods, strict=True):
        assert (ours.learning or {}).keys() == (theirs.learning or {}).keys()


@pytest.mark.parametrize("name", FILES)
def test_every_row_takes_all_episodes(name: str) -> None:
    config = read_config(FOLDER / name)
    trained = [cell.learning() for cell in plan(config) if cell.learning() is not None]
    assert trained
    for learning in trained:
        assert learning is not None
        assert learning.episodes == config.episodes
